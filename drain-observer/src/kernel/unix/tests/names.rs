//! Listeners by what they are bound to.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener, UnixStream};

use super::stage::{Stage, unix_path};
use crate::event::{Kind, UnixEnd, UnixPath};

#[test]
fn a_listener_is_told_once_with_its_inodes_and_queue() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_data_ready") {
        return;
    }
    let (listener, path) = stage.listen("once");
    let inode = fs::metadata(&path).expect("a socket file").ino();
    let held: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&path).expect("a connection")).collect();
    let seen = stage.listener(&unix_path(&path));
    assert_eq!((seen.queue, seen.file_inode, seen.client.pid), (1, inode, std::process::id()));
    assert!(seen.limit >= 128, "std's own, as far as net.core.somaxconn allows");
    let link = fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&listener)));
    assert_eq!(link.expect("a descriptor").to_string_lossy(), format!("socket:[{}]", seen.inode));
    let again = unix_path(&path);
    let more =
        stage.count(|kind| matches!(kind, Kind::UnixListener(one) if one.path.as_ref() == Some(&again)));
    assert_eq!(more, 0);
    drop(listener);
    let queues: Vec<Option<u32>> =
        held.iter().map(|_| stage.ended_by(&path, UnixEnd::QueueReset).queue_at_arrival).collect();
    assert_eq!(queues, [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_path_bound_again_is_another_binding() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_data_ready") {
        return;
    }
    let (old, path) = stage.listen("again");
    let waits_for_old = UnixStream::connect(&path).expect("a connection");
    let first = stage.listener(&unix_path(&path));
    fs::remove_file(&path).expect("a file to unlink");
    let new = StdListener::bind(&path).expect("the path again");
    let _waits_for_new = UnixStream::connect(&path).expect("a connection");
    let second = stage.listener(&unix_path(&path));
    assert!(first.sk != second.sk && first.binding != second.binding && first.inode != second.inode);
    drop(old);
    let reset = stage.ended_by(&path, UnixEnd::QueueReset);
    assert_eq!((reset.listener, reset.binding), (first.sk, first.binding));
    drop(waits_for_old);
    drop(new);
    let reset = stage.ended_by(&path, UnixEnd::QueueReset);
    assert_eq!((reset.listener, reset.binding), (second.sk, second.binding));
}

#[test]
fn names_may_be_abstract_long_and_no_text() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_data_ready") {
        return;
    }
    let name = format!("drain-observer\0test {}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("an abstract name");
    let listener = StdListener::bind_addr(&address).expect("a listener");
    let _client = UnixStream::connect_addr(&address).expect("a connection");
    let seen = stage.listener(&UnixPath::new(format!("\0{name}").as_bytes()));
    assert_eq!(seen.file_inode, 0);
    assert!(seen.path.expect("a name").is_abstract());
    drop(listener);

    let mut longest = stage.path("x").into_os_string().into_string().expect("text");
    longest.push_str(&"y".repeat(107 - longest.len()));
    let odd = stage.path("caf\u{e9} \x1b[2J").into_os_string().into_string().expect("text");
    for path in [longest, odd] {
        let listener = StdListener::bind(&path).expect("a listener");
        let client = UnixStream::connect(&path).expect("a connection");
        let seen = stage.listener(&unix_path(path.as_ref()));
        assert_eq!(seen.path.expect("a name").as_bytes(), path.as_bytes());
        drop(listener);
        stage.ended_by(path.as_ref(), UnixEnd::QueueReset);
        drop(client);
    }
}
