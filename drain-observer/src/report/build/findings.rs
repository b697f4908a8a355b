//! Findings, and what they are measured by.

use super::restart::{relative, seconds};
use crate::correlate::{self, Found, RestartFact, SilenceFact, Unaccepted};
use crate::report::model::{Finding, NotAccepting, Severity, Silence, Wait};
use crate::report::{WallClock, words};

pub(super) fn findings(fact: &RestartFact) -> Vec<Finding> {
    let finding = |found: &Found| {
        let steps = found.finding.evidence();
        let step = |index: &usize| {
            let step = fact.timeline.get(*index)?;
            Some(format!("{:+.3}s {}", relative(step.at, fact.started), words::step(step)))
        };
        Finding {
            id: found.finding.id().to_owned(),
            severity: severity(found.finding.severity()),
            sentence: found.finding.sentence(),
            evidence: steps.iter().filter_map(step).collect(),
            steps: steps.to_vec(),
            hint: found.hint.clone(),
        }
    };
    fact.findings.iter().map(finding).collect()
}

pub(super) fn silence(fact: &SilenceFact, clock: &WallClock) -> Silence {
    let not_accepting = |it: &Unaccepted| NotAccepting {
        from: clock.time(it.from),
        until: clock.time(it.until),
        seconds: seconds(it.until.saturating_sub(it.from)),
        at_least_seconds: seconds(it.at_least),
        exact: it.exact,
        waiting: it.waiting,
        reset: it.reset,
        gave_up: it.gave_up,
    };
    Silence {
        listener: (&fact.listener.local).into(),
        netns: fact.listener.netns,
        listens: fact.listens,
        not_listening: seconds(fact.not_listening),
        not_listening_at_least: seconds(fact.not_listening_at_least),
        not_accepting: fact.not_accepting.as_ref().map(not_accepting),
        longest_wait: fact.longest_wait.map(|wait| Wait { seconds: seconds(wait.ns), exact: wait.exact }),
        peak_queue: fact.peak_queue,
        queue_limit: fact.queue_limit,
        drops: fact.drops,
        refused: fact.refused,
    }
}

fn severity(severity: correlate::Severity) -> Severity {
    match severity {
        correlate::Severity::Info => Severity::Info,
        correlate::Severity::Warning => Severity::Warning,
        correlate::Severity::Error => Severity::Error,
    }
}
