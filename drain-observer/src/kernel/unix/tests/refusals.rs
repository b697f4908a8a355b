//! Connections that cannot be made.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener, UnixStream};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use super::stage::{Stage, unix_path};
use crate::event::{Kind, UnixEnd, UnixPath};

fn socket() -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a socket")
}

fn address(path: &Path) -> SocketAddrUnix {
    SocketAddrUnix::new(path).expect("a path that a socket can have")
}

#[test]
fn no_file_nobody_listening_and_a_full_queue() {
    let Some(mut stage) = Stage::new() else { return };
    let absent = stage.path("absent");
    UnixStream::connect(&absent).expect_err("no such file");
    let refused = stage.refused(&unix_path(&absent));
    assert_eq!(refused.client.pid, std::process::id());

    let (listener, left) = stage.listen("left");
    drop(listener);
    UnixStream::connect(&left).expect_err("nobody listens");
    stage.refused(&unix_path(&left));

    let full = stage.path("full");
    let listener = socket();
    bind(&listener, &address(&full)).expect("the path");
    listen(&listener, 1).expect("a listener");
    let queued = [socket(), socket()];
    for client in &queued {
        connect(client, &address(&full)).expect("room for the limit and one more");
    }
    let client = socket();
    assert_eq!(connect(&client, &address(&full)), Err(Errno::AGAIN));
    stage.refused(&unix_path(&full));
    drop(listener);
    for queue in [1, 2] {
        let ended = stage.ended_by(&full, UnixEnd::QueueReset);
        assert_eq!(ended.limit, 1);
        if stage.has("unix_data_ready") {
            assert_eq!(ended.queue_at_arrival, Some(queue));
        }
    }
}

#[test]
fn abstract_and_long_names_are_told_as_they_were_given() {
    let Some(mut stage) = Stage::new() else { return };
    let name = format!("drain-observer nobody {}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
    UnixStream::connect_addr(&abstract_name).expect_err("nobody listens");
    stage.refused(&UnixPath::new(format!("\0{name}").as_bytes()));
    let mut longest = stage.path("x").into_os_string().into_string().expect("text");
    longest.push_str(&"y".repeat(107 - longest.len()));
    UnixStream::connect(&longest).expect_err("no such file");
    stage.refused(&unix_path(longest.as_ref()));
}

#[test]
fn a_listener_that_was_shut_down_refuses_but_resets_nothing() {
    let Some(mut stage) = Stage::new() else { return };
    let path = stage.path("shut");
    let listener = socket();
    bind(&listener, &address(&path)).expect("the path");
    listen(&listener, 8).expect("a listener");
    let queued = UnixStream::connect(&path).expect("a connection");
    rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).expect("a shutdown");
    UnixStream::connect(&path).expect_err("nobody listens");
    stage.refused(&unix_path(&path));
    let wanted = unix_path(&path);
    let ended = |kind: &Kind| matches!(kind, Kind::UnixEnded(one) if one.path.as_ref() == Some(&wanted));
    assert_eq!(stage.count(ended), 0);
    drop(listener);
    stage.ended_by(&path, UnixEnd::QueueReset);
    drop(queued);
    fs::remove_file(&path).expect("a file to unlink");
    drop(StdListener::bind(&path).expect("the path again"));
}
