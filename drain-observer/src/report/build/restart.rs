//! Restarts.

use super::{cause, findings, names::Names};
use crate::correlate::{self, LoadPoint, MemberFact, RestartFact, SignalFact, Times};
use crate::event::{self, BootNs, Task};
use crate::report::model::{
    Delivery, Durations, Generation, GenerationProcess, InFlight, ProcessRef, Restart, RestartTimes,
    RestartTimesBootNs, SignalAction, SignalSent, Step, StepKind,
};
use crate::report::{WallClock, words};

pub(super) fn build(fact: &RestartFact, names: &Names, clock: &WallClock) -> Restart {
    let id = names.restart(fact.id);
    Restart {
        host: None,
        service: names.service(fact.service),
        service_name: names.service_name(fact.service),
        kind: fact.kind,
        verdict: fact.verdict,
        reason: fact.reason.clone(),
        started_at: clock.time(fact.started),
        ended_at: fact.ended.map(|at| clock.time(at)),
        started_boot_ns: fact.started,
        ended_boot_ns: fact.ended,
        times: times(&fact.times, clock),
        times_boot_ns: times_boot_ns(&fact.times),
        durations: durations(fact),
        counts: fact.counts.clone(),
        lost: fact.lost(),
        outgoing_lost: fact.outgoing_lost,
        cause: Some(cause::build(&fact.cause)),
        generations: vec![generation(&id, true, &fact.old, clock), generation(&id, false, &fact.new, clock)],
        signals: fact.signals.iter().map(|signal| signal_sent(signal, clock)).collect(),
        findings: findings::findings(fact),
        silence: fact.silence.iter().map(|silence| findings::silence(silence, clock)).collect(),
        in_flight: fact.curve.iter().map(|point| in_flight(point, fact.started)).collect(),
        timeline: fact.timeline.iter().map(|one| step(one, fact.started, clock)).collect(),
        steps_dropped: fact.steps_dropped,
        events_lost: fact.events_lost,
        id,
    }
}

fn in_flight(point: &LoadPoint, started: BootNs) -> InFlight {
    let LoadPoint { at, old, new, queued } = *point;
    InFlight { relative_seconds: relative(at, started), old, new, queued }
}

fn times(times: &Times, clock: &WallClock) -> RestartTimes {
    let time = |at: Option<BootNs>| at.map(|at| clock.time(at));
    RestartTimes {
        signal: time(times.signal),
        listener_closed: time(times.listener_closed),
        last_accept: time(times.last_accept),
        last_response: time(times.last_response),
        old_gone: time(times.old_gone),
        new_started: time(times.new_started),
        listening: time(times.listening),
        first_served: time(times.first_served),
    }
}

fn times_boot_ns(times: &Times) -> RestartTimesBootNs {
    RestartTimesBootNs {
        signal: times.signal,
        listener_closed: times.listener_closed,
        last_accept: times.last_accept,
        last_response: times.last_response,
        old_gone: times.old_gone,
        new_started: times.new_started,
        listening: times.listening,
        first_served: times.first_served,
    }
}

fn durations(fact: &RestartFact) -> Durations {
    let times = &fact.times;
    let between = |from: Option<BootNs>, until: Option<BootNs>| Some(seconds(until?.checked_sub(from?)?));
    let began = times.signal.unwrap_or(fact.started);
    Durations {
        total: between(Some(fact.started), fact.ended),
        drain: between(Some(began), times.old_gone),
        gap: between(times.listener_closed, times.listening),
        boot: between(times.new_started, times.first_served),
    }
}

fn generation(restart: &str, old: bool, members: &[MemberFact], clock: &WallClock) -> Generation {
    let process = |member: &MemberFact| GenerationProcess {
        pid: member.pid,
        inner_pid: member.inner_pid,
        comm: member.comm.as_str().to_owned(),
        executable: member.executable.clone(),
        command_line: member.command.as_deref().map(Into::into),
        belongs_to: member.attribution.as_deref().map(Into::into).unwrap_or_default(),
        parent: member.parent,
        master: member.master,
        started_at: clock.time(member.start),
        image_since: clock.time(member.image_since),
        exited_at: member.ended.map(|at| clock.time(at)),
        exit: member.exit.map(Into::into),
        connections: member.connections,
        lost: member.lost,
    };
    let id = format!("{restart}-{}", if old { "old" } else { "new" });
    Generation { id, old, processes: members.iter().map(process).collect() }
}

fn signal_sent(fact: &SignalFact, clock: &WallClock) -> SignalSent {
    SignalSent {
        at: clock.time(fact.at),
        at_boot_ns: fact.at,
        signal: fact.signal.into(),
        sender: fact.sender.as_ref().map(Into::into),
        target: (&fact.target).into(),
        internal: fact.internal,
        to_master: fact.to_master,
        ignored: fact.ignored,
        delivered: fact
            .delivered
            .map(|(at, action)| Delivery { at: clock.time(at), action: action_of(action) }),
        repeats: fact.repeats,
        last_at: clock.time(fact.last_at),
    }
}

fn action_of(action: event::SignalAction) -> SignalAction {
    match action {
        event::SignalAction::Default => SignalAction::Default,
        event::SignalAction::Ignored => SignalAction::Ignored,
        event::SignalAction::Handler => SignalAction::Handler,
    }
}

pub(super) fn step(fact: &correlate::Step, started: BootNs, clock: &WallClock) -> Step {
    let empty = |kind, process: Option<&Task>| Step {
        at: clock.time(fact.at),
        at_boot_ns: fact.at,
        relative_seconds: relative(fact.at, started),
        kind,
        text: words::step(fact),
        count: u64::from(fact.count.max(1)),
        process: process.map(ProcessRef::from),
        signal: None,
        outcome: None,
        listener: None,
    };
    match &fact.what {
        correlate::StepKind::Signal(signal) => {
            Step { signal: Some(signal.signal.into()), ..empty(StepKind::Signal, Some(&signal.target)) }
        }
        correlate::StepKind::Started { task, .. } => empty(StepKind::Started, Some(task)),
        correlate::StepKind::Executed { task, .. } => empty(StepKind::Executed, Some(task)),
        correlate::StepKind::Exited { task, signal, .. } => Step {
            signal: (*signal != 0).then(|| u32::from(*signal).into()),
            ..empty(StepKind::Exited, Some(task))
        },
        correlate::StepKind::ListenerOpened { task, listener, .. } => {
            Step { listener: Some((&listener.local).into()), ..empty(StepKind::ListenerOpened, Some(task)) }
        }
        correlate::StepKind::ListenerClosed { task, listener, .. } => {
            Step { listener: Some((&listener.local).into()), ..empty(StepKind::ListenerClosed, Some(task)) }
        }
        correlate::StepKind::Lost { outcome, task } => {
            Step { outcome: Some(*outcome), ..empty(StepKind::Lost, task.as_ref()) }
        }
        correlate::StepKind::FirstServed { task } => empty(StepKind::FirstServed, Some(task)),
        correlate::StepKind::OldGone => empty(StepKind::OldGone, None),
    }
}

/// Negative for what came before.
pub(super) fn relative(at: BootNs, started: BootNs) -> f64 {
    if at >= started { seconds(at - started) } else { -seconds(started - at) }
}

/// The double nearest to the exact quotient, the same on every machine.
pub(super) fn seconds(ns: BootNs) -> f64 {
    ns as f64 / 1e9
}
