//! Connections by how they end.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::stage::Stage;
use crate::event::UnixEnd;

fn read(stream: &mut UnixStream, count: usize) {
    stream.read_exact(&mut vec![0; count]).expect("bytes that were written");
}

fn reads_end(stream: &mut UnixStream) {
    assert_eq!(stream.read(&mut [0; 8]).expect("an orderly end"), 0);
}

#[test]
fn accepted_answered_and_closed_by_the_server() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_data_ready") || !stage.has("unix_recv_length") {
        return;
    }
    let (listener, path) = stage.listen("s");
    let mut client = UnixStream::connect(&path).expect("a connection");
    let (mut server, _) = listener.accept().expect("the same");
    for _ in 0..2 {
        client.write_all(b"request").expect("room");
        read(&mut server, 7);
        server.write_all(b"response").expect("room");
        read(&mut client, 8);
    }
    drop(server);
    reads_end(&mut client);
    let ended = stage.ended_by(&path, UnixEnd::ServerClosed);
    let me = Some(std::process::id());
    assert_eq!((Some(ended.client), ended.acceptor, ended.reader), (me, me, me));
    assert_eq!((ended.requests, ended.reads, ended.responses), (2, 2, 2));
    assert_eq!((ended.bytes_read, ended.bytes_delivered, ended.lost_bytes), (14, 16, 0));
    assert!(!ended.client_gone && !ended.accepted_before);
    let times = [ended.connected_at, ended.accepted_at, ended.request_at, ended.read_at, ended.response_at];
    assert!(times.iter().all(Option::is_some) && times.is_sorted(), "{ended:?}");
    assert_eq!(ended.queue_at_arrival, Some(1));
}

#[test]
fn read_but_unanswered_when_the_server_closes() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_data_ready") || !stage.has("unix_recv_length") {
        return;
    }
    let (listener, path) = stage.listen("s");
    let mut client = UnixStream::connect(&path).expect("a connection");
    let (mut server, _) = listener.accept().expect("the same");
    client.write_all(b"request").expect("room");
    read(&mut server, 7);
    server.shutdown(Shutdown::Both).expect("a shutdown");
    reads_end(&mut client);
    let ended = stage.ended_by(&path, UnixEnd::ServerClosed);
    assert_eq!((ended.requests, ended.reads, ended.responses, ended.response_at), (1, 1, 0, None));
}

#[test]
fn queued_with_and_without_a_request_when_the_listener_closes() {
    let Some(mut stage) = Stage::new() else { return };
    let (listener, path) = stage.listen("s");
    let mut silent = UnixStream::connect(&path).expect("a connection");
    let mut asking = UnixStream::connect(&path).expect("a connection");
    asking.write_all(b"request").expect("room");
    asking.write_all(b"more").expect("room");
    let gone = UnixStream::connect(&path).expect("a connection");
    drop(gone);
    drop(listener);
    for stream in [&mut silent, &mut asking] {
        let error = stream.read(&mut [0; 8]).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    let ended = [(); 3].map(|()| stage.ended_by(&path, UnixEnd::QueueReset));
    assert_eq!(ended.each_ref().map(|one| one.lost_bytes), [0, 11, 0]);
    assert_eq!(ended.each_ref().map(|one| one.client_gone), [false, false, true]);
    for one in &ended {
        assert_eq!((one.accepted_at, one.acceptor, one.by.pid), (None, None, std::process::id()));
    }
    if stage.has("unix_data_ready") {
        assert_eq!(ended.each_ref().map(|one| one.requests), [0, 2, 0]);
    }
}

#[test]
fn unread_when_the_server_closes() {
    let Some(mut stage) = Stage::new() else { return };
    let (listener, path) = stage.listen("s");
    let mut client = UnixStream::connect(&path).expect("a connection");
    let (mut server, _) = listener.accept().expect("the same");
    client.write_all(b"first").expect("room");
    read(&mut server, 5);
    client.write_all(b"second").expect("room");
    // Of which a part is read.
    read(&mut server, 2);
    client.write_all(b"third").expect("room");
    drop(server);
    let error = client.read(&mut [0; 8]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let ended = stage.ended_by(&path, UnixEnd::UnreadReset);
    assert_eq!((ended.lost_bytes, ended.bytes_read, ended.reads), (9, 5, 1));
    assert!(ended.accepted_at.is_some() && !ended.client_gone);
}

#[test]
fn a_request_to_a_closed_connection() {
    let Some(mut stage) = Stage::new() else { return };
    let (listener, path) = stage.listen("s");
    let mut client = UnixStream::connect(&path).expect("a connection");
    let (server, _) = listener.accept().expect("the same");
    drop(server);
    let error = client.write_all(b"request").expect_err("nobody reads it");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    if stage.has("unix_send_length") {
        let ended = stage.ended_by(&path, UnixEnd::LateRequest);
        assert_eq!((ended.requests, ended.by.pid), (0, std::process::id()));
    }
}

#[test]
fn the_client_leaves_first() {
    let Some(mut stage) = Stage::new() else { return };
    let (listener, path) = stage.listen("s");
    let connect = || {
        let client = UnixStream::connect(&path).expect("a connection");
        (client, listener.accept().expect("the same").0)
    };
    // Read as an end.
    let (client, mut server) = connect();
    drop(client);
    if stage.has("unix_recv_length") {
        reads_end(&mut server);
        assert!(stage.ended_by(&path, UnixEnd::ClientClosed).client_gone);
    }
    // Written to.
    let (client, mut server) = connect();
    drop(client);
    server.write_all(b"response").expect_err("nobody reads it");
    if stage.has("unix_send_length") {
        assert!(stage.ended_by(&path, UnixEnd::ClientClosed).client_gone);
    }
    // With a response unread.
    let (client, mut server) = connect();
    server.write_all(b"response").expect("room");
    drop(client);
    let ended = stage.ended_by(&path, UnixEnd::ResponseUnread);
    assert!(ended.client_gone && ended.lost_bytes == 8, "{ended:?}");
}

#[test]
fn what_was_there_before_is_known_from_its_next_bytes_on() {
    let Some(mut stage) = Stage::off() else { return };
    let (listener, path) = stage.listen("s");
    let queued = UnixStream::connect(&path).expect("a connection");
    let mut client = UnixStream::connect(&path).expect("a connection");
    let (_first, _) = listener.accept().expect("the first");
    let (mut server, _) = listener.accept().expect("the second");
    let waiting = UnixStream::connect(&path).expect("a connection");
    stage.kernel.watch_unix(true).expect("the set attached");
    if !stage.has("unix_data_ready") {
        return;
    }
    client.write_all(b"request").expect("room");
    read(&mut server, 7);
    client.write_all(b"another").expect("room");
    drop(server);
    let ended = stage.ended_by(&path, UnixEnd::UnreadReset);
    assert_eq!((ended.requests, ended.reads, ended.connected_at, ended.accepted_at), (2, 1, None, None));
    assert!(ended.accepted_before);
    drop(listener);
    let reset = stage.ended_by(&path, UnixEnd::QueueReset);
    assert_eq!((reset.connected_at, reset.client_gone), (None, false));
    drop((queued, waiting));
}

#[test]
fn an_address_used_again_tells_of_an_end_unseen() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_data_ready") {
        return;
    }
    let (listener, path) = stage.listen("s");
    // Nobody reads an end; addresses are soon used again.
    let mut binding = 0;
    for _ in 0..64 {
        let client = UnixStream::connect(&path).expect("a connection");
        drop(listener.accept().expect("the same"));
        drop(client);
    }
    drop(UnixStream::connect(&path).expect("a connection"));
    drop(listener);
    binding += stage.ended_by(&path, UnixEnd::QueueReset).binding;
    let unseen = stage.count(|kind| match kind {
        crate::event::Kind::UnixEnded(one) => one.how == UnixEnd::Unseen && one.binding == binding,
        _ => false,
    });
    assert!(unseen > 0, "all 64 connections had addresses of their own");
}
