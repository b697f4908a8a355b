//! Pass or fail: a pure function of the facts.

use super::scope::Scope;
use super::silence;
use super::verdict::{End, Verdict};
use crate::correlate::{self, RestartFact, RestartKind, Snapshot};
use crate::event::HookState;
use crate::report::words::plural;
use crate::selection::Selection;
use std::time::Duration;

/// What is tolerated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Connections that may be lost, all restarts together.
    pub max_lost: u64,
    /// How long nobody may listen at a place in one restart; `None` = for ever.
    pub max_gap: Option<Duration>,
    /// How long nobody may take connections at a place in one restart, because nobody listens or nobody accepts;
    /// `None` = for ever.
    pub max_silence: Option<Duration>,
    /// No restart is a failure.
    pub require_restart: bool,
}

/// What became of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Its exit status was 0.
    Succeeded,
    /// It was not; how it ended, in words.
    Failed(String),
    /// It still ran when the gate was ended.
    Running,
}

impl Command {
    /// As a predicate: `exited with status 1`.
    pub fn in_words(&self) -> &str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed(how) => how,
            Self::Running => "still runs",
        }
    }
}

/// The gate's verdict, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What it says.
    pub verdict: Verdict,
    /// Why, weightiest first; never empty.
    pub reasons: Vec<String>,
}

/// Judges everything that happened to the selected services.
pub fn decide(
    snapshot: &Snapshot,
    selection: &Selection,
    policy: &Policy,
    command: &Command,
    end: End,
) -> Decision {
    let scope = Scope::new(snapshot, selection);
    let mut found = Found::default();
    for restart in scope.restarts() {
        let mut of_one = Found::default();
        restart_ended(restart, &scope, end, &mut of_one);
        silence::check(restart, selection, policy, &mut of_one);
        let name = scope.name(restart);
        let named = |reason: String| format!("{name}: {reason}");
        found.failures.extend(of_one.failures.into_iter().map(named));
        found.doubts.extend(of_one.doubts.into_iter().map(named));
    }
    let lost = losses(&scope, policy, &mut found);
    doubts(snapshot, &scope, selection, &mut found);
    if policy.require_restart && scope.restarts().next().is_none() {
        let required = "no restart was seen, and one is required";
        if events_lost(snapshot).next().is_some() {
            found.doubts.push(required.to_owned());
        } else {
            found.failures.push(format!("not restarted: {required}{}", unchanged(&scope, selection)));
        }
    }
    match end {
        End::Settled => {}
        End::TimedOut if found.failures.is_empty() && scope.restarts().any(|one| one.ended.is_none()) => {
            found.doubts.push("the time was up before every restart had ended".to_owned());
        }
        End::TimedOut => {}
        End::Interrupted => found.doubts.push("it was interrupted before everything had settled".to_owned()),
    }
    if *command == Command::Running {
        found.doubts.push("the command had not ended, and still runs".to_owned());
    }
    conclude(found, command, || passed(&scope, lost))
}

/// What speaks against passing.
#[derive(Default)]
pub(super) struct Found {
    /// What is sure.
    pub(super) failures: Vec<String>,
    /// What may be.
    pub(super) doubts: Vec<String>,
}

fn restart_ended(restart: &RestartFact, scope: &Scope<'_>, end: End, found: &mut Found) {
    let left: Vec<String> = restart.old_left().map(|member| member.pid.to_string()).collect();
    let unfinished = |reason: String, found: &mut Found| match end {
        End::Interrupted => found.doubts.push(format!("{reason}, when it was interrupted")),
        // That something did not happen is concluded from not having seen it.
        _ if restart.events_lost > 0 => found.doubts.push(format!("{reason}, as far as was seen")),
        End::Settled | End::TimedOut => found.failures.push(reason),
    };
    match restart.verdict {
        correlate::Verdict::NotRestarted if is_outdone(restart, scope) => {}
        correlate::Verdict::NotRestarted => {
            found.failures.push(format!("not restarted: {}", restart.reason));
        }
        correlate::Verdict::Down => unfinished(format!("down: {}", restart.reason), found),
        correlate::Verdict::Stuck => unfinished(format!("stuck: {}", restart.reason), found),
        _ if !left.is_empty() && restart.kind != RestartKind::Unknown => {
            let count = left.len() as u64;
            let processes = plural(count, "process", "processes");
            let pids = listed(&left);
            unfinished(format!("{count} {processes} of the old generation left (pid {pids})"), found);
        }
        correlate::Verdict::Inconclusive => found.doubts.push(restart.reason.clone()),
        correlate::Verdict::Lossy if restart.events_lost > 0 => {
            let events = plural(restart.events_lost, "event was", "events were");
            found.doubts.push(format!("{} {events} lost around it, so more may be", restart.events_lost));
        }
        correlate::Verdict::Lossy | correlate::Verdict::Clean => {}
    }
}

/// A later request to restart the same service did come to something.
fn is_outdone(restart: &RestartFact, scope: &Scope<'_>) -> bool {
    scope.restarts().any(|other| {
        other.service == restart.service
            && other.id > restart.id
            && other.kind != RestartKind::Unknown
            && other.verdict != correlate::Verdict::NotRestarted
    })
}

/// Who serves on as if nothing had happened, where it is known whom the command was about.
fn unchanged(scope: &Scope<'_>, selection: &Selection) -> String {
    let masters: Vec<String> = scope
        .services()
        .flat_map(|service| service.processes.iter().filter(|process| process.master))
        .map(|master| format!("{} (pid {})", master.comm, master.pid))
        .collect();
    match masters.len() {
        0 => String::new(),
        _ if selection.is_all() => String::new(),
        _ => format!(": {} served on, and got no signal to restart or stop", listed(&masters)),
    }
}

/// How many connections were lost, and whether that is too many.
fn losses(scope: &Scope<'_>, policy: &Policy, found: &mut Found) -> u64 {
    let inside: u64 = scope.restarts().map(RestartFact::lost).sum();
    let outside = scope.losses_outside().count() as u64;
    let lost = inside + outside;
    if lost > policy.max_lost {
        let were = plural(lost, "connection was", "connections were");
        let outside = if outside > 0 { format!(" ({outside} outside any restart)") } else { String::new() };
        found.failures.insert(0, format!("{lost} {were} lost{outside}, {} may be", policy.max_lost));
    }
    lost
}

/// What was not seen, because of which nothing can be concluded from not having seen it.
fn doubts(snapshot: &Snapshot, scope: &Scope<'_>, selection: &Selection, found: &mut Found) {
    if scope.is_nothing() {
        found.doubts.push(format!("no service matches {selection}: nothing was watched"));
    }
    if snapshot.attached_at.is_none() {
        found.doubts.push("the probes were never in place".to_owned());
    }
    for ((what, reason), count) in events_lost(snapshot) {
        let events = plural(*count, "event was", "events were");
        found.doubts.push(format!("{count} {what} {events} lost ({reason})"));
    }
    for (bound, _) in snapshot.bounds.iter().filter(|(_, hits)| **hits > 0) {
        found.doubts.push(format!("the bound on {bound} was reached: something was forgotten"));
    }
    for hook in snapshot.hooks.iter().filter(|hook| hook.required && hook.state == HookState::Missing) {
        found.doubts.push(format!("the hook {} is missing", hook.name));
    }
}

/// Events that were lost and may have mattered. Without its time of establishment, or a count, a connection is judged
/// all the same; and what is missing in the journal was seen.
fn events_lost(snapshot: &Snapshot) -> impl Iterator<Item = (&(String, String), &u64)> {
    let matters = |what: &str| !matches!(what, "established_at" | "count" | "journal");
    snapshot.lost_events.iter().filter(move |((what, _), count)| **count > 0 && matters(what))
}

fn conclude(found: Found, command: &Command, passed: impl FnOnce() -> String) -> Decision {
    let Found { mut failures, doubts } = found;
    let verdict = match command {
        Command::Failed(how) => {
            failures.insert(0, format!("the command {how}"));
            Verdict::CommandFailed
        }
        _ if !failures.is_empty() => Verdict::Fail,
        _ if !doubts.is_empty() => Verdict::Inconclusive,
        _ => Verdict::Pass,
    };
    let mut reasons: Vec<String> = failures.into_iter().chain(doubts).collect();
    if reasons.is_empty() {
        reasons.push(passed());
    }
    Decision { verdict, reasons }
}

fn passed(scope: &Scope<'_>, lost: u64) -> String {
    let lost = match lost {
        0 => "nothing was lost".to_owned(),
        lost => format!("{lost} {} lost", plural(lost, "connection was", "connections were")),
    };
    match scope.restarts().count() as u64 {
        0 => format!("no restart was seen, {lost}"),
        count => format!("{count} {}, {lost}", plural(count, "restart", "restarts")),
    }
}

fn listed(names: &[String]) -> String {
    const MAX: usize = 8;
    let more = names.len().saturating_sub(MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names[..names.len().min(MAX)].join(", "))
}
