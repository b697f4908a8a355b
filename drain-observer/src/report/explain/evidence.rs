//! The kernel events behind the steps that a finding rests on.

use super::ends::Ends;
use crate::correlate::{Finding, RestartFact, Snapshot, Step, StepKind};
use crate::event::{BootNs, Event, Kind, UnixEnd};
use crate::report::words;
use std::collections::BTreeSet;

/// A loss may be told so long after it happened.
const TOLD_WITHIN: BootNs = 100_000_000;
/// Losses of one kind that follow within this are one step.
const ONE_GO: BootNs = 1_000_000_000;
/// TCP's clock, which tells when a response was sent, is as coarse as this.
const TICK: BootNs = 10_000_000;

/// What a finding rests on.
#[derive(Debug)]
pub(super) struct Evidence {
    steps: Vec<Ground>,
    /// While the restart went on: what was lost then may be missing here.
    during: (BootNs, BootNs),
}

/// One step, with what is needed to know its events.
#[derive(Debug)]
struct Ground {
    step: Step,
    /// Its connections.
    ends: BTreeSet<Ends>,
}

impl Evidence {
    pub(super) fn new(finding: &Finding, fact: &RestartFact, snapshot: &Snapshot) -> Self {
        let steps = finding.evidence().iter().filter_map(|index| fact.timeline.get(*index));
        let ground = |step: &Step| Ground { ends: ends(step, fact, snapshot), step: step.clone() };
        Self { steps: steps.map(ground).collect(), during: (fact.started, fact.ended.unwrap_or(snapshot.at)) }
    }

    pub(super) fn rests_on(&self, event: &Event) -> bool {
        if let Kind::Lost(_) = event.event {
            return (self.during.0..=self.during.1).contains(&event.at);
        }
        self.steps.iter().any(|ground| ground.rests_on(event))
    }

    /// The steps that none of these events is behind: conclusions from others, or events that were not recorded.
    pub(super) fn concluded(&self, events: &[Event]) -> Vec<(BootNs, String)> {
        let bare = self.steps.iter().filter(|ground| !events.iter().any(|event| ground.rests_on(event)));
        bare.map(|ground| (ground.step.at, format!("concluded: {}", words::step(&ground.step)))).collect()
    }
}

impl Ground {
    fn rests_on(&self, event: &Event) -> bool {
        let at = self.step.at;
        match (&self.step.what, &event.event) {
            (StepKind::Signal(sent), Kind::Signal(signal)) => {
                let same = (signal.signal, signal.target.pid, signal.sender.map(|task| task.pid))
                    == (sent.signal, sent.target.pid, sent.sender.map(|task| task.pid));
                same && (at..=sent.last_at.max(at)).contains(&event.at)
            }
            (StepKind::Signal(sent), Kind::SignalDelivered(signal)) => {
                signal.task.pid == sent.target.pid
                    && sent.delivered.is_some_and(|(delivered, _)| delivered == event.at)
            }
            (StepKind::Started { task, .. }, Kind::Forked(forked)) => {
                forked.child.pid == task.pid && event.at.abs_diff(at) < ONE_GO
            }
            (StepKind::Executed { task, .. }, Kind::Executed(executed)) => {
                executed.task.pid == task.pid && event.at == at
            }
            (StepKind::Exited { task, .. }, Kind::Exited(exited)) => {
                exited.task.pid == task.pid && event.at == at
            }
            // The one whose end was the last.
            (StepKind::OldGone, Kind::Exited(_)) => event.at == at,
            (StepKind::ListenerOpened { listener, .. }, Kind::ListenerOpened(opened)) => {
                opened.key == *listener && event.at == at
            }
            (StepKind::ListenerClosed { listener, .. }, Kind::ListenerClosed(closed)) => {
                closed.key == *listener && event.at == at
            }
            (StepKind::ListenerOpened { listener, .. }, Kind::UnixOpened(opened)) => {
                opened.seen.key == *listener && event.at == at
            }
            (StepKind::ListenerClosed { listener, .. }, Kind::UnixClosed(closed)) => {
                closed.key == *listener && (closed.since..=event.at).contains(&at)
            }
            (StepKind::ListenerClosed { listener, .. }, Kind::UnixEnded(ended)) => {
                ended.how == UnixEnd::QueueReset && listener.local.path().is_some() && event.at == at
            }
            (
                StepKind::Lost { .. } | StepKind::FirstServed { .. },
                Kind::Connection(_) | Kind::UnixEnded(_),
            )
            | (StepKind::Lost { .. }, Kind::Reset(_) | Kind::UnixRefused(_)) => {
                let ends = Ends::of_event(event.at, &event.event);
                ends.is_some_and(|ends| self.ends.contains(&ends)) && self.is_near(event.at)
            }
            _ => false,
        }
    }

    /// A client's port may be used again later.
    fn is_near(&self, at: BootNs) -> bool {
        match self.step.what {
            StepKind::Lost { .. } => {
                at.saturating_add(TOLD_WITHIN) >= self.step.at && at <= self.step.at + ONE_GO
            }
            _ => at.saturating_add(TICK) >= self.step.at,
        }
    }
}

fn ends(step: &Step, fact: &RestartFact, snapshot: &Snapshot) -> BTreeSet<Ends> {
    let own = snapshot.connections.iter().filter(|one| one.restart == Some(fact.id) && !one.outgoing);
    match &step.what {
        StepKind::Lost { outcome, task } => {
            let since = step.at.saturating_sub(TOLD_WITHIN);
            let during = since..=step.at.saturating_add(ONE_GO);
            let same = own.filter(|one| one.outcome == *outcome && one.process == *task);
            same.filter(|one| during.contains(&one.ended_at)).filter_map(Ends::of).collect()
        }
        StepKind::FirstServed { task } => {
            let by_it = own.filter(|one| one.process == Some(*task) && !one.outcome.is_lost());
            let after = by_it.filter(|one| one.ended_at.saturating_add(TICK) >= step.at);
            after.min_by_key(|one| one.ended_at).and_then(Ends::of).into_iter().collect()
        }
        _ => BTreeSet::new(),
    }
}
