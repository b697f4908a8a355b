//! Findings about the listener: there with nobody to accept, not there, closed without a warning.

use super::Diagnosis;
use super::evidence::{is_first_served, is_last_close, is_lost, is_old_exit, is_open, is_signal, steps};
use super::words::{connections, count_of, process, seconds};
use crate::correlate::facts::finding::{
    Finding, ListenerGap, ListenerOutlivedWorkers, NoBlackout, Severity, SilentListener,
};
use crate::correlate::facts::{
    Cause, Outcome, RestartFact, RestartKind, SilenceFact, Step, StepKind, Unaccepted,
};
use crate::event::{BootNs, ListenerKey};

const KILL: u32 = 9;
/// Shorter than this nobody notices, unless a connection was lost by it.
const NOTICEABLE: BootNs = 1_000_000_000;
/// A listener that closes this soon after the last worker closes with it.
const TOGETHER: BootNs = 10_000_000;
/// Connections that came this shortly before the listener closed came until the end.
const UNTIL_THE_END: BootNs = 1_000_000_000;

pub(super) fn find(fact: &RestartFact, findings: &mut Vec<Finding>) {
    for silence in &fact.silence {
        // The silence after the workers' end is the listener's having outlived them.
        if let Some(outlived) = ListenerOutlivedWorkers::find(fact, silence) {
            findings.push(Finding::ListenerOutlivedWorkers(outlived));
        } else {
            findings.extend(SilentListener::find(fact, silence).map(Finding::SilentListener));
        }
        findings.extend(ListenerGap::find(fact, silence).map(Finding::ListenerGap));
        findings.extend(NoBlackout::find(fact, silence).map(Finding::NoBlackout));
    }
}

impl SilentListener {
    fn find(fact: &RestartFact, silence: &SilenceFact) -> Option<Self> {
        let it = silence.not_accepting?;
        let most = it.until.saturating_sub(it.from);
        // Who is killed or crashes leaves at once, and does not fall silent.
        let left = matches!(&fact.cause, Cause::Signal(sent) if sent.signal == KILL)
            || fact.kind == RestartKind::Crash;
        let lost = it.reset + it.gave_up > 0 && most >= TOGETHER && !left;
        // One that waits can be one slow request; several in the queue are not served.
        let surely = it.at_least >= NOTICEABLE;
        let bounded = most >= NOTICEABLE && it.waiting > 1 && silence.peak_queue > 1;
        (lost || surely || bounded).then(|| Self {
            listener: silence.listener,
            unaccepted: it,
            peak_queue: silence.peak_queue,
            queue_limit: silence.queue_limit,
            evidence: steps(fact, |step| {
                is_cause(fact, step)
                    || is_old_exit(step, |_| true)
                    || is_last_close(step, &silence.listener)
                    || is_lost(step, &[Outcome::QueueReset]) && it.reset > 0
                    || is_lost(step, &[Outcome::GaveUp]) && it.gave_up > 0
                    || is_first_served(step)
            }),
        })
    }

    /// How long it was, in words: what is sure, or the most that it can have been.
    fn how_long(&self) -> String {
        let Unaccepted { from, until, at_least, .. } = self.unaccepted;
        let most = until.saturating_sub(from);
        match at_least {
            0 => format!("up to {}", seconds(most)),
            least if seconds(least) == seconds(most) => seconds(most),
            least => format!("{} to {}", seconds(least), seconds(most)),
        }
    }
}

impl Diagnosis for SilentListener {
    fn severity(&self) -> Severity {
        if self.unaccepted.reset + self.unaccepted.gave_up > 0 { Severity::Error } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        let Unaccepted { waiting, reset, gave_up, .. } = self.unaccepted;
        let lost: Vec<String> = [
            (reset, "was reset", "were reset"),
            (gave_up, "was given up by its client", "were given up by their clients"),
        ]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, several)| count_of(count, one, several))
        .collect();
        let lost = if lost.is_empty() { "none was lost".to_owned() } else { lost.join(" and ") };
        format!(
            "for {} somebody listened at {} and nobody accepted: {} waited, {lost}; the queue was {} deep (limit {})",
            self.how_long(),
            self.listener.local,
            connections(waiting),
            self.peak_queue,
            self.queue_limit,
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        let it = &self.unaccepted;
        vec![it.until.saturating_sub(it.from) / 1_000_000, it.waiting, it.reset, it.gave_up]
    }
}

impl ListenerOutlivedWorkers {
    fn find(fact: &RestartFact, silence: &SilenceFact) -> Option<Self> {
        let closes = fact.timeline.iter().filter(|step| is_last_close(step, &silence.listener));
        closes.filter_map(|step| Self::at(fact, silence.listener, step)).next()
    }

    fn at(fact: &RestartFact, listener: ListenerKey, close: &Step) -> Option<Self> {
        let StepKind::ListenerClosed { task, queue, .. } = &close.what else { return None };
        if fact.new.iter().any(|member| member.pid == task.pid && member.image_since <= close.at) {
            return None;
        }
        // A master that never accepted itself: a worker that closes last is an acceptor that leaves.
        let holder = fact.old.iter().find(|member| member.pid == task.pid)?;
        if !holder.master || holder.accepted > 0 {
            return None;
        }
        let workers = || fact.old.iter().filter(|member| !member.master && member.pid != task.pid);
        let ended = workers().map(|member| member.ended.filter(|ended| *ended < close.at));
        let last = ended.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let kept = close.at.saturating_sub(last);
        let noticed = *queue > 0 && kept >= TOGETHER || kept >= NOTICEABLE;
        let worker = |pid: u32| workers().any(|member| member.pid == pid);
        noticed.then(|| Self {
            listener,
            holder: *task,
            kept,
            workers: workers().count() as u64,
            queue: (*queue).into(),
            evidence: steps(fact, |step| {
                is_cause(fact, step)
                    || is_old_exit(step, worker)
                    || is_last_close(step, &listener)
                    || is_lost(step, &[Outcome::QueueReset]) && *queue > 0
            }),
        })
    }
}

impl Diagnosis for ListenerOutlivedWorkers {
    fn severity(&self) -> Severity {
        if self.queue > 0 { Severity::Error } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        format!(
            "{} kept {} open for {} after the last of {} had ended: the kernel went on accepting for \
             nobody, with {} in the queue at the close",
            process(&self.holder),
            self.listener.local,
            seconds(self.kept),
            count_of(self.workers, "worker", "workers"),
            connections(self.queue),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.kept / 1_000_000, self.queue]
    }
}

impl ListenerGap {
    fn find(fact: &RestartFact, silence: &SilenceFact) -> Option<Self> {
        let SilenceFact { not_listening, refused, listens, listener, .. } = *silence;
        // A stop for good is no gap, until somebody asks.
        let noticed = refused > 0 || (listens && not_listening >= NOTICEABLE);
        (noticed && not_listening > 0).then(|| Self {
            listener,
            gap: not_listening,
            at_least: silence.not_listening_at_least,
            open: !listens,
            refused,
            evidence: steps(fact, |step| {
                is_last_close(step, &listener)
                    || is_open(step, &listener)
                    || is_lost(step, &[Outcome::Refused]) && refused > 0
            }),
        })
    }
}

/// A difference of less does not show in a sentence.
const SHOWN: BootNs = 50_000_000;

impl Diagnosis for ListenerGap {
    fn severity(&self) -> Severity {
        if self.refused > 0 { Severity::Error } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        let so_far = if self.open { ", and nobody does yet" } else { "" };
        let were = if self.refused == 1 { "was" } else { "were" };
        format!(
            "nobody listened at {} for {}{}{so_far}: {} {were} refused",
            self.listener.local,
            if self.gap - self.at_least < SHOWN { "" } else { "up to " },
            seconds(self.gap),
            connections(self.refused),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.gap / 1_000_000, self.refused]
    }
}

impl NoBlackout {
    fn find(fact: &RestartFact, silence: &SilenceFact) -> Option<Self> {
        let Cause::Signal(sent) = &fact.cause else { return None };
        if sent.signal == KILL {
            return None;
        }
        let closed = silence.closed_at?;
        let before = closed.checked_sub(silence.last_arrival?)?;
        let listener = silence.listener;
        (silence.refused > 0 && before <= UNTIL_THE_END).then(|| Self {
            listener,
            before,
            after_signal: closed.saturating_sub(sent.at),
            refused: silence.refused,
            evidence: steps(fact, |step| {
                is_signal(step, sent.signal, sent.target.pid)
                    || is_last_close(step, &listener)
                    || is_lost(step, &[Outcome::Refused])
            }),
        })
    }
}

impl Diagnosis for NoBlackout {
    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn sentence(&self) -> String {
        format!(
            "connections kept coming to {} until {} before it closed, {} after the signal, and {} more were \
             refused then: nothing had told the clients or their load balancer to go elsewhere",
            self.listener.local,
            seconds(self.before),
            seconds(self.after_signal),
            self.refused,
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.refused]
    }
}

fn is_cause(fact: &RestartFact, step: &Step) -> bool {
    matches!(&fact.cause, Cause::Signal(sent) if is_signal(step, sent.signal, sent.target.pid))
}
