//! What must hold of any events.

use super::random::events;
use super::words::NETNS;
use crate::correlate::{Config, ConnectionFact, Correlator, Outcome, Snapshot, Verdict};
use crate::event::{
    BootNs, Connection, CountedBy, Event, Kind, ListenerKey, Local, Peer, ResetKind, TcpState, UnixOpened,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const EVENTS: usize = 120;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_connection_is_counted_once(mut events in events(EVENTS)) {
        // A scan can make a listener known, if its process is. What is left of a doubled handshake may be no connection.
        let doubled = |it: &Connection| it.from == TcpState::SynRecv && it.established_at.is_none();
        events.retain(|event| match &event.event {
            Kind::Scanned(_) => false,
            Kind::Connection(connection) => !doubled(connection),
            _ => true,
        });
        let snapshot = run(&Config { keep_all: true, ..Config::default() }, &events);
        prop_assert_eq!(snapshot.connections.len(), expected_connections(&events));
        let mut in_services = 0;
        for service in &snapshot.services {
            let of_service = count(snapshot.connections.iter().filter(|fact| fact.service == Some(service.id)));
            in_services += of_service.values().sum::<u64>();
            let ports: BTreeSet<u16> = service.listeners.iter().filter_map(|it| it.key.local.port()).collect();
            prop_assert_eq!(&without_counted(&service.counts, &ports, &events), &of_service);
            let outside = snapshot.connections.iter().filter(|fact| {
                fact.service == Some(service.id) && fact.restart.is_none() && fact.outcome.is_lost()
            });
            prop_assert_eq!(&service.lost_outside_restarts, &count(outside));
        }
        prop_assert_eq!(in_services, snapshot.connections.len() as u64);
        for restart in &snapshot.restarts {
            let of_restart = snapshot.connections.iter().filter(|fact| fact.restart == Some(restart.id));
            prop_assert_eq!(&restart.counts, &count(of_restart));
        }
    }

    #[test]
    fn the_lost_stay_lost(events in events(EVENTS), cut in 0..EVENTS) {
        let mut correlator = Correlator::new(Config::default());
        let cut = cut.min(events.len());
        events[..cut].iter().for_each(|event| correlator.handle(event));
        let before = lost(&correlator.snapshot(0));
        events[cut..].iter().for_each(|event| correlator.handle(event));
        let after = lost(&correlator.snapshot(0));
        prop_assert!(before.is_subset(&after), "{:?}", before.difference(&after).next());
    }

    #[test]
    fn the_same_events_lead_to_the_same_facts(events in events(EVENTS)) {
        let line = |event: &Event| serde_json::to_string(event).expect("an event as JSON");
        let read = |line: String| serde_json::from_str::<Event>(&line).expect("an event from JSON");
        let again: Vec<Event> = events.iter().map(line).map(read).collect();
        prop_assert_eq!(run(&Config::default(), &events), run(&Config::default(), &again));
    }

    #[test]
    fn nothing_is_clean_in_which_events_were_lost(events in events(EVENTS)) {
        let snapshot = run(&Config::default(), &events);
        for restart in snapshot.restarts.iter().filter(|restart| restart.verdict == Verdict::Clean) {
            let open = |at: BootNs| at >= restart.started && restart.ended.is_none_or(|ended| at <= ended);
            let lost = events.iter().find(|event| {
                open(event.at) && matches!(&event.event, Kind::Lost(lost) if lost.what != "established_at")
            });
            prop_assert!(lost.is_none(), "{restart:?} {lost:?}");
            prop_assert_eq!(restart.lost(), 0);
            prop_assert!(restart.ended.is_some());
            prop_assert!(snapshot.attached_at.is_some());
        }
    }

    #[test]
    fn every_bound_holds_and_is_counted(events in events(EVENTS * 2)) {
        let config = tiny();
        let snapshot = run(&config, &events);
        let free = run(&Config::default(), &events);
        prop_assert!(snapshot.connections.len() <= config.max_connections);
        if free.connections.len() > snapshot.connections.len() {
            prop_assert!(!snapshot.bounds.is_empty());
        }
        // What goes on in a service is kept.
        prop_assert!(snapshot.restarts.len() <= config.max_restarts + snapshot.services.len());
        prop_assert!(snapshot.services.len() <= config.max_listeners, "{} services", snapshot.services.len());
        for service in &snapshot.services {
            prop_assert!(service.listeners.len() <= config.max_listeners);
            prop_assert!(service.processes.len() <= config.max_processes);
        }
        for restart in &snapshot.restarts {
            prop_assert!(restart.old.len() <= config.max_members && restart.new.len() <= config.max_members);
            prop_assert!(restart.signals.len() <= config.max_signals);
            prop_assert!(restart.timeline.len() <= config.max_steps);
            prop_assert!(restart.timeline.is_sorted_by_key(|step| step.at));
        }
    }
}

/// The facts at the end of some events.
fn run(config: &Config, events: &[Event]) -> Snapshot {
    let mut correlator = Correlator::new(config.clone());
    events.iter().for_each(|event| correlator.handle(event));
    correlator.snapshot(0)
}

/// How many connections some events tell of: each that ended at a known listener, each refusal there, and each
/// segment with a request for one that nothing was known of.
fn expected_connections(events: &[Event]) -> usize {
    let mut listeners: BTreeSet<ListenerKey> = BTreeSet::new();
    let mut known = BTreeSet::new();
    let mut expected = 0;
    for event in events {
        let watched = |local: Local| listeners.iter().any(|key| key.local.accepts(&local));
        match &event.event {
            Kind::ListenerOpened(it) => {
                listeners.insert(it.key);
            }
            Kind::ListenerSeen(it) | Kind::UnixOpened(UnixOpened { seen: it, .. }) => {
                listeners.insert(it.key);
            }
            Kind::Connection(it) if !it.has(crate::event::flag::ACTIVE) && watched(it.local.into()) => {
                expected += 1;
                known.insert((it.local, it.peer));
            }
            Kind::Reset(it) if watched(it.local.into()) => {
                let refused = it.reason == ResetKind::Refused;
                if refused || (it.payload > 31 && !known.contains(&(it.local, it.peer))) {
                    expected += 1;
                    known.insert((it.local, it.peer));
                }
            }
            Kind::UnixEnded(it) if it.path.is_some_and(|path| watched(path.into())) => expected += 1,
            Kind::UnixRefused(it) if it.place.is_some_and(|place| listeners.contains(&place)) => {
                expected += 1
            }
            _ => {}
        }
    }
    expected
}

fn count<'a>(facts: impl Iterator<Item = &'a ConnectionFact>) -> BTreeMap<Outcome, u64> {
    let mut counts = BTreeMap::new();
    for fact in facts {
        *counts.entry(fact.outcome).or_default() += 1;
    }
    counts
}

/// A service's counts without those of the kernel.
fn without_counted(
    counts: &BTreeMap<Outcome, u64>,
    ports: &BTreeSet<u16>,
    events: &[Event],
) -> BTreeMap<Outcome, u64> {
    let mut counts = counts.clone();
    for port in ports {
        let last = |events: &[Event]| {
            let counted = events.iter().rev().find_map(|event| match &event.event {
                Kind::Counts(it) if it.of == (CountedBy::Port { netns: NETNS, port: *port }) => {
                    Some((it.served, it.idle_closed))
                }
                _ => None,
            });
            counted.unwrap_or((0, 0))
        };
        // What was counted before the observer was in place is not its time's.
        let attached = events.iter().position(|event| matches!(event.event, Kind::Attached(_)));
        let (all, before) = (last(events), last(&events[..attached.unwrap_or(events.len())]));
        let (served, idle) = (all.0.saturating_sub(before.0), all.1.saturating_sub(before.1));
        for (outcome, counted) in [(Outcome::Served, served), (Outcome::IdleClosed, idle)] {
            if let Some(count) = counts.get_mut(&outcome) {
                *count -= counted;
            }
        }
    }
    counts.retain(|_, count| *count > 0);
    counts
}

/// The lost connections, by their ends and when they ended.
fn lost(snapshot: &Snapshot) -> BTreeSet<(Local, Peer, BootNs)> {
    let lost = snapshot.connections.iter().filter(|fact| fact.outcome.is_lost());
    lost.map(|fact| (fact.local, fact.peer, fact.ended_at)).collect()
}

fn tiny() -> Config {
    Config {
        max_connections: 5,
        max_recent: 3,
        max_restarts: 2,
        max_steps: 4,
        max_signals: 2,
        max_members: 2,
        max_processes: 5,
        max_dead: 2,
        max_listeners: 3,
        ..Config::default()
    }
}
