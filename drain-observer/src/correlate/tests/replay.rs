//! Runs events through a correlator as the runtime does, with a tick each second while one is wanted.

use super::expect::{cause_words, word};
use crate::correlate::{Config, Correlator, Snapshot};
use crate::event::{BootNs, Event, Kind};
use std::fmt::Write;

/// The facts after all events, as of `until`; and the events with the ticks between them.
pub(super) fn replay(config: &Config, events: &[Event], until: BootNs) -> (Snapshot, Vec<Event>) {
    let mut correlator = Correlator::new(config.clone());
    let mut journal = Vec::new();
    for event in events {
        tick(&mut correlator, &mut journal, event.at);
        correlator.handle(event);
        journal.push(event.clone());
    }
    tick(&mut correlator, &mut journal, until);
    (correlator.snapshot(until), journal)
}

/// What a person would take from a snapshot: all but times and wording.
pub(super) fn gist(snapshot: &Snapshot) -> String {
    let mut gist = String::new();
    let number = |id| snapshot.restarts.iter().position(|restart| restart.id == id).map(|index| index + 1);
    for restart in &snapshot.restarts {
        let pids = |members: &[crate::correlate::MemberFact]| {
            let mut pids: Vec<_> =
                members.iter().map(|member| (member.pid, member.master, member.lost)).collect();
            pids.sort_unstable();
            format!("{pids:?}")
        };
        let _ = writeln!(
            gist,
            "restart {} {} by {} counts {:?} old {} new {} outgoing {} findings {:?}",
            word(&restart.kind),
            word(&restart.verdict),
            cause_words(&restart.cause),
            restart.counts,
            pids(&restart.old),
            pids(&restart.new),
            restart.outgoing_lost,
            restart
                .findings
                .iter()
                .map(|found| found.finding.id())
                .collect::<std::collections::BTreeSet<_>>(),
        );
    }
    for service in &snapshot.services {
        let members: Vec<u32> = service.processes.iter().map(|process| process.pid).collect();
        let (counts, outside) = (&service.counts, &service.lost_outside_restarts);
        let _ = writeln!(gist, "service {} {members:?} {counts:?} outside {outside:?}", service.name);
    }
    let mut connections: Vec<String> = snapshot
        .connections
        .iter()
        .map(|fact| {
            format!(
                "{} {} restart {:?} process {:?} by {:?}",
                fact.peer,
                word(&fact.outcome),
                fact.restart.and_then(number),
                fact.process.map(|task| task.pid),
                fact.cause.as_deref().map(cause_words)
            )
        })
        .collect();
    connections.sort_unstable();
    gist + &connections.join("\n")
}

fn tick(correlator: &mut Correlator, journal: &mut Vec<Event>, until: BootNs) {
    while let Some(due) = correlator.poll_timeout().filter(|due| *due < until) {
        let tick = Event { at: due, event: Kind::Tick };
        correlator.handle(&tick);
        journal.push(tick);
    }
}
