//! Findings as scenarios expect them, and what must hold of any restart's findings.

use super::words::{Words, Wrong};
use crate::correlate::{Finding, RestartFact, Snapshot, Verdict};
use std::collections::BTreeSet;

/// Ids of all findings.
pub(super) const FINDINGS: [&str; 18] = [
    "restart_did_not_happen",
    "signal_ignored",
    "repeated_signal",
    "group_signal",
    "silent_listener",
    "listener_outlived_workers",
    "listener_gap",
    "no_blackout",
    "accept_queue_overflow",
    "reuseport_queue_lost",
    "replaced_queue_lost",
    "killed_while_draining",
    "crashed_while_draining",
    "residual_generation",
    "response_cut_off",
    "keepalive_race",
    "outgoing_work_lost",
    "upstream_lost",
];

/// What no restart's findings may be: without evidence, or at odds with each other and the verdict.
pub(super) fn wrong_with_findings(fact: &RestartFact) -> Vec<String> {
    let mut wrong = Vec::new();
    let ids: BTreeSet<&str> = fact.findings.iter().map(|found| found.finding.id()).collect();
    for found in &fact.findings {
        let evidence = found.finding.evidence();
        let ascending = evidence.windows(2).all(|pair| pair[0] < pair[1]);
        let there = evidence.last().is_some_and(|last| *last < fact.timeline.len());
        if !ascending || !there || found.hint.is_empty() || !FINDINGS.contains(&found.finding.id()) {
            wrong.push(format!("{}: evidence {evidence:?}, hint {:?}", found.finding.id(), found.hint));
        }
    }
    let nothing = ids.contains("restart_did_not_happen");
    let no_restart = ["restart_did_not_happen", "signal_ignored", "repeated_signal"];
    if nothing != (fact.verdict == Verdict::NotRestarted)
        || nothing && !ids.iter().all(|id| no_restart.contains(id))
    {
        wrong.push(format!("{:?} with {ids:?}", fact.verdict));
    }
    let silent = |finding: &Finding| match finding {
        Finding::SilentListener(it) => Some(it.listener),
        _ => None,
    };
    let outlived = |finding: &Finding| match finding {
        Finding::ListenerOutlivedWorkers(it) => Some(it.listener),
        _ => None,
    };
    let places: Vec<_> = fact.findings.iter().filter_map(|found| silent(&found.finding)).collect();
    if fact.findings.iter().filter_map(|found| outlived(&found.finding)).any(|key| places.contains(&key)) {
        wrong.push("one silence is two findings".to_owned());
    }
    wrong
}

/// Findings of one restart, by its number, or of all.
pub(super) fn found(snapshot: &Snapshot, restart: Option<usize>) -> impl Iterator<Item = &Finding> {
    let restarts = snapshot.restarts.iter().enumerate();
    restarts
        .filter(move |(index, _)| restart.is_none_or(|number| index + 1 == number))
        .flat_map(|(_, restart)| restart.findings.iter().map(|found| &found.finding))
}

/// The id of a finding.
pub(super) fn finding_id(word: &str) -> Result<String, Wrong> {
    let known = FINDINGS.contains(&word);
    if known { Ok(word.to_owned()) } else { Err(format!("`{word}` is no finding")) }
}

/// Numbers, as many as there are.
pub(super) fn numbers(words: &mut Words<'_>) -> Result<Vec<u64>, Wrong> {
    let mut numbers = Vec::new();
    while words.peek().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
        numbers.push(words.number("a number")?);
    }
    Ok(numbers)
}

/// `restart N`, where it is named.
pub(super) fn of_restart(words: &mut Words<'_>) -> Result<Option<usize>, Wrong> {
    if words.takes("restart") { words.number("which").map(Some) } else { Ok(None) }
}
