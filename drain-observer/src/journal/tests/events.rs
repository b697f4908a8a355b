//! Events for tests: one of each kind, and any.

mod unix;

use crate::event::*;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    strategy::{Strategy, ValueTree as _},
    test_runner::TestRunner,
};

/// One event of each kind, the same ones every time.
pub(crate) fn one_of_each() -> Vec<Event> {
    let mut runner = TestRunner::deterministic();
    let mut events = Vec::new();
    for kind in kinds() {
        let kind = kind.new_tree(&mut runner).expect("nothing is rejected").current();
        events.push(Event { at: events.len() as u64, event: kind });
    }
    events
}

/// Any event.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    (any::<u64>(), proptest::strategy::Union::new(kinds())).prop_map(|(at, event)| Event { at, event })
}

fn kinds() -> Vec<BoxedStrategy<Kind>> {
    [
        connection().prop_map(Kind::Connection).boxed(),
        flushed().prop_map(Kind::Flushed).boxed(),
        lingered().prop_map(Kind::Lingered).boxed(),
        listener().prop_map(Kind::ListenerOpened).boxed(),
        listener().prop_map(Kind::ListenerClosed).boxed(),
        reset().prop_map(Kind::Reset).boxed(),
        (task(), any::<[u32; 2]>(), endpoint(), endpoint())
            .prop_map(|(by, [netns, errno], local, peer)| {
                Kind::UpstreamFailed(UpstreamFailed { by, netns, local, peer, errno })
            })
            .boxed(),
        signal().prop_map(Kind::Signal).boxed(),
        delivered().prop_map(Kind::SignalDelivered).boxed(),
        (task(), task(), any::<u64>())
            .prop_map(|(parent, child, start)| Kind::Forked(Forked { parent, child, start }))
            .boxed(),
        (task(), any::<u64>(), any::<String>())
            .prop_map(|(task, start, file)| Kind::Executed(Executed { task, start, file }))
            .boxed(),
        (task(), any::<u64>(), any::<u8>(), any::<u8>())
            .prop_map(|(task, start, status, signal)| Kind::Exited(Exited { task, start, status, signal }))
            .boxed(),
        any::<u32>().prop_map(|pid| Kind::OomVictim(OomVictim { pid })).boxed(),
        listener_seen().prop_map(Kind::ListenerSeen).boxed(),
        process_seen().prop_map(Kind::ProcessSeen).boxed(),
        scanned().prop_map(Kind::Scanned).boxed(),
        surveyed().prop_map(Kind::Surveyed).boxed(),
        (any::<String>(), any::<String>(), any::<u64>())
            .prop_map(|(what, reason, count)| Kind::Lost(Lost { what, reason, count }))
            .boxed(),
        (any::<u32>(), any::<u16>(), any::<[u64; 3]>())
            .prop_map(|(netns, port, [established, served, idle_closed])| {
                let of = CountedBy::Port { netns, port };
                Kind::Counts(Counts { of, established, served, idle_closed })
            })
            .boxed(),
        (vec(hook(), 0..3), vec(any::<String>(), 0..3))
            .prop_map(|(hooks, notes)| Kind::Attached(Attached { hooks, notes }))
            .boxed(),
        any::<i64>().prop_map(|wall_minus_boot_ns| Kind::ClockSet(ClockSet { wall_minus_boot_ns })).boxed(),
        Just(Kind::Tick).boxed(),
        Just(Kind::Ended).boxed(),
    ]
    .into_iter()
    .chain(unix::kinds())
    .collect()
}

fn connection() -> impl Strategy<Value = Connection> {
    let times = (option::of(any::<u64>()), any::<u64>(), option::of(any::<u64>()));
    let ends = (endpoint(), endpoint(), task(), state(), state());
    let numbers = (any::<[u64; 4]>(), any::<[u32; 12]>(), any::<bool>(), any::<u8>());
    (times, ends, numbers).prop_map(|(times, ends, (wide, narrow, ack_pending, pingpong))| {
        let [sk, cookie, bytes_received, bytes_acked] = wide;
        let [
            netns,
            errno,
            unacked,
            unread,
            written_after_fin,
            jiffies,
            last_sent,
            last_received,
            segments_in,
            segments_out,
            queue_at_arrival,
            flags,
        ] = narrow;
        Connection {
            sk,
            cookie,
            local: ends.0,
            peer: ends.1,
            netns,
            established_at: times.0,
            accepted_at: times.0.map(|at| at / 2),
            closed_at: times.1,
            peer_fin_at: times.2,
            by: ends.2,
            from: ends.3,
            to: ends.4,
            errno,
            bytes_received,
            bytes_acked,
            unacked,
            unread,
            written_after_fin,
            ack_pending,
            unsent: narrow[0],
            jiffies,
            last_sent,
            last_received,
            pingpong,
            segments_in,
            segments_out,
            queue_at_arrival,
            flags,
            standing: Standing {
                pending: narrow[1],
                packet_ms: Some(narrow[2]).filter(|ms| ms % 2 == 0),
                data_ticks: narrow[3],
                received_ticks: narrow[6],
                last_segment: narrow[7],
                pingpong: narrow[4],
            },
            last_acked: Some(narrow[5]).filter(|ticks| ticks % 2 == 0),
        }
    })
}

fn lingered() -> impl Strategy<Value = Lingered> {
    (any::<[u64; 2]>(), endpoint(), endpoint(), task(), any::<[u32; 4]>()).prop_map(
        |([sk, closed_at], local, peer, by, [netns, received, quiet, unacked])| Lingered {
            sk,
            closed_at,
            local,
            peer,
            netns,
            by,
            received,
            quiet,
            unacked,
        },
    )
}

fn flushed() -> impl Strategy<Value = Flushed> {
    (any::<[u64; 2]>(), endpoint(), endpoint(), any::<[u32; 3]>()).prop_map(
        |([sk, closed_at], local, peer, [netns, unacked, errno])| Flushed {
            sk,
            closed_at,
            local,
            peer,
            netns,
            unacked,
            errno,
        },
    )
}

fn listener() -> impl Strategy<Value = Listener> {
    (any::<[u64; 2]>(), key(), task(), any::<[u32; 3]>()).prop_map(
        |([sk, cookie], key, by, [queue, limit, drops])| Listener {
            sk,
            cookie,
            key,
            by,
            queue,
            limit,
            drops,
        },
    )
}

fn reset() -> impl Strategy<Value = Reset> {
    use ResetKind::*;
    let reason = select(vec![Refused, LateData, UnknownToListener, NoSocket]);
    (reason, endpoint(), endpoint(), option::of(state()), any::<[u32; 2]>()).prop_map(
        |(reason, local, peer, state, [netns, payload])| Reset { reason, local, peer, netns, state, payload },
    )
}

fn signal() -> impl Strategy<Value = SignalGenerated> {
    use SignalResult::*;
    let result = select(vec![Queued, Ignored, AlreadyPending, Overflow]);
    (any::<u32>(), option::of(task()), task(), result, any::<bool>()).prop_map(
        |(signal, sender, target, result, group)| SignalGenerated { signal, sender, target, result, group },
    )
}

fn delivered() -> impl Strategy<Value = SignalDelivered> {
    let action = select(vec![SignalAction::Default, SignalAction::Ignored, SignalAction::Handler]);
    (any::<u32>(), task(), action).prop_map(|(signal, task, action)| SignalDelivered { signal, task, action })
}

fn listener_seen() -> impl Strategy<Value = ListenerSeen> {
    let unix =
        (option::of(path()), any::<u64>()).prop_map(|(name, file_inode)| UnixBind { name, file_inode });
    (key(), any::<[u64; 2]>(), any::<[u32; 2]>(), vec(any::<u32>(), 0..4), option::of(unix)).prop_map(
        |(key, [cookie, inode], [queue, limit], holders, unix)| ListenerSeen {
            key,
            cookie,
            inode,
            queue,
            limit,
            holders,
            unix,
        },
    )
}

fn attribution() -> impl Strategy<Value = Attribution> {
    let name = || option::of(any::<String>());
    let qos = select(vec![QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort]);
    let pod = option::of((any::<String>(), qos).prop_map(|(uid, qos)| Pod { uid, qos }));
    (name(), name(), pod).prop_map(|(unit, container, pod)| Attribution { unit, container, pod })
}

fn process_seen() -> impl Strategy<Value = ProcessSeen> {
    let program = (comm(), any::<String>(), option::of(command_line()));
    (any::<[u32; 3]>(), any::<[u64; 2]>(), program, attribution(), option::of(any::<u32>())).prop_map(
        |([pid, parent, netns], [start, image], (comm, executable, command), attribution, inner_pid)| {
            ProcessSeen {
                pid,
                parent,
                start,
                image,
                same_command: image % 2 == 0,
                comm,
                executable,
                attribution,
                command,
                netns,
                inner_pid,
            }
        },
    )
}

fn command_line() -> impl Strategy<Value = Box<CommandLine>> {
    (vec(any::<String>(), 0..4), any::<bool>())
        .prop_map(|(arguments, truncated)| Box::new(CommandLine { arguments, truncated }))
}

fn scanned() -> impl Strategy<Value = Scanned> {
    let held = (key(), any::<u64>()).prop_map(|(key, cookie)| HeldListener { key, cookie });
    (any::<u32>(), any::<bool>(), vec(held, 0..3)).prop_map(|(pid, found, listeners)| Scanned {
        pid,
        found,
        listeners,
    })
}

fn surveyed() -> impl Strategy<Value = Surveyed> {
    let queue = (key(), any::<u64>(), any::<u32>(), any::<u32>());
    let queue = queue.prop_map(|(key, cookie, queue, limit)| QueueSeen { key, cookie, queue, limit });
    let held = (any::<[u32; 6]>(), any::<u16>(), any::<u64>());
    let held = held.prop_map(|([pid, netns, open, unread, awaiting, unsent], port, oldest)| Held {
        pid,
        of: CountedBy::Port { netns, port },
        open,
        unread,
        awaiting,
        unsent,
        oldest,
    });
    let unheld = (any::<[u32; 3]>(), any::<u16>());
    let unheld = unheld.prop_map(|([netns, open, queued], port)| Unheld {
        of: CountedBy::Port { netns, port },
        open,
        queued,
    });
    (vec(queue, 0..3), vec(held, 0..3), vec(unheld, 0..3), any::<bool>())
        .prop_map(|(queues, held, unheld, complete)| Surveyed { queues, held, unheld, complete })
}

fn hook() -> impl Strategy<Value = Hook> {
    use HookState::*;
    let state = select(vec![Attached, Degraded, Unused, Missing]);
    (any::<String>(), any::<String>(), any::<bool>(), state, option::of(any::<String>()))
        .prop_map(|(name, purpose, required, state, reason)| Hook { name, purpose, required, state, reason })
}

fn key() -> impl Strategy<Value = ListenerKey> {
    let local = prop_oneof![endpoint().prop_map(Local::Inet), path().prop_map(Local::Unix)];
    (any::<u32>(), local).prop_map(|(netns, local)| ListenerKey { netns, local })
}

fn path() -> impl Strategy<Value = UnixPath> {
    vec(any::<u8>(), 0..109).prop_map(|bytes| UnixPath::new(&bytes))
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(address, port)| Endpoint { address, port })
}

pub(super) fn task() -> impl Strategy<Value = Task> {
    (any::<u32>(), comm()).prop_map(|(pid, comm)| Task { pid, comm })
}

fn comm() -> impl Strategy<Value = Comm> {
    any::<[u8; 16]>().prop_map(|bytes| Comm::new(&bytes))
}

fn state() -> impl Strategy<Value = TcpState> {
    (0_u32..14).prop_map(TcpState::from_kernel)
}
