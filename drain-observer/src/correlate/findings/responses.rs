//! Findings about what was under way: responses, keep-alive connections, the server's own outgoing work.

use super::Diagnosis;
use super::evidence::{is_lost, is_old_exit, steps};
use super::words::connections;
use crate::correlate::facts::finding::{Finding, KeepaliveRace, OutgoingWorkLost, ResponseCutOff, Severity};
use crate::correlate::facts::{Outcome, RestartFact, StepKind};

pub(super) fn find(fact: &RestartFact, findings: &mut Vec<Finding>) {
    findings.extend(ResponseCutOff::find(fact).map(Finding::ResponseCutOff));
    findings.extend(KeepaliveRace::find(fact).map(Finding::KeepaliveRace));
    findings.extend(OutgoingWorkLost::find(fact).map(Finding::OutgoingWorkLost));
}

impl ResponseCutOff {
    fn find(fact: &RestartFact) -> Option<Self> {
        let truncated = fact.counts.get(&Outcome::Truncated).copied().filter(|count| *count > 0)?;
        Some(Self { truncated, evidence: steps(fact, |step| is_lost(step, &[Outcome::Truncated])) })
    }
}

impl Diagnosis for ResponseCutOff {
    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn sentence(&self) -> String {
        let were = if self.truncated == 1 { "response was" } else { "responses were" };
        format!("{} {were} cut off: begun, and the rest dropped", self.truncated)
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.truncated]
    }
}

impl KeepaliveRace {
    fn find(fact: &RestartFact) -> Option<Self> {
        let lost = [Outcome::LateRequest, Outcome::UnreadReset];
        (fact.raced > 0)
            .then(|| Self { raced: fact.raced, evidence: steps(fact, |step| is_lost(step, &lost)) })
    }
}

impl Diagnosis for KeepaliveRace {
    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn sentence(&self) -> String {
        let came = if self.raced == 1 { "request came" } else { "requests came" };
        format!(
            "{} {came} on keep-alive connections just when the server closed them, or after it had",
            self.raced
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.raced]
    }
}

impl OutgoingWorkLost {
    fn find(fact: &RestartFact) -> Option<Self> {
        (fact.outgoing_lost > 0).then(|| Self {
            connections: fact.outgoing_lost,
            evidence: steps(fact, |step| {
                is_old_exit(step, |_| true) || matches!(step.what, StepKind::Signal(_))
            }),
        })
    }
}

impl Diagnosis for OutgoingWorkLost {
    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn sentence(&self) -> String {
        format!(
            "{} that the old generation had opened itself died with data undelivered: uploads, queries, messages",
            connections(self.connections)
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.connections]
    }
}
