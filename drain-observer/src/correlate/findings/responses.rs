//! Findings about what was under way: responses, keep-alive connections, the server's own outgoing work.

use super::evidence::{is_lost, is_old_exit, steps};
use super::words::connections;
use super::{Diagnosis, Finding, Severity};
use crate::correlate::facts::{Outcome, RestartFact};
use serde::{Deserialize, Serialize};

pub(super) fn find(fact: &RestartFact, findings: &mut Vec<Finding>) {
    findings.extend(ResponseCutOff::find(fact).map(Finding::ResponseCutOff));
    findings.extend(KeepaliveRace::find(fact).map(Finding::KeepaliveRace));
    findings.extend(OutgoingWorkLost::find(fact).map(Finding::OutgoingWorkLost));
}

/// `response_cut_off`: "1 response was cut off: begun, and its rest dropped"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseCutOff {
    /// How many.
    pub truncated: u64,
    /// Steps.
    pub evidence: Vec<usize>,
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

/// `keepalive_race`: "2 requests came on keep-alive connections that the server was closing, or had closed, as idle"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeepaliveRace {
    /// How many.
    pub raced: u64,
    /// Steps.
    pub evidence: Vec<usize>,
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

/// `outgoing_work_lost`: "1 connection that the old generation had opened itself died with data undelivered"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutgoingWorkLost {
    /// How many connections.
    pub connections: u64,
    /// Steps: the ends of the processes that can have had them.
    pub evidence: Vec<usize>,
}

impl OutgoingWorkLost {
    fn find(fact: &RestartFact) -> Option<Self> {
        (fact.outgoing_lost > 0).then(|| Self {
            connections: fact.outgoing_lost,
            evidence: steps(fact, |step| {
                is_old_exit(step, |_| true) || matches!(step.what, crate::correlate::StepKind::Signal(_))
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
