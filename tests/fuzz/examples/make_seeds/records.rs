//! Records as the probes write them: a server is stopped, its successor starts, connections are lost.

use std::mem::offset_of;

use drain_observer_ebpf::record::{self, COMM_LEN, FILENAME_LEN};

const SERVER: u32 = 100;
const WORKER: u32 = 101;
const SUCCESSOR: u32 = 200;
const PORT: u16 = 8080;
const NETNS: u32 = 4_026_531_840;
const SECOND: u64 = 1_000_000_000;

/// The records in their order.
pub(crate) fn story() -> Vec<Vec<u8>> {
    let pairs = |sender, target| (task(sender, b"kill"), task(target, b"ruby"));
    let (killer, server) = pairs(50, SERVER);
    let worker = task(WORKER, b"ruby");
    let successor = task(SUCCESSOR, b"ruby");
    vec![
        record(record::FORKED, 9, [&server[..], &worker, &long(8 * SECOND)]),
        record(record::SIGNAL_GENERATED, 10, [&killer[..], &server, &words([15, 0, 1, 0, 0, 0])]),
        record(record::SIGNAL_DELIVERED, 10, [&server[..], &words([15, 2])]),
        record(record::SIGNAL_GENERATED, 10, [&server[..], &worker, &words([9, 0, 1, 0, 0, 0])]),
        record(record::EXITED, 11, [&worker[..], &long(8 * SECOND), &words([9, 0])]),
        connection(11, 40_001, &worker, record::HAS_SOCKET | record::FLUSHING, 7),
        flushed(11, 40_001),
        record(
            record::LISTENER_CLOSED,
            12,
            [&long(0x1000), &long(7), &tuple(0), &server, &words([1, 128, 0, 0])],
        ),
        connection(12, 40_002, &server, 0, 0),
        record(record::EXITED, 12, [&server[..], &long(SECOND), &words([1 << 8, 0])]),
        record(record::RESET, 13, [&tuple(40_003)[..], &words([record::RESET_REFUSED, 0, 0, 2])]),
        record(record::RESET, 13, [&tuple(40_001)[..], &words([record::RESET_LATE_DATA, 6, 18, 24])]),
        record(record::EXECUTED, 14, [&successor[..], &long(13 * SECOND), &filename(b"/usr/bin/ruby")]),
        record(
            record::LISTENER_OPENED,
            15,
            [&long(0x2000), &long(9), &tuple(0), &successor, &words([0, 128, 0, 0])],
        ),
        connection(16, 40_004, &successor, record::HAS_SOCKET, 0),
        record(record::OOM_VICTIM, 17, [&words([SUCCESSOR, 0])]),
        unix_listener(),
        record(record::UNIX_HOLDER_DIED, 18, [&server[..], &long(2)]),
        unix_ended(record::UNIX_QUEUE_RESET),
        unix_ended(record::UNIX_UNSEEN),
        unix_refused(),
        record(record::UPSTREAM, 18, [&successor[..], &tuple(40_005), &words([104, 0])]),
    ]
}

fn unix_listener() -> Vec<u8> {
    use record::UnixListener as Record;
    of_unix::<Record>(record::UNIX_LISTENER, &[(offset_of!(Record, inode), 9)], offset_of!(Record, name))
}

fn unix_ended(how: u32) -> Vec<u8> {
    use record::UnixEnded as Record;
    let course = offset_of!(Record, course);
    let times = [
        (offset_of!(record::UnixCourse, connected_ns), 16),
        (offset_of!(record::UnixCourse, request_ns), 17),
    ];
    let times = times.map(|(at, second)| (course + at, second * SECOND));
    let fields = [times[0], times[1], (offset_of!(Record, how), how.into())];
    of_unix::<Record>(record::UNIX_ENDED, &fields, offset_of!(Record, name))
}

fn unix_refused() -> Vec<u8> {
    use record::UnixRefused as Record;
    of_unix::<Record>(record::UNIX_REFUSED, &[], offset_of!(Record, name))
}

/// A record with some of its numbers and the name `/a`, zeros else.
fn of_unix<T>(kind: u16, fields: &[(usize, u64)], name: usize) -> Vec<u8> {
    let header = size_of::<record::Header>();
    let mut body = vec![0; size_of::<T>() - header];
    for (at, value) in fields {
        let room = &mut body[at - header..];
        let bytes = value.to_ne_bytes();
        let length = room.len().min(if *value > u64::from(u32::MAX) { 8 } else { 4 });
        room[..length].copy_from_slice(&bytes[..length]);
    }
    let name = name - header;
    body[name + offset_of!(record::UnixName, len)] = 2;
    body[name + offset_of!(record::UnixName, bytes)..][..2].copy_from_slice(b"/a");
    record(kind, 18, [&body])
}

fn connection(at: u64, peer: u16, by: &[u8], flags: u32, errno: u32) -> Vec<u8> {
    // Its handshake, its accept, which was not watched, its close; its peer sent no FIN.
    let times = [(at - 2) * SECOND, 0, at * SECOND, 0].map(long).concat();
    let transferred = [18, 100].map(long).concat();
    let numbers = words([1_018, 1_018, 1_018, 2_100, 2_150, 0, 30, 20, 10, 1, 1, 2, flags, errno]);
    // ESTABLISHED to FIN_WAIT1, both sides shut down.
    let states = [1, 4, 3, 1];
    record(
        record::CONNECTION,
        at,
        [&identity(peer)[..], &times, &transferred, &tuple(peer), by, &numbers, &states, &words([0; 9])],
    )
}

fn flushed(at: u64, peer: u16) -> Vec<u8> {
    record(record::FLUSHED, at, [&identity(peer)[..8], &long(at * SECOND), &tuple(peer), &words([50, 104])])
}

/// Address of the socket, cookie.
fn identity(peer: u16) -> Vec<u8> {
    [0x1_0000 + u64::from(peer), u64::from(peer)].map(long).concat()
}

fn record<const N: usize>(kind: u16, second: u64, fields: [&[u8]; N]) -> Vec<u8> {
    let body = fields.concat();
    let size = (size_of::<record::Header>() + body.len()) as u16;
    [&kind.to_ne_bytes()[..], &size.to_ne_bytes(), &words([0]), &long(second * SECOND), &body].concat()
}

fn task(pid: u32, name: &[u8]) -> Vec<u8> {
    [&words([pid, pid])[..], &padded(name, COMM_LEN)].concat()
}

fn tuple(peer: u16) -> Vec<u8> {
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
    [&mapped[..], &mapped, &NETNS.to_ne_bytes(), &PORT.to_ne_bytes(), &peer.to_ne_bytes()].concat()
}

fn filename(name: &[u8]) -> Vec<u8> {
    padded(name, FILENAME_LEN)
}

fn padded(name: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.resize(length, 0);
    bytes
}

fn long(number: u64) -> [u8; 8] {
    number.to_ne_bytes()
}

fn words<const N: usize>(numbers: [u32; N]) -> Vec<u8> {
    numbers.map(u32::to_ne_bytes).concat()
}
