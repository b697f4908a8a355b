//! Findings: what went wrong in a restart, as diagnosed causes, each with its numbers and the steps of the timeline
//! that it rests on. A pure function of the restart's facts. None rests on a server's name; only hints do.

mod draining;
mod evidence;
mod hints;
mod listening;
mod queues;
mod responses;
mod signals;
#[cfg(test)]
mod tests;
mod upstream;
mod words;

pub use draining::{CrashedWhileDraining, Ended, KilledWhileDraining, ResidualGeneration};
pub use listening::{ListenerGap, ListenerOutlivedWorkers, NoBlackout, SilentListener};
pub use queues::{AcceptQueueOverflow, ReplacedQueueLost, ReuseportQueueLost};
pub use responses::{KeepaliveRace, OutgoingWorkLost, ResponseCutOff};
pub use signals::{GroupSignal, RepeatedSignal, RestartDidNotHappen, SignalIgnored};
pub use upstream::UpstreamLost;

use super::facts::{RestartFact, Verdict};
use super::limits::Config;
use crate::event::BootNs;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// It will lose connections on another day.
    Warning,
    /// It lost connections.
    Error,
}

/// A finding, with what to change on the server at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What was found.
    pub finding: Finding,
    /// What to change.
    pub hint: String,
}

/// One diagnosed cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is documented with its own type")]
pub enum Finding {
    RestartDidNotHappen(RestartDidNotHappen),
    SignalIgnored(SignalIgnored),
    RepeatedSignal(RepeatedSignal),
    GroupSignal(GroupSignal),
    SilentListener(SilentListener),
    ListenerOutlivedWorkers(ListenerOutlivedWorkers),
    ListenerGap(ListenerGap),
    NoBlackout(NoBlackout),
    AcceptQueueOverflow(AcceptQueueOverflow),
    ReuseportQueueLost(ReuseportQueueLost),
    ReplacedQueueLost(ReplacedQueueLost),
    KilledWhileDraining(KilledWhileDraining),
    CrashedWhileDraining(CrashedWhileDraining),
    ResidualGeneration(ResidualGeneration),
    ResponseCutOff(ResponseCutOff),
    KeepaliveRace(KeepaliveRace),
    OutgoingWorkLost(OutgoingWorkLost),
    UpstreamLost(UpstreamLost),
}

impl Finding {
    /// Its stable id.
    pub fn id(&self) -> &'static str {
        match self {
            Self::RestartDidNotHappen(_) => "restart_did_not_happen",
            Self::SignalIgnored(_) => "signal_ignored",
            Self::RepeatedSignal(_) => "repeated_signal",
            Self::GroupSignal(_) => "group_signal",
            Self::SilentListener(_) => "silent_listener",
            Self::ListenerOutlivedWorkers(_) => "listener_outlived_workers",
            Self::ListenerGap(_) => "listener_gap",
            Self::NoBlackout(_) => "no_blackout",
            Self::AcceptQueueOverflow(_) => "accept_queue_overflow",
            Self::ReuseportQueueLost(_) => "reuseport_queue_lost",
            Self::ReplacedQueueLost(_) => "replaced_queue_lost",
            Self::KilledWhileDraining(_) => "killed_while_draining",
            Self::CrashedWhileDraining(_) => "crashed_while_draining",
            Self::ResidualGeneration(_) => "residual_generation",
            Self::ResponseCutOff(_) => "response_cut_off",
            Self::KeepaliveRace(_) => "keepalive_race",
            Self::OutgoingWorkLost(_) => "outgoing_work_lost",
            Self::UpstreamLost(_) => "upstream_lost",
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.diagnosis().severity()
    }

    /// What was found, with its numbers.
    pub fn sentence(&self) -> String {
        self.diagnosis().sentence()
    }

    /// The steps of the restart's timeline that it rests on, by index, ascending. Never empty.
    pub fn evidence(&self) -> &[usize] {
        self.diagnosis().evidence()
    }

    /// Its numbers, in the order of its sentence.
    pub fn numbers(&self) -> Vec<u64> {
        self.diagnosis().numbers()
    }

    fn diagnosis(&self) -> &dyn Diagnosis {
        match self {
            Self::RestartDidNotHappen(it) => it,
            Self::SignalIgnored(it) => it,
            Self::RepeatedSignal(it) => it,
            Self::GroupSignal(it) => it,
            Self::SilentListener(it) => it,
            Self::ListenerOutlivedWorkers(it) => it,
            Self::ListenerGap(it) => it,
            Self::NoBlackout(it) => it,
            Self::AcceptQueueOverflow(it) => it,
            Self::ReuseportQueueLost(it) => it,
            Self::ReplacedQueueLost(it) => it,
            Self::KilledWhileDraining(it) => it,
            Self::CrashedWhileDraining(it) => it,
            Self::ResidualGeneration(it) => it,
            Self::ResponseCutOff(it) => it,
            Self::KeepaliveRace(it) => it,
            Self::OutgoingWorkLost(it) => it,
            Self::UpstreamLost(it) => it,
        }
    }
}

/// What every finding can say of itself.
trait Diagnosis {
    fn severity(&self) -> Severity;
    fn sentence(&self) -> String;
    fn evidence(&self) -> &[usize];
    fn numbers(&self) -> Vec<u64>;
}

/// The findings of a restart as of `now`, the worst first.
pub(crate) fn of(fact: &RestartFact, unit: Option<&str>, now: BootNs, config: &Config) -> Vec<Found> {
    let mut findings = Vec::new();
    signals::of_any_restart(fact, &mut findings);
    // What did not happen closed no listener, left nobody behind, and killed nobody.
    if fact.verdict == Verdict::NotRestarted {
        findings.extend(RestartDidNotHappen::find(fact, now).map(Finding::RestartDidNotHappen));
    } else {
        findings.extend(GroupSignal::find(fact).map(Finding::GroupSignal));
        listening::find(fact, &mut findings);
        queues::find(fact, &mut findings);
        draining::find(fact, now, config, &mut findings);
        responses::find(fact, &mut findings);
        upstream::find(fact, &mut findings);
    }
    // Steps beyond the timeline's bound are nobody's evidence.
    findings.retain(|finding| !finding.evidence().is_empty());
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    let server = hints::Server::of(fact, unit);
    findings.into_iter().map(|finding| Found { hint: hints::hint(&finding, &server), finding }).collect()
}
