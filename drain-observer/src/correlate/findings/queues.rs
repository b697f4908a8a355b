//! Findings about accept queues: too short, or lost though others listen on.

use super::Diagnosis;
use super::evidence::{is_first_served, is_lost, steps};
use super::words::{connections, count_of, seconds};
use crate::correlate::facts::finding::{
    AcceptQueueOverflow, Finding, ReplacedQueueLost, ReuseportQueueLost, Severity,
};
use crate::correlate::facts::{Outcome, RestartFact, SilenceFact, Step, StepKind};
use crate::event::{BootNs, ListenerKey, Local};

/// The resets of a queue are reported this soon after its socket's close, or before.
const WITH_THE_CLOSE: BootNs = 1_000_000_000;

pub(super) fn find(fact: &RestartFact, findings: &mut Vec<Finding>) {
    let overflow = |silence| AcceptQueueOverflow::find(fact, silence);
    findings.extend(fact.silence.iter().filter_map(overflow).map(Finding::AcceptQueueOverflow));
    findings.extend(ReuseportQueueLost::find(fact).map(Finding::ReuseportQueueLost));
    findings.extend(ReplacedQueueLost::find(fact).map(Finding::ReplacedQueueLost));
}

impl AcceptQueueOverflow {
    fn find(fact: &RestartFact, silence: &SilenceFact) -> Option<Self> {
        let full = silence.queue_limit > 0 && silence.peak_queue > silence.queue_limit;
        // A reset of a connection that the server never had: its handshake's end was dropped.
        let dropped =
            |step: &Step| matches!(step.what, StepKind::Lost { outcome: Outcome::QueueReset, task: None });
        let alone = fact.silence.len() == 1;
        let reset =
            fact.timeline.iter().filter(|step| alone && dropped(step)).map(|step| u64::from(step.count));
        let reset = reset.sum();
        let listener = silence.listener;
        let turned_away =
            |step: &Step| listener.local.path().is_some() && is_lost(step, &[Outcome::Overflowed]);
        let of_listener = |step: &Step| match &step.what {
            StepKind::ListenerClosed { listener: of, .. } | StepKind::ListenerOpened { listener: of, .. } => {
                *of == listener
            }
            StepKind::Signal(_) => true,
            _ => false,
        };
        // At a path nothing is dropped: who is turned away is told at once, and who would wait waits in connect(2).
        let told =
            silence.listener.local.path().is_some() || silence.drops > 0 || silence.closed_at.is_some();
        let drops = told.then_some(silence.drops);
        (full && drops != Some(0) || reset > 0).then(|| Self {
            listener,
            peak_queue: silence.peak_queue,
            queue_limit: silence.queue_limit,
            drops,
            reset,
            longest_wait: silence.longest_wait.map(|wait| wait.ns),
            evidence: steps(fact, |step| {
                of_listener(step) || is_first_served(step) || turned_away(step) || alone && dropped(step)
            }),
        })
    }
}

impl Diagnosis for AcceptQueueOverflow {
    fn severity(&self) -> Severity {
        // A packet that is dropped comes again; a client that is turned away from a path does not.
        let turned_away = self.listener.local.path().and(self.drops).unwrap_or(0);
        if self.reset + turned_away > 0 { Severity::Error } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        let dropped = match self.drops {
            Some(drops) if self.listener.local.path().is_some() => {
                format!("{} turned away", count_of(drops, "client", "clients"))
            }
            Some(drops) => format!("{} dropped", count_of(drops, "packet", "packets")),
            None => "who came then had to come again, how many is known when it closes".to_owned(),
        };
        let reset = match self.reset {
            0 => String::new(),
            reset => {
                format!(", {} that believed themselves connected reset", count_of(reset, "client", "clients"))
            }
        };
        let wait = self.longest_wait.map(|wait| format!("; the longest wait was up to {}", seconds(wait)));
        let wait = wait.unwrap_or_default();
        format!(
            "the accept queue of {} was full ({} waiting at most, limit {}): {dropped}{reset}{wait}",
            self.listener.local, self.peak_queue, self.queue_limit,
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.drops.unwrap_or(0), self.reset]
    }
}

impl ReuseportQueueLost {
    fn find(fact: &RestartFact) -> Option<Self> {
        let QueuesLost { listener, sockets, queue, left, evidence } =
            QueuesLost::find(fact, |local| local.inet().is_some())?;
        Some(Self { listener, sockets, queue, left, evidence })
    }
}

impl Diagnosis for ReuseportQueueLost {
    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn sentence(&self) -> String {
        format!(
            "{} of {} closed with {} queued while {} listened on there: they were reset, not handed over",
            count_of(self.sockets, "listening socket", "listening sockets"),
            self.listener.local,
            connections(self.queue),
            count_of(self.left.into(), "other", "others"),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.queue]
    }
}

impl ReplacedQueueLost {
    fn find(fact: &RestartFact) -> Option<Self> {
        let QueuesLost { listener, sockets, queue, evidence, .. } =
            QueuesLost::find(fact, |local| local.path().is_some())?;
        Some(Self { listener, sockets, queue, evidence })
    }
}

impl Diagnosis for ReplacedQueueLost {
    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn sentence(&self) -> String {
        format!(
            "{} of {} closed with {} queued after another had been bound to its path: they were reset, not handed over",
            count_of(self.sockets, "listening socket", "listening sockets"),
            self.listener.local,
            connections(self.queue),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.queue]
    }
}

/// Sockets that closed with connections in their queues while others were at the same place.
struct QueuesLost {
    listener: ListenerKey,
    sockets: u64,
    queue: u64,
    left: u32,
    evidence: Vec<usize>,
}

impl QueuesLost {
    fn find(fact: &RestartFact, wanted: impl Fn(&Local) -> bool) -> Option<Self> {
        let mut found: Option<Self> = None;
        for (index, step) in fact.timeline.iter().enumerate() {
            let StepKind::ListenerClosed { task, listener, queue, left } = &step.what else { continue };
            if *queue == 0 || *left == 0 || !wanted(&listener.local) {
                continue;
            }
            // With net.ipv4.tcp_migrate_req another socket takes the queue, and nothing is lost.
            let reset = steps(fact, |lost| {
                matches!(&lost.what, StepKind::Lost { outcome: Outcome::QueueReset, task: Some(by) } if by.pid == task.pid)
                    && lost.at.abs_diff(step.at) <= WITH_THE_CLOSE
            });
            if reset.is_empty() {
                continue;
            }
            let found = found.get_or_insert(Self {
                listener: *listener,
                sockets: 0,
                queue: 0,
                left: 0,
                evidence: Vec::new(),
            });
            found.sockets += 1;
            found.queue += u64::from(*queue);
            found.left = *left;
            found.evidence.push(index);
            found.evidence.extend(reset);
            found.evidence.sort_unstable();
            found.evidence.dedup();
        }
        found
    }
}
