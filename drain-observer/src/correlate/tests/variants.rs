//! What must not change a scenario's result, and what must never make it look better than it was.

use super::replay::{gist, replay};
use super::script::Scenario;
use crate::correlate::{Correlator, Snapshot, Verdict};
use crate::event::{BootNs, Event, Kind, Local, Lost, Peer, UnixPath};
use crate::mask::{Mask, Masking};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Events this near to each other may come in another order.
const NEAR: BootNs = 1_000_000;
const ORDERS: u64 = 24;
/// A recap is made when nothing has happened for this long.
const QUIET: BootNs = 300_000_000;

/// Events of different CPUs come in another order, if neither can have led to the other.
pub(super) fn reordered(scenario: &Scenario) -> Vec<String> {
    let undisturbed = gist(&run(scenario, &scenario.events));
    let mut wrong = Vec::new();
    for seed in 1..=ORDERS {
        let events = shuffled(&scenario.events, seed);
        let result = gist(&run(scenario, &events));
        if result != undisturbed {
            wrong.push(format!("reordered (seed {seed}):\n{}", difference(&undisturbed, &result)));
            break;
        }
    }
    wrong
}

/// One event was lost, which is known at once or half a second later.
pub(super) fn one_lost(scenario: &Scenario) -> Vec<String> {
    let count =
        |snapshot: &Snapshot, verdict| snapshot.restarts.iter().filter(|it| it.verdict == verdict).count();
    let undisturbed = run(scenario, &scenario.events);
    let mut wrong = Vec::new();
    for (index, dropped) in scenario.events.iter().enumerate() {
        let Some(what) = of_kernel(&dropped.event) else { continue };
        for late in [0, 500_000_000] {
            let at = dropped.at + late;
            let lost = Kind::Lost(Lost { what: what.to_owned(), reason: "ring_full".into(), count: 1 });
            let mut events = scenario.events.clone();
            events.remove(index);
            let place = if late == 0 { index } else { events.partition_point(|event| event.at <= at) };
            events.insert(place, Event { at, event: lost });
            let result = run(scenario, &events);
            let open =
                result.restarts.iter().filter(|restart| restart.verdict == Verdict::Clean).find(|restart| {
                    restart.started <= dropped.at && restart.ended.is_none_or(|ended| dropped.at <= ended)
                });
            let more = |verdict| count(&result, verdict) > count(&undisturbed, verdict);
            if open.is_some() || more(Verdict::Clean) || more(Verdict::NotRestarted) {
                let json = serde_json::to_string(dropped).expect("an event as JSON");
                wrong.push(format!("judged too well without {json}, known {late} ns later"));
            }
        }
    }
    wrong
}

/// Two threads report the same end.
pub(super) fn exits_twice(scenario: &Scenario) -> Vec<String> {
    let undisturbed = gist(&run(scenario, &scenario.events));
    let mut events = Vec::new();
    for event in &scenario.events {
        events.push(event.clone());
        if matches!(event.event, Kind::Exited(_)) {
            events.push(event.clone());
        }
    }
    let result = gist(&run(scenario, &events));
    if result == undisturbed {
        Vec::new()
    } else {
        vec![format!("exits twice:\n{}", difference(&undisturbed, &result))]
    }
}

/// Through the journal's JSON and back, ticks included.
pub(super) fn through_json(scenario: &Scenario) -> Vec<String> {
    let (live, journal) = replay(&scenario.config, &scenario.events, scenario.until);
    let line = |event: &Event| serde_json::to_string(event).expect("an event as JSON");
    let read = |line: String| serde_json::from_str::<Event>(&line).expect("an event from JSON");
    let journal: Vec<Event> = journal.iter().map(line).map(read).collect();
    let mut again = crate::correlate::Correlator::new(scenario.config.clone());
    journal.iter().for_each(|event| again.handle(event));
    let same = again.snapshot(scenario.until) == live;
    if same { Vec::new() } else { vec!["a replay from JSON has another result".to_owned()] }
}

/// Peers are masked: who is at which end stays as it was, and with it all that is concluded.
pub(super) fn masked(scenario: &Scenario) -> Vec<String> {
    let undisturbed = without_addresses_of_peers(run(scenario, &scenario.events));
    let wrong_with = |masking: Masking| {
        let mut mask = Mask::new(masking, b"not a random key");
        let mut events = scenario.events.clone();
        events.iter_mut().for_each(|event| mask.apply(event));
        let result = without_addresses_of_peers(run(scenario, &events));
        let same = result == undisturbed;
        (!same).then(|| {
            let how = masking.as_str();
            format!("masked ({how}):\n{}", difference(&gist(&undisturbed), &gist(&result)))
        })
    };
    [Masking::Hash, Masking::Prefix].into_iter().filter_map(wrong_with).collect()
}

fn without_addresses_of_peers(mut snapshot: Snapshot) -> Snapshot {
    for fact in &mut snapshot.connections {
        if let Peer::Inet(end) = &mut fact.peer {
            end.address = Ipv4Addr::UNSPECIFIED.into();
        }
    }
    snapshot
}

fn run(scenario: &Scenario, events: &[Event]) -> Snapshot {
    replay(&scenario.config, events, scenario.until).0
}

/// What a `Lost` event calls an event that the kernel may lose.
fn of_kernel(event: &Kind) -> Option<&'static str> {
    Some(match event {
        Kind::Connection(_) => "connection",
        Kind::Flushed(_) => "flushed",
        Kind::Lingered(_) => "lingered",
        Kind::ListenerOpened(_) | Kind::ListenerClosed(_) => "listener",
        Kind::UnixEnded(_) | Kind::UnixRefused(_) | Kind::UnixListener(_) | Kind::UnixHolderDied(_) => "unix",
        Kind::Reset(_) => "reset",
        Kind::UpstreamFailed(_) => "upstream",
        Kind::Signal(_) | Kind::SignalDelivered(_) => "signal",
        Kind::Forked(_) | Kind::Executed(_) | Kind::Exited(_) | Kind::OomVictim(_) => "process",
        _ => return None,
    })
}

fn shuffled(events: &[Event], seed: u64) -> Vec<Event> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut events = events.to_vec();
    for _ in 0..events.len() * 2 {
        for index in 1..events.len() {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let near = events[index].at.abs_diff(events[index - 1].at) < NEAR;
            if random & 1 == 1 && near && independent(&events[index - 1], &events[index]) {
                events.swap(index - 1, index);
            }
        }
    }
    events
}

fn independent(a: &Event, b: &Event) -> bool {
    match (touched(&a.event), touched(&b.event)) {
        (Some(a), Some(b)) => a.is_disjoint(&b),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    Process(u32),
    Port(u16),
    Path(UnixPath),
    Client(Peer),
}

/// What an event is about. Two that have none of it in common did not bring each other about.
fn touched(event: &Kind) -> Option<BTreeSet<Touched>> {
    use Touched::{Client, Path, Port, Process};
    let place = |local: Local| match local {
        Local::Inet(endpoint) => Port(endpoint.port),
        Local::Unix(path) => Path(path),
    };
    let touched = match event {
        Kind::Connection(it) if it.errno != 0 => vec![Client(it.peer.into())],
        Kind::Connection(it) => vec![Client(it.peer.into()), Process(it.by.pid)],
        Kind::Flushed(it) => vec![Client(it.peer.into())],
        Kind::Lingered(it) => vec![Client(it.peer.into()), Process(it.by.pid)],
        Kind::UnixEnded(it) => {
            let mut touched: Vec<Touched> =
                [it.acceptor, it.reader].into_iter().flatten().map(Process).collect();
            touched.extend([Process(it.by.pid), Process(it.client)]);
            // The first that is reset tells that its listener is closed.
            touched.extend(it.path.map(Path));
            touched
        }
        Kind::UpstreamFailed(it) => vec![Client(it.local.into()), Process(it.by.pid)],
        Kind::UnixRefused(it) => vec![Process(it.client.pid), Path(it.path?)],
        Kind::UnixListener(it) => vec![Path(it.path?)],
        Kind::UnixOpened(it) => {
            let mut touched: Vec<Touched> = it.seen.holders.iter().copied().map(Process).collect();
            touched.push(place(it.seen.key.local));
            touched
        }
        // Who had it last, it does not say.
        Kind::UnixClosed(_) => return None,
        // Whether a SYN is refused depends on the listeners there.
        Kind::Reset(it) => vec![Client(it.peer.into()), Port(it.local.port)],
        Kind::ListenerOpened(it) | Kind::ListenerClosed(it) => {
            vec![Process(it.by.pid), place(it.key.local)]
        }
        Kind::Signal(it) => vec![Process(it.target.pid), Process(it.sender.map_or(0, |task| task.pid))],
        Kind::SignalDelivered(it) => vec![Process(it.task.pid)],
        Kind::Forked(it) => vec![Process(it.parent.pid), Process(it.child.pid)],
        Kind::Executed(it) => vec![Process(it.task.pid)],
        Kind::Exited(it) => vec![Process(it.task.pid)],
        Kind::OomVictim(it) => vec![Process(it.pid)],
        _ => return None,
    };
    Some(touched.into_iter().collect())
}

fn difference(expected: &str, found: &str) -> String {
    let mut text = String::new();
    for line in expected.lines().filter(|line| !found.lines().any(|other| other == *line)) {
        text.push_str(&format!("  - {line}\n"));
    }
    for line in found.lines().filter(|line| !expected.lines().any(|other| other == *line)) {
        text.push_str(&format!("  + {line}\n"));
    }
    text
}

/// Whoever comes to know only what is known before the first restart, and then what happens, concludes the same.
pub(super) fn recapped(scenario: &Scenario) -> Vec<String> {
    let (whole, journal) = replay(&scenario.config, &scenario.events, scenario.until);
    let Some(first) = whole.restarts.iter().map(|restart| restart.started).min() else { return Vec::new() };
    let attached = journal.iter().position(|event| matches!(event.event, Kind::Attached(_)));
    let Some(attached) = attached else { return Vec::new() };
    // An exec and the look at what came of it belong together.
    let before = journal.iter().take_while(|event| event.at.saturating_add(QUIET) < first).count();
    if before <= attached {
        return Vec::new();
    }
    let mut correlator = Correlator::new(scenario.config.clone());
    journal[..before].iter().for_each(|event| correlator.handle(event));
    let mut events = correlator.recap(journal[before - 1].at);
    // Who belongs together is told by what they run; live, the observer has asked.
    let undescribed =
        |event: &Event| matches!(&event.event, Kind::ProcessSeen(seen) if seen.executable.is_empty());
    if events.iter().any(undescribed) {
        return Vec::new();
    }
    events.extend_from_slice(&journal[before..]);
    let (again, _) = replay(&scenario.config, &events, scenario.until);
    let of = |snapshot: &Snapshot| {
        let restarts = snapshot.restarts.clone();
        gist(&Snapshot { restarts, services: Vec::new(), connections: Vec::new(), ..snapshot.clone() })
    };
    let (expected, found) = (of(&whole), of(&again));
    (expected != found)
        .then(|| format!("after a recap:\n{found}instead of\n{expected}"))
        .into_iter()
        .collect()
}
