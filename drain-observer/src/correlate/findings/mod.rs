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

use super::facts::finding::{Finding, Found, GroupSignal, RestartDidNotHappen, Severity};
use super::facts::{RestartFact, Verdict};
use super::limits::Config;
use crate::event::BootNs;

impl Finding {
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
