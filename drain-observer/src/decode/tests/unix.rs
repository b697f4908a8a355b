//! Records about unix sockets.

use drain_observer_ebpf::record::{
    self, UNIX_NAME_LEN, UNIX_UNREAD_RESET, UNIX_UNSEEN, UnixCourse, UnixEnded, UnixHolderDied, UnixListener,
    UnixName, UnixRefused,
};

use super::{bytes, decoded, header, task};
use crate::decode::{DecodeError, decode};
use crate::event::{Kind, UnixEnd};

fn name(text: &[u8]) -> UnixName {
    let mut bytes = [0; UNIX_NAME_LEN];
    bytes[..text.len()].copy_from_slice(text);
    let is_abstract = u16::from(text.first() == Some(&0));
    UnixName { netns: 77, len: text.len().try_into().expect("a short name"), is_abstract, bytes, pad: 0 }
}

fn listener() -> UnixListener {
    UnixListener {
        header: header::<UnixListener>(record::UNIX_LISTENER),
        sk: 9,
        binding: 8,
        inode: 7,
        file_inode: 6,
        client: task(42, "nginx"),
        queue: 1,
        limit: 128,
        name: name(b"/run/puma.sock\0"),
    }
}

fn ended(how: u32) -> UnixEnded {
    let course = UnixCourse {
        listener: 9,
        binding: 8,
        connected_ns: 1_000,
        accepted_ns: 2_000,
        request_ns: 1_500,
        requests: 2,
        reads: 1,
        bytes_read: 100,
        client: 42,
        acceptor: 43,
        queue: 3,
        limit: 128,
        ..UnixCourse::default()
    };
    UnixEnded {
        header: header::<UnixEnded>(record::UNIX_ENDED),
        sk: 10,
        course,
        by: task(43, "puma"),
        how,
        client_gone: 0,
        lost_bytes: 55,
        queued_behind: 4,
        pad: 0,
        name: name(b"\0puma"),
    }
}

/// One of each kind.
pub(super) fn all() -> [Vec<u8>; 4] {
    let refused = UnixRefused {
        header: header::<UnixRefused>(record::UNIX_REFUSED),
        client: task(42, "nginx"),
        name: name(b"run/puma.sock"),
    };
    let died = UnixHolderDied {
        header: header::<UnixHolderDied>(record::UNIX_HOLDER_DIED),
        task: task(43, "puma"),
        connections: 2,
    };
    [bytes(&listener()), bytes(&ended(UNIX_UNREAD_RESET)), bytes(&refused), bytes(&died)]
}

#[test]
fn an_end_is_told_in_typed_words() {
    let Kind::UnixEnded(end) = decoded(&ended(UNIX_UNREAD_RESET)) else { panic!("not an end") };
    assert_eq!((end.how, end.by.pid, end.lost_bytes), (UnixEnd::UnreadReset, 43, 55));
    assert_eq!((end.connected_at, end.accepted_at, end.response_at), (Some(1_000), Some(2_000), None));
    assert_eq!((end.acceptor, end.reader, end.queue_at_arrival, end.died), (Some(43), None, Some(3), None));
    assert_eq!(end.path.expect("a name").to_string(), "@puma");
    let nameless = UnixEnded { name: name(b""), ..ended(UNIX_UNSEEN) };
    let Kind::UnixEnded(end) = decoded(&nameless) else { panic!("not an end") };
    assert_eq!((end.how, end.path), (UnixEnd::Unseen, None));
}

#[test]
fn a_path_ends_before_its_zero() {
    let Kind::UnixListener(seen) = decoded(&listener()) else { panic!("not a listener") };
    assert_eq!(seen.path.expect("a name").to_string(), "/run/puma.sock");
}

#[test]
fn what_stands_for_nothing_is_refused() {
    for how in [0, UNIX_UNSEEN + 1, u32::MAX] {
        let error = decode(&bytes(&ended(how))).expect_err("no such end");
        assert_eq!(error, DecodeError::UnknownValue { field: "unix_ended.how", value: how });
    }
    let too_long = UnixName { len: 109, ..name(b"x") };
    let error = decode(&bytes(&UnixListener { name: too_long, ..listener() })).expect_err("no such name");
    assert_eq!(error, DecodeError::UnknownValue { field: "unix_name.len", value: 109 });
}
