//! What does not depend on the order in which events come.

use crate::check::{CLOCKS, INVARIANTS, Wrong};
use crate::deliver::Played;
use drain_observer::correlate::{self, ConnectionFact, MemberFact, Outcome, RestartFact, Snapshot};
use drain_observer::event::BootNs;
use std::collections::{BTreeMap, BTreeSet};

const TICK: BootNs = 1_000_000_000;
/// A new generation that nobody asks anything is waited for, for so long.
const UNASKED: BootNs = 10 * TICK;

/// What differs between two ways of telling the same. `alike`: both tell when connections began, from which follows how
/// long they waited.
pub fn same(one: &Played, other: &Played, alike: bool) -> Vec<Wrong> {
    let (one, other) = (gist(&one.snapshot, alike), gist(&other.snapshot, alike));
    let only = |a: &Vec<String>, b: &Vec<String>, sign: &str| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let mut differ = only(&one, &other, "-");
    differ.extend(only(&other, &one, "+"));
    if differ.is_empty() {
        return Vec::new();
    }
    vec![Wrong { invariant: INVARIANTS[7], what: differ.join("\n    ") }]
}

/// What a person would take from the facts: all but times and wording, and what the kernel counted or told by chance.
fn gist(snapshot: &Snapshot, alike: bool) -> Vec<String> {
    // Not by number: of two that begin at once either may be the first.
    let known = |id| snapshot.restarts.iter().find(|restart| restart.id == id);
    let number = |id| known(id).map(|restart| (restart.service, cause_gist(&restart.cause)));
    let pids_of = |members: &[MemberFact], alike: bool| {
        let lost = |it: &MemberFact| if alike { it.lost } else { 0 };
        let mut pids: Vec<_> = members.iter().map(|it| (it.pid, it.master, lost(it), it.exit)).collect();
        pids.sort_unstable();
        pids
    };
    let pids = |members: &[MemberFact]| pids_of(members, alike);
    // It was given up waiting for a first request, which happens at a tick: what comes within one of it is on either side.
    let by_a_tick = |restart: &RestartFact| {
        let in_place = restart.times.old_gone.max(restart.times.listening).unwrap_or(BootNs::MAX);
        restart.ended.is_some_and(|ended| ended >= in_place.saturating_add(UNASKED))
    };
    let near_such_an_end = |fact: &ConnectionFact| {
        let mut own = snapshot.restarts.iter().filter(|it| Some(it.service) == fact.service && by_a_tick(it));
        own.any(|it| it.ended.is_some_and(|ended| ended.abs_diff(fact.ended_at) < 2 * TICK))
    };
    let mut lines = Vec::new();
    for restart in &snapshot.restarts {
        // Who comes just as it is over may belong to it or not.
        let over = restart.ended.unwrap_or(BootNs::MAX);
        let came = |member: &&MemberFact| member.image_since.saturating_add(CLOCKS) < over;
        let new: Vec<MemberFact> = restart.new.iter().filter(came).cloned().collect();
        let (kind, cause) = (restart.kind, cause_gist(&restart.cause));
        let alike = alike && !by_a_tick(restart);
        let (old, new) = (pids_of(&restart.old, alike), pids_of(&new, alike));
        lines.push(format!("{kind:?} by {cause:?} old {old:?} new {new:?}"));
        if alike {
            let lost: BTreeMap<_, _> =
                restart.counts.iter().filter(|(outcome, _)| outcome.is_lost()).collect();
            let findings: BTreeSet<&str> = restart.findings.iter().map(|found| found.finding.id()).collect();
            lines.push(format!("{kind:?} by {cause:?} {:?} lost {lost:?} {findings:?}", restart.verdict));
        }
    }
    for service in &snapshot.services {
        let mut counts = service.counts.clone();
        // Counted by the kernel, who left before asking anything is one with who was sent away then.
        let left = counts.remove(&Outcome::ClientGone).unwrap_or(0);
        *counts.entry(Outcome::IdleClosed).or_default() += left;
        if !alike {
            // A handshake may be what was said in the first moments; when those were is not known.
            let unknown = counts.remove(&Outcome::Unknown).unwrap_or(0);
            *counts.entry(Outcome::Served).or_default() += unknown;
        }
        lines.push(format!("service {} {:?} {counts:?}", service.name, pids(&service.processes)));
    }
    for fact in snapshot.connections.iter().filter(|fact| fact.outcome.is_lost()) {
        let (restart, process) = (fact.restart.and_then(number), fact.process.map(|task| task.pid));
        // For what its client waited follows from when it came.
        let restart = restart.filter(|_| alike && !near_such_an_end(fact));
        lines.push(format!("{} {:?} restart {restart:?} by {process:?}", fact.peer, fact.outcome));
    }
    lines
}

fn cause_gist(cause: &correlate::Cause) -> (u8, u32, u32) {
    match cause {
        correlate::Cause::Signal(it) => (0, it.signal, it.target.pid),
        correlate::Cause::Exit { task, .. } => (1, 0, task.pid),
        correlate::Cause::Exec { task, .. } => (2, 0, task.pid),
        correlate::Cause::ListenerClosed { task, .. } => (3, 0, task.pid),
        correlate::Cause::ListenerOpened { task, .. } => (4, 0, task.pid),
    }
}
