//! Random events: few processes, ports and clients, so that they meet; much of it nonsense.

use super::situations::{jiffies, one_request_answered};
use super::unix_connection;
use super::words::{NETNS, ZERO};
use crate::event::{
    Attached, BootNs, Comm, Connection, CountedBy, Counts, Endpoint, Event, Executed, Exited, Flushed,
    Forked, Held, HeldListener, Kind, Listener, ListenerKey, ListenerSeen, Lost, OomVictim, ProcessSeen,
    QueueSeen, Reset, ResetKind, Scanned, SignalAction, SignalDelivered, SignalGenerated, SignalResult,
    Standing, Surveyed, Task, TcpState, Unheld, UnixBind, UnixClosed, UnixEnd, UnixEnded, UnixListener,
    UnixOpened, UnixPath, UnixRefused, UnixWatched, UpstreamFailed,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Up to `len` events in order of time, but for a few that come a little late.
pub(crate) fn events(len: usize) -> impl Strategy<Value = Vec<Event>> {
    let step = prop_oneof![5 => 0..2_000_000u64, 3 => 0..400_000_000u64, 1 => 0..20_000_000_000u64];
    let late = prop_oneof![9 => Just(0u64), 1 => 0..900_000u64];
    proptest::collection::vec((step, late, kind()), 1..len).prop_map(|steps| {
        let mut now = ZERO;
        let mut events = Vec::new();
        let mut closed = BTreeMap::new();
        for (step, late, kind) in steps {
            now += step;
            let at = now - late;
            let mut event = timed(kind, at);
            match &mut event {
                Kind::Connection(it) => {
                    closed.insert((it.local, it.peer), at);
                }
                Kind::Flushed(it) => {
                    it.closed_at = closed.get(&(it.local, it.peer)).copied().unwrap_or(ZERO);
                }
                _ => {}
            }
            events.push(Event { at, event });
        }
        events
    })
}

/// A connection of any state, mostly of a possible one.
pub(super) fn connection() -> impl Strategy<Value = Connection> {
    let sizes = (
        prop_oneof![Just(0u64), Just(80), Just(400)],
        prop_oneof![Just(0u64), Just(120), Just(90_000)],
        prop_oneof![6 => Just(0u32), 1 => Just(50), 1 => Just(100_000)],
        prop_oneof![4 => Just(0u32), 1 => Just(80)],
        prop_oneof![8 => Just(0u32), 1 => Just(40)],
    );
    let states = (
        prop_oneof![4 => Just(TcpState::Established), 2 => Just(TcpState::CloseWait), 1 => Just(TcpState::SynRecv)],
        prop_oneof![3 => Just(TcpState::FinWait1), 2 => Just(TcpState::Close), 1 => Just(TcpState::LastAck)],
        prop_oneof![6 => Just(0u32), 1 => Just(32), 1 => Just(103), 2 => Just(104), 1 => Just(110), 1 => Just(113)],
    );
    let times = (0..40u32, 0..40u32, 0..3u8, any::<bool>(), 0..3u32, 0..3u32, any::<bool>());
    // Mostly accepted, seldom any of the rest.
    let flags = prop_oneof![5 => Just(1u32), 2 => Just(0u32), 2 => 0..0x400u32];
    (place(), peer(), task(), sizes, states, times, flags).prop_map(
        |((_, local), peer, by, sizes, (from, to, errno), times, flags)| {
            let (bytes_received, bytes_acked, unacked, unread, written_after_fin) = sizes;
            let (sent, received, pingpong, ack_pending, segments_in, segments_out, known) = times;
            let base = one_request_answered(ZERO, local, peer, by);
            Connection {
                from,
                to,
                errno,
                bytes_received,
                bytes_acked,
                unacked,
                unsent: unacked.min(40) * (segments_in & 1),
                unread,
                written_after_fin,
                ack_pending,
                pingpong,
                standing: Standing {
                    pingpong: u32::from(pingpong) + u32::from(known),
                    pending: 40 * (segments_out & 1),
                    ..base.standing
                },
                segments_in,
                segments_out,
                flags,
                established_at: known.then_some(ZERO),
                accepted_at: (known && segments_in & 2 != 0).then_some(ZERO),
                last_sent: sent,
                last_received: received,
                ..base
            }
        },
    )
}

/// Times that depend on when an event comes; the strategies leave them relative.
fn timed(kind: Kind, at: BootNs) -> Kind {
    match kind {
        Kind::Connection(it) => {
            let ago = |ticks: u32| jiffies(at).wrapping_sub(ticks);
            let (last_sent, last_received) = (ago(it.last_sent), ago(it.last_received));
            let established_at = it.established_at.map(|_| at.saturating_sub(300_000_000));
            let accepted_at = it.accepted_at.map(|_| at.saturating_sub(200_000_000));
            Kind::Connection(Connection {
                closed_at: at,
                established_at,
                accepted_at,
                jiffies: jiffies(at),
                last_sent,
                last_received,
                ..it
            })
        }
        Kind::UnixEnded(it) => {
            let time = |ago: Option<BootNs>| ago.map(|ago| at.saturating_sub(ago));
            Kind::UnixEnded(UnixEnded {
                connected_at: time(it.connected_at),
                accepted_at: time(it.accepted_at),
                request_at: time(it.request_at),
                read_at: time(it.read_at),
                response_at: time(it.response_at),
                died: it.died.map(|(pid, ago)| (pid, at.saturating_sub(ago))),
                ..it
            })
        }
        Kind::UnixOpened(it) => Kind::UnixOpened(UnixOpened { since: at.saturating_sub(it.since), ..it }),
        Kind::UnixClosed(it) => Kind::UnixClosed(UnixClosed { since: at.saturating_sub(it.since), ..it }),
        Kind::Forked(it) => Kind::Forked(Forked { start: at, ..it }),
        other => other,
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        12 => connection().prop_map(Kind::Connection),
        4 => unix(),
        3 => listening(),
        4 => processes(),
        4 => signals(),
        4 => resets(),
        2 => upstreams(),
        2 => observer(),
    ]
}

fn listening() -> impl Strategy<Value = Kind> {
    let holders = proptest::collection::vec(pid(), 0..3);
    prop_oneof![
        3 => listener().prop_map(Kind::ListenerOpened),
        2 => listener().prop_map(Kind::ListenerClosed),
        2 => (place(), holders, 0..3u64).prop_map(|((key, _), holders, cookie)| {
            Kind::ListenerSeen(ListenerSeen { key, cookie, inode: 0, queue: 0, limit: 16, holders, unix: None })
        }),
        3 => unix_listening(),
        1 => (place(), path(), proptest::collection::vec(pid(), 0..3), 0..5u32).prop_map(|((key, end), path, pids, open)| {
            let (netns, port) = (key.netns, end.port);
            let on_path = QueueSeen { key: ListenerKey { netns, local: path.into() }, cookie: 0, queue: open, limit: 4 };
            let held = |pid| Held { pid, of: CountedBy::Port { netns, port }, open, unread: 0, awaiting: open, unsent: 0, oldest: 0 };
            Kind::Surveyed(Surveyed {
                queues: vec![QueueSeen { key, cookie: 0, queue: open, limit: 16 }, on_path],
                held: pids.into_iter().map(held).collect(),
                unheld: vec![Unheld { of: CountedBy::Port { netns, port }, open, queued: open }],
                complete: true,
            })
        }),
        2 => (pid(), any::<bool>(), proptest::collection::vec(key(), 0..3)).prop_map(|(pid, found, keys)| {
            let held = |key| HeldListener { key, cookie: 0 };
            Kind::Scanned(Scanned { pid, found, listeners: keys.into_iter().map(held).collect() })
        }),
    ]
}

fn listener() -> impl Strategy<Value = Listener> {
    (task(), place(), 0..3u64, 0..3u64).prop_map(|(by, (key, end), socket, cookie)| {
        let sk = address(socket, end.port);
        Listener { sk, cookie, key, by, queue: 1, limit: 16, drops: 0 }
    })
}

fn processes() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => (task(), task()).prop_map(|(parent, child)| Kind::Forked(Forked { parent, child, start: 0 })),
        1 => task().prop_map(|task| Kind::Executed(Executed { task, start: ZERO, file: "/bin/it".to_owned() })),
        3 => (task(), 0..2u8, prop_oneof![3 => Just(0u8), 1 => Just(9), 1 => Just(11)])
            .prop_map(|(task, status, signal)| Kind::Exited(Exited { task, start: ZERO, status, signal })),
        1 => pid().prop_map(|pid| Kind::OomVictim(OomVictim { pid })),
        1 => (task(), pid(), 0..3u8).prop_map(|(task, parent, program)| {
            let executable = if program == 0 { String::new() } else { format!("/bin/{program}") };
            let (pid, comm) = (task.pid, task.comm);
            Kind::ProcessSeen(ProcessSeen { pid, parent, comm, executable, start: ZERO, ..ProcessSeen::default() })
        }),
    ]
}

fn signals() -> impl Strategy<Value = Kind> {
    let number = proptest::sample::select(vec![1u32, 2, 3, 6, 9, 10, 11, 12, 15, 17, 28]);
    let result = proptest::sample::select(vec![
        SignalResult::Queued,
        SignalResult::Queued,
        SignalResult::Ignored,
        SignalResult::AlreadyPending,
    ]);
    let action =
        proptest::sample::select(vec![SignalAction::Default, SignalAction::Ignored, SignalAction::Handler]);
    prop_oneof![
        3 => (number.clone(), proptest::option::of(task()), task(), result).prop_map(
            |(signal, sender, target, result)| {
                Kind::Signal(SignalGenerated { signal, sender, target, result, group: true })
            }
        ),
        1 => (number, task(), action)
            .prop_map(|(signal, task, action)| Kind::SignalDelivered(SignalDelivered { signal, task, action })),
    ]
}

fn resets() -> impl Strategy<Value = Kind> {
    let reason = proptest::sample::select(vec![
        ResetKind::Refused,
        ResetKind::LateData,
        ResetKind::UnknownToListener,
        ResetKind::NoSocket,
    ]);
    let payload = proptest::sample::select(vec![0u32, 31, 32, 500]);
    prop_oneof![
        3 => (reason, place(), peer(), payload).prop_map(|(reason, (_, local), peer, payload)| {
            Kind::Reset(Reset { reason, local, peer, netns: NETNS, state: None, payload })
        }),
        1 => (place(), peer(), 0..2u32, proptest::sample::select(vec![0u32, 104, 110])).prop_map(
            |((_, local), peer, unacked, errno)| {
                let closed_at = ZERO;
                Kind::Flushed(Flushed { sk: 0, closed_at, local, peer, netns: NETNS, unacked, errno })
            }
        ),
    ]
}

fn observer() -> impl Strategy<Value = Kind> {
    let what =
        proptest::sample::select(vec!["connection", "process", "signal", "listener", "established_at"]);
    prop_oneof![
        1 => what.prop_map(|what| Kind::Lost(Lost { what: what.into(), reason: "ring_full".into(), count: 2 })),
        3 => Just(Kind::Tick),
        2 => Just(Kind::Attached(Attached { hooks: Vec::new(), notes: Vec::new() })),
        1 => Just(Kind::Ended),
        1 => (0..9u64).prop_map(|count| Kind::Counts(Counts {
            of: CountedBy::Port { netns: NETNS, port: 7000 },
            established: count * 2,
            served: count,
            idle_closed: count,
        })),
    ]
}

fn pid() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(1u32), 9 => 100..108u32]
}

fn task() -> impl Strategy<Value = Task> {
    (pid(), 0..2u8).prop_map(|(pid, name)| Task { pid, comm: Comm::new(&[b'a' + name]) })
}

/// A listener and an end of a connection to it.
fn place() -> impl Strategy<Value = (ListenerKey, Endpoint)> {
    let wildcard = proptest::sample::select(vec![
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)),
    ]);
    (wildcard, 7000..7003u16).prop_map(|(address, port)| {
        let key = ListenerKey { netns: NETNS, local: Endpoint { address, port }.into() };
        (key, Endpoint { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)), port })
    })
}

/// A listener's place, seldom a path.
fn key() -> impl Strategy<Value = ListenerKey> {
    let path = path().prop_map(|path| ListenerKey { netns: NETNS, local: path.into() });
    prop_oneof![3 => place().prop_map(|(key, _)| key), 1 => path]
}

fn path() -> impl Strategy<Value = UnixPath> {
    proptest::sample::select(vec![UnixPath::new(b"/run/a"), UnixPath::new(b"\0b")])
}

fn number(path: &UnixPath) -> u16 {
    path.as_bytes().last().copied().unwrap_or(0).into()
}

/// A listening socket's address in the kernel.
fn address(socket: u64, place: u16) -> u64 {
    0xffff_0000 + socket * 0x1000 + u64::from(place)
}

fn upstreams() -> impl Strategy<Value = Kind> {
    (task(), peer(), place()).prop_map(|(by, local, (_, peer))| {
        Kind::UpstreamFailed(UpstreamFailed { by, netns: NETNS, local, peer, errno: 104 })
    })
}

/// What is told of unix listeners; times are how long ago.
fn unix_listening() -> impl Strategy<Value = Kind> {
    let seen = || {
        (path(), 1..4u64, proptest::collection::vec(pid(), 0..3), any::<bool>()).prop_map(
            |(path, socket, holders, relative)| {
                let name = relative.then(|| UnixPath::new(b"a"));
                let inode = address(socket, number(&path));
                let unix = Some(UnixBind { name, file_inode: u64::from(relative) });
                let key = ListenerKey { netns: NETNS, local: path.into() };
                ListenerSeen { key, cookie: socket, inode, queue: 0, limit: 16, holders, unix }
            },
        )
    };
    let since = || 0..300_000_000u64;
    prop_oneof![
        1 => seen().prop_map(Kind::ListenerSeen),
        2 => (since(), seen()).prop_map(|(since, seen)| Kind::UnixOpened(UnixOpened { since, seen })),
        2 => (since(), seen(), 0..5u32).prop_map(|(since, ListenerSeen { key, cookie, .. }, queue)| {
            Kind::UnixClosed(UnixClosed { since, key, cookie, queue })
        }),
        1 => (seen(), 0..20u32).prop_map(|(ListenerSeen { key, inode, .. }, queue)| {
            let (path, client) = (key.local.path().copied(), Task::default());
            let (sk, binding, file_inode, limit) = (inode, inode + 8, 0, 16);
            Kind::UnixListener(UnixListener { sk, binding, netns: NETNS, path, inode, file_inode, client, queue, limit })
        }),
        1 => any::<bool>().prop_map(|on| Kind::UnixWatched(UnixWatched { on, hooks: Vec::new() })),
    ]
}

/// What happens to connections to paths; times are how long ago.
fn unix() -> impl Strategy<Value = Kind> {
    use UnixEnd::*;
    let how = proptest::sample::select(vec![
        QueueReset,
        UnreadReset,
        ServerClosed,
        LateRequest,
        ClientClosed,
        ResponseUnread,
        HolderDied,
        Unseen,
    ]);
    let ago = || proptest::option::of(0..300_000_000u64);
    let who = (pid(), proptest::option::of(pid()), proptest::option::of(pid()), task(), any::<bool>());
    let times = (ago(), ago(), ago(), ago(), ago());
    let ended = (path(), how, who, 0..4u64, times, any::<bool>()).prop_map(
        |(path, how, (client, acceptor, reader, by, client_gone), socket, times, died)| {
            let (connected_at, accepted_at, request_at, read_at, response_at) = times;
            let listener = if socket == 0 { 0 } else { address(socket, number(&path)) };
            Kind::UnixEnded(UnixEnded {
                listener,
                binding: if socket == 1 { 0 } else { address(socket, number(&path)) + 8 },
                netns: NETNS,
                path: Some(path),
                client,
                acceptor,
                reader,
                by,
                client_gone,
                connected_at,
                accepted_at,
                request_at,
                read_at,
                response_at,
                died: died.then_some((by.pid, 0)),
                requests: u64::from(request_at.is_some()),
                reads: u64::from(read_at.is_some()),
                responses: u64::from(response_at.is_some()),
                lost_bytes: if how == UnreadReset { 80 } else { 0 },
                ..unix_connection(how)
            })
        },
    );
    let refused = (path(), task(), proptest::option::of(any::<bool>()), any::<bool>()).prop_map(
        |(path, client, file, full)| {
            let place = Some(ListenerKey { netns: NETNS, local: path.into() });
            Kind::UnixRefused(UnixRefused { client, netns: NETNS, path: Some(path), place, file, full })
        },
    );
    prop_oneof![4 => ended, 1 => refused]
}

fn peer() -> impl Strategy<Value = Endpoint> {
    (5000..5012u16).prop_map(|port| Endpoint { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), port })
}
