//! A connection, restart or finding, and which events are about it.

use super::ends::Ends;
use super::evidence::Evidence;
use crate::correlate::{Cause, ConnectionFact, Found, RestartFact, Snapshot};
use crate::event::{BootNs, Event, Kind, ListenerKey};
use crate::report::words;
use std::collections::BTreeSet;

/// Events this long before and after belong to it: what led to it, and what came of it.
const MARGIN: BootNs = 1_000_000_000;
/// Masters are told of their children's ends by this; nobody asked for anything.
const SIGCHLD: u32 = 17;

/// What is explained.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) title: String,
    pub(super) lines: Vec<String>,
    pub(super) base: BootNs,
    pub(super) base_is: &'static str,
    about: About,
}

#[derive(Debug)]
enum About {
    /// All that happened around it.
    Surroundings(Surroundings),
    /// What it rests on.
    Evidence(Evidence),
}

#[derive(Debug)]
struct Surroundings {
    from: BootNs,
    until: BootNs,
    /// Its connections.
    ends: BTreeSet<Ends>,
    /// Where clients connected to, with the network namespace.
    places: BTreeSet<ListenerKey>,
    /// Processes whose births, programs and ends belong to it.
    processes: BTreeSet<u32>,
    /// Processes whose signals belong to it.
    signalled: BTreeSet<u32>,
}

impl Subject {
    pub(super) fn connection(fact: &ConnectionFact, snapshot: &Snapshot) -> Self {
        let restart = snapshot.restarts.iter().find(|restart| Some(restart.id) == fact.restart);
        let processes: BTreeSet<u32> =
            fact.process.iter().map(|task| task.pid).chain(fact.cause.as_deref().and_then(culprit)).collect();
        let mut signalled = processes.clone();
        if let Some(restart) = restart {
            let to_masters = restart.signals.iter().filter(|signal| signal.to_master);
            signalled.extend(to_masters.map(|signal| signal.target.pid));
        }
        let began = fact.established_at.unwrap_or(fact.ended_at);
        let began = restart.map_or(began, |restart| began.min(restart.started));
        let mut lines = fact.evidence.clone();
        lines.extend(fact.cause.as_ref().map(|cause| format!("cause: {}", words::cause(cause))));
        lines
            .extend(restart.map(|restart| format!("in a {}: {}", words::kind(restart.kind), restart.reason)));
        Self {
            title: format!(
                "{} > {}: {}, {}",
                fact.peer,
                fact.local,
                fact.outcome.as_str(),
                words::outcome(fact.outcome)
            ),
            lines,
            base: restart.map_or(fact.ended_at, |restart| restart.started),
            base_is: if restart.is_some() { "the restart's beginning" } else { "the connection's end" },
            about: About::Surroundings(Surroundings {
                from: began.saturating_sub(MARGIN),
                until: fact.ended_at.saturating_add(MARGIN),
                ends: Ends::of(fact).into_iter().collect(),
                places: [ListenerKey { netns: fact.netns, local: fact.local }].into(),
                processes,
                signalled,
            }),
        }
    }

    pub(super) fn restart(fact: &RestartFact, id: &str, snapshot: &Snapshot) -> Self {
        let service = snapshot.services.iter().find(|service| service.id == fact.service);
        let lost = snapshot.connections.iter().filter(|connection| {
            connection.restart == Some(fact.id) && connection.outcome.is_lost() && !connection.outgoing
        });
        let members: BTreeSet<u32> = fact.old.iter().chain(&fact.new).map(|member| member.pid).collect();
        let signalled = members.iter().copied().chain(culprit(&fact.cause));
        Self {
            title: title(fact, id, snapshot),
            lines: vec![fact.reason.clone(), format!("cause: {}", words::cause(&fact.cause))],
            base: fact.started,
            base_is: "the restart's beginning",
            about: About::Surroundings(Surroundings {
                from: fact.started.saturating_sub(MARGIN),
                until: fact.ended.unwrap_or(snapshot.at).saturating_add(MARGIN),
                ends: lost.filter_map(Ends::of).collect(),
                places: service
                    .into_iter()
                    .flat_map(|service| &service.listeners)
                    .map(|one| one.key)
                    .collect(),
                signalled: signalled.collect(),
                processes: members,
            }),
        }
    }

    pub(super) fn finding(found: &Found, fact: &RestartFact, id: &str, snapshot: &Snapshot) -> Self {
        Self {
            title: format!("{}: {}", found.finding.id(), found.finding.sentence()),
            lines: vec![
                format!("in {}", title(fact, id, snapshot)),
                format!("what to change: {}", found.hint),
            ],
            base: fact.started,
            base_is: "the restart's beginning",
            about: About::Evidence(Evidence::new(&found.finding, fact, snapshot)),
        }
    }

    /// Whether an event is one that it rests on.
    pub(super) fn concerns(&self, event: &Event) -> bool {
        match &self.about {
            About::Surroundings(surroundings) => surroundings.concern(event),
            About::Evidence(evidence) => evidence.rests_on(event),
        }
    }

    /// What it rests on and none of these events says by itself, with its time.
    pub(super) fn concluded(&self, events: &[Event]) -> Vec<(BootNs, String)> {
        match &self.about {
            About::Surroundings(_) => Vec::new(),
            About::Evidence(evidence) => evidence.concluded(events),
        }
    }
}

impl Surroundings {
    fn concern(&self, event: &Event) -> bool {
        let before_its_end = event.at <= self.until;
        let within = before_its_end && event.at >= self.from;
        match &event.event {
            Kind::Connection(_)
            | Kind::Reset(_)
            | Kind::UpstreamFailed(_)
            | Kind::UnixEnded(_)
            | Kind::UnixRefused(_) => within && self.is_one(event),
            // Last bytes take their time.
            Kind::Flushed(_) | Kind::Lingered(_) => event.at >= self.from && self.is_one(event),
            Kind::ListenerOpened(one) | Kind::ListenerClosed(one) => within && self.is_place(&one.key),
            // Found at the start, however long ago that was.
            Kind::ListenerSeen(seen) => before_its_end && self.is_place(&seen.key),
            Kind::Signal(signal) => {
                within && signal.signal != SIGCHLD && self.signalled.contains(&signal.target.pid)
            }
            Kind::SignalDelivered(signal) => {
                within && signal.signal != SIGCHLD && self.signalled.contains(&signal.task.pid)
            }
            Kind::Forked(forked) => within && self.processes.contains(&forked.child.pid),
            Kind::Executed(executed) => within && self.processes.contains(&executed.task.pid),
            Kind::Exited(exited) => within && self.processes.contains(&exited.task.pid),
            Kind::OomVictim(victim) => within && self.processes.contains(&victim.pid),
            Kind::Lost(_) | Kind::Attached(_) | Kind::Ended => within,
            Kind::UnixOpened(one) => within && self.is_place(&one.seen.key),
            Kind::UnixClosed(one) => within && self.is_place(&one.key),
            Kind::UnixWatched(_) => within && self.places.iter().any(|place| place.local.path().is_some()),
            Kind::UnixHolderDied(one) => within && self.processes.contains(&one.task.pid),
            Kind::UnixListener(_)
            | Kind::ProcessSeen(_)
            | Kind::Scanned(_)
            | Kind::Surveyed(_)
            | Kind::Counts(_)
            | Kind::ClockSet(_)
            | Kind::Tick => false,
        }
    }

    fn is_one(&self, event: &Event) -> bool {
        Ends::of_event(event.at, &event.event).is_some_and(|ends| self.ends.contains(&ends))
    }

    /// A listener takes the connections of its address; an address stands for its listeners.
    fn is_place(&self, key: &ListenerKey) -> bool {
        self.places.iter().any(|place| {
            place.netns == key.netns && (key.local.accepts(&place.local) || place.local.accepts(&key.local))
        })
    }
}

fn title(fact: &RestartFact, id: &str, snapshot: &Snapshot) -> String {
    let service = snapshot.services.iter().find(|service| service.id == fact.service);
    format!(
        "{}: {}, {} ({id})",
        words::verdict(fact.verdict),
        service.map_or("a service", |service| &service.name),
        words::kind(fact.kind)
    )
}

fn culprit(cause: &Cause) -> Option<u32> {
    Some(match cause {
        Cause::Signal(signal) => signal.target.pid,
        Cause::Exit { task, .. }
        | Cause::Exec { task, .. }
        | Cause::ListenerClosed { task, .. }
        | Cause::ListenerOpened { task, .. } => task.pid,
    })
}
