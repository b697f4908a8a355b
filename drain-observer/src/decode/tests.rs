//! Records as the probes write them, cut and spoilt ones included.

mod unix;

use drain_observer_ebpf::record::{self, COMM_LEN, FILENAME_LEN, Header, Task, Tuple};
use proptest::prelude::*;

use super::{DecodeError, decode};
use crate::event::{
    Endpoint, Event, Kind, ListenerKey, ResetKind, SignalAction, SignalResult, Standing, Task as EventTask,
    TcpState, flag,
};

/// The bytes of a record.
fn bytes<T: Copy>(record: &T) -> Vec<u8> {
    // SAFETY: the records have no padding that is not a field, so every byte is initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast::<u8>(), size_of::<T>()) }.to_vec()
}

fn header<T>(kind: u16) -> Header {
    Header { kind, size: u16::try_from(size_of::<T>()).expect("a small record"), cpu: 1, boot_ns: 5_000 }
}

fn task(tgid: u32, name: &str) -> Task {
    let mut comm = [0; COMM_LEN];
    comm[..name.len()].copy_from_slice(name.as_bytes());
    Task { tgid, pid: tgid + 1, comm }
}

fn mapped(last: u8) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, last]
}

fn tuple() -> Tuple {
    Tuple { local: mapped(1), peer: mapped(2), netns: 77, local_port: 8080, peer_port: 40_000 }
}

fn connection() -> record::Connection {
    record::Connection {
        header: header::<record::Connection>(record::CONNECTION),
        sk: 0xffff_8880_0000_1000,
        cookie: 12,
        established_ns: 1_000,
        accepted_ns: 0,
        closed_ns: 4_000,
        peer_fin_ns: 0,
        bytes_received: 18,
        bytes_acked: 100,
        tuple: tuple(),
        task: task(42, "puma"),
        rcv_nxt: 1_018,
        copied_seq: 1_018,
        rcv_wup: 1_018,
        snd_una: 2_100,
        write_seq: 2_150,
        write_seq_at_fin: 0,
        jiffies: 30,
        lsndtime: 20,
        lrcvtime: 10,
        queue_at_arrival: 3,
        data_segs_in: 1,
        data_segs_out: 2,
        flags: record::HAS_SOCKET | record::FLUSHING,
        err: 104,
        old_state: 1,
        new_state: 4,
        shutdown: 3,
        pingpong: 1,
        snd_nxt: 2_150,
        rcv_tstamp: 21,
        pad: 0,
        standing: record::Standing {
            pending: 24,
            packet_ms: u32::MAX,
            data_ticks: 10,
            received_ticks: 20,
            last_segment: 24,
            pingpong: 1,
        },
    }
}

fn listener() -> record::Listener {
    record::Listener {
        header: header::<record::Listener>(record::LISTENER_OPENED),
        sk: 9,
        cookie: 0,
        tuple: Tuple { local: [0; 16], peer: [0; 16], local_port: 0, peer_port: 0, netns: 77 },
        task: task(42, "puma"),
        queue: 1,
        limit: 128,
        drops: 2,
        pad: 0,
    }
}

fn reset(what: u32) -> record::Reset {
    record::Reset {
        header: header::<record::Reset>(record::RESET),
        tuple: tuple(),
        what,
        sk_state: 0,
        payload: 5,
        tcp_flags: 2,
    }
}

fn signal(result: u32, from_kernel: u32) -> record::SignalGenerated {
    record::SignalGenerated {
        header: header::<record::SignalGenerated>(record::SIGNAL_GENERATED),
        sender: task(1, "systemd"),
        target: task(42, "puma"),
        signal: 15,
        result,
        group: 1,
        from_kernel,
        code: 0,
        pad: 0,
    }
}

fn delivered(action: u32) -> record::SignalDelivered {
    record::SignalDelivered {
        header: header::<record::SignalDelivered>(record::SIGNAL_DELIVERED),
        task: task(42, "puma"),
        signal: 15,
        action,
    }
}

fn executed(name: &[u8]) -> record::Executed {
    let mut filename = [0; FILENAME_LEN];
    filename[..name.len()].copy_from_slice(name);
    record::Executed {
        header: header::<record::Executed>(record::EXECUTED),
        task: task(42, "puma"),
        start_ns: 3,
        filename,
    }
}

fn exited(code: u32) -> record::Exited {
    record::Exited {
        header: header::<record::Exited>(record::EXITED),
        task: task(42, "puma"),
        start_ns: 3,
        code,
        pad: 0,
    }
}

/// One of each kind.
fn all() -> Vec<Vec<u8>> {
    let closed =
        record::Listener { header: header::<record::Listener>(record::LISTENER_CLOSED), ..listener() };
    let flushed = record::Flushed {
        header: header::<record::Flushed>(record::FLUSHED),
        sk: 9,
        closed_ns: 4_000,
        tuple: tuple(),
        unacked: 7,
        err: 110,
    };
    let lingered = record::Lingered {
        header: header::<record::Lingered>(record::LINGERED),
        sk: 9,
        closed_ns: 4_000,
        tuple: tuple(),
        task: task(42, "apache2"),
        received: 80,
        quiet: 25,
        unacked: 0,
        pad: 0,
    };
    let forked = record::Forked {
        header: header::<record::Forked>(record::FORKED),
        parent: task(1, "init"),
        child: task(42, "init"),
        start_ns: 3,
    };
    let victim =
        record::OomVictim { header: header::<record::OomVictim>(record::OOM_VICTIM), tgid: 42, pad: 0 };
    vec![
        bytes(&connection()),
        bytes(&flushed),
        bytes(&listener()),
        bytes(&closed),
        bytes(&reset(record::RESET_REFUSED)),
        bytes(&signal(0, 0)),
        bytes(&delivered(2)),
        bytes(&forked),
        bytes(&executed(b"/usr/bin/puma")),
        bytes(&exited(256)),
        bytes(&victim),
        bytes(&lingered),
    ]
    .into_iter()
    .chain(unix::all())
    .collect()
}

fn decoded<T: Copy>(record: &T) -> Kind {
    let Event { at, event } = decode(&bytes(record)).expect("a whole record");
    assert_eq!(at, 5_000);
    event
}

fn decoded_connection(raw: &record::Connection) -> crate::event::Connection {
    match decoded(raw) {
        Kind::Connection(connection) => connection,
        other => panic!("not a connection: {other:?}"),
    }
}

#[test]
fn a_connection_is_told_in_typed_words() {
    let seen = decoded_connection(&connection());
    assert_eq!(
        (seen.local.to_string(), seen.peer.to_string()),
        ("127.0.0.1:8080".into(), "127.0.0.2:40000".into())
    );
    assert_eq!((seen.established_at, seen.closed_at, seen.peer_fin_at), (Some(1_000), 4_000, None));
    assert_eq!((seen.from, seen.to), (TcpState::Established, TcpState::FinWait1));
    assert_eq!((seen.bytes_received, seen.bytes_acked, seen.unacked, seen.unread), (18, 100, 50, 0));
    assert_eq!((seen.last_sent, seen.last_received, seen.jiffies), (20, 10, 30));
    let standing = Standing {
        pending: 24,
        packet_ms: None,
        data_ticks: 10,
        received_ticks: 20,
        last_segment: 24,
        pingpong: 1,
    };
    assert_eq!((seen.standing, seen.last_acked), (standing, Some(21)));
    assert!(
        !seen.ack_pending && seen.has(flag::HAS_SOCKET) && seen.has(flag::FLUSHING) && !seen.has(flag::HELD)
    );
    assert_eq!((seen.by.pid, seen.by.comm.as_str(), seen.errno, seen.netns), (42, "puma", 104, 77));
    let unknown = decoded_connection(&record::Connection { established_ns: 0, ..connection() });
    assert_eq!(unknown.established_at, None);
}

#[test]
fn a_fin_is_no_payload() {
    let raw = record::Connection {
        old_state: 8,
        bytes_received: 19,
        rcv_nxt: 1_019,
        copied_seq: 1_000,
        peer_fin_ns: 3_000,
        write_seq_at_fin: 2_120,
        ..connection()
    };
    let seen = decoded_connection(&raw);
    assert_eq!(
        (seen.bytes_received, seen.unread, seen.written_after_fin, seen.peer_fin_at),
        (18, 18, 30, Some(3_000))
    );
    let read = decoded_connection(&record::Connection { copied_seq: 1_018, ..raw });
    assert_eq!(read.unread, 0);
    let nothing = decoded_connection(&record::Connection { bytes_received: 0, copied_seq: 1_020, ..raw });
    assert_eq!((nothing.bytes_received, nothing.unread), (0, 0));
    let unseen = decoded_connection(&record::Connection { peer_fin_ns: 0, ..raw });
    assert_eq!(unseen.written_after_fin, 0);
    assert!(!seen.ack_pending, "only the FIN waits for its acknowledgement");
    let asked = decoded_connection(&record::Connection { rcv_wup: 1_010, ..raw });
    assert!(asked.ack_pending);
}

#[test]
fn what_was_never_sent_is_told_from_what_is_under_way() {
    let corked = decoded_connection(&record::Connection { snd_nxt: 2_110, ..connection() });
    assert_eq!((corked.unacked, corked.unsent), (50, 40));
}

#[test]
fn sequence_numbers_wrap() {
    let raw = record::Connection {
        rcv_nxt: 5,
        copied_seq: u32::MAX - 4,
        rcv_wup: 4,
        write_seq: 3,
        snd_una: u32::MAX,
        ..connection()
    };
    let seen = decoded_connection(&raw);
    assert_eq!((seen.unread, seen.unacked, seen.ack_pending), (10, 4, true));
    let behind = decoded_connection(&record::Connection { write_seq: 2_000, snd_una: 2_001, ..connection() });
    assert_eq!(behind.unacked, 0, "the acknowledged FIN lies beyond write_seq");
}

#[test]
fn a_record_held_back_was_read_to_its_end() {
    let raw = record::Connection { flags: record::HELD, copied_seq: 1_000, rcv_wup: 0, ..connection() };
    let seen = decoded_connection(&raw);
    assert_eq!((seen.unread, seen.ack_pending), (0, false));
}

#[test]
fn numbers_become_words() {
    let Kind::ListenerOpened(opened) = decoded(&listener()) else { panic!("not a listener") };
    let local = Endpoint { address: "::".parse().expect("an address"), port: 0 };
    assert_eq!(
        (opened.key, opened.queue, opened.limit, opened.drops),
        (ListenerKey { netns: 77, local: local.into() }, 1, 128, 2)
    );
    let Kind::Reset(late) = decoded(&record::Reset { sk_state: 6, ..reset(record::RESET_LATE_DATA) }) else {
        panic!("not a reset")
    };
    assert_eq!((late.reason, late.state), (ResetKind::LateData, Some(TcpState::TimeWait)));
    let Kind::Reset(refused) = decoded(&reset(record::RESET_REFUSED)) else { panic!("not a reset") };
    assert_eq!((refused.reason, refused.state), (ResetKind::Refused, None));
    let Kind::Signal(sent) = decoded(&signal(2, 0)) else { panic!("not a signal") };
    assert_eq!((sent.result, sent.sender.map(|sender| sender.pid)), (SignalResult::AlreadyPending, Some(1)));
    let Kind::Signal(sent) = decoded(&signal(4, 1)) else { panic!("not a signal") };
    assert_eq!((sent.result, sent.sender, sent.group), (SignalResult::Overflow, None, true));
    let Kind::SignalDelivered(ignored) = decoded(&delivered(1)) else { panic!("not a delivery") };
    assert_eq!(ignored.action, SignalAction::Ignored);
    for (code, status, killed_by) in [(0, 0, 0), (7 << 8, 7, 0), (9, 0, 9), (0x80 | 11, 0, 11)] {
        let Kind::Exited(exited) = decoded(&exited(code)) else { panic!("not an exit") };
        assert_eq!((exited.status, exited.signal), (status, killed_by), "{code}");
    }
}

#[test]
fn names_may_be_anything() {
    let Kind::Executed(program) = decoded(&executed(b"/bin/\xff\0rest")) else { panic!("not an exec") };
    assert_eq!(program.file, "/bin/\u{fffd}");
    let Kind::Executed(whole) = decoded(&executed(&[b'x'; FILENAME_LEN])) else { panic!("not an exec") };
    assert_eq!(whole.file.len(), FILENAME_LEN);
    let nameless = EventTask { pid: 42, comm: Default::default() };
    let raw = record::Exited { task: Task { comm: [0; COMM_LEN], ..task(42, "") }, ..exited(0) };
    let Kind::Exited(exited) = decoded(&raw) else { panic!("not an exit") };
    assert_eq!(exited.task, nameless);
}

#[test]
fn every_kind_is_known_and_cut_ones_are_refused() {
    let kinds: Vec<u16> = all().iter().map(|record| u16::from_ne_bytes([record[0], record[1]])).collect();
    assert_eq!(kinds, Vec::from_iter(record::CONNECTION..=record::UNIX_HOLDER_DIED));
    for record in all() {
        decode(&record).expect("a whole record");
        for cut in 0..record.len() {
            let error = decode(&record[..cut]).expect_err("a cut record");
            assert!(matches!(error, DecodeError::Length { found, .. } if found == cut), "{error}");
        }
        let longer = [record.as_slice(), &[0]].concat();
        assert!(matches!(decode(&longer), Err(DecodeError::Length { .. })));
    }
}

#[test]
fn what_stands_for_nothing_is_refused() {
    let mut unknown = bytes(&reset(1));
    unknown[..2].copy_from_slice(&999u16.to_ne_bytes());
    assert_eq!(decode(&unknown), Err(DecodeError::UnknownKind(999)));
    let value = |field, value| Err(DecodeError::UnknownValue { field, value });
    assert_eq!(decode(&bytes(&reset(5))), value("reset.what", 5));
    assert_eq!(decode(&bytes(&signal(5, 0))), value("signal.result", 5));
    assert_eq!(decode(&bytes(&delivered(3))), value("signal.action", 3));
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn spoilt_records_do_no_harm(
        which in 0usize..12,
        spoilt in proptest::collection::vec((16usize..400, any::<u8>()), 0..64),
    ) {
        let mut record = all().swap_remove(which);
        for (at, byte) in spoilt {
            let at = 16 + at % (record.len() - 16);
            record[at] = byte;
        }
        // The header is whole: only a number that stands for nothing can be wrong.
        let decoded = decode(&record);
        prop_assert!(matches!(decoded, Ok(_) | Err(DecodeError::UnknownValue { .. })), "{decoded:?}");
    }
}
