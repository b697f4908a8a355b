//! Steps of a timeline as evidence.

use crate::correlate::facts::{Outcome, RestartFact, Step, StepKind};
use crate::event::ListenerKey;

/// So many steps are evidence enough for one finding.
const ENOUGH: usize = 32;

/// Indices of the steps that are wanted, the first of them where there are many.
pub(super) fn steps(fact: &RestartFact, wanted: impl Fn(&Step) -> bool) -> Vec<usize> {
    let steps = fact.timeline.iter().enumerate();
    steps.filter(|(_, step)| wanted(step)).map(|(index, _)| index).take(ENOUGH).collect()
}

/// Whether a step is the signal to a process.
pub(super) fn is_signal(step: &Step, signal: u32, target: u32) -> bool {
    matches!(&step.what, StepKind::Signal(sent) if sent.signal == signal && sent.target.pid == target)
}

/// Whether a step is the end of one of the old generation's processes that are `wanted`.
pub(super) fn is_old_exit(step: &Step, wanted: impl Fn(u32) -> bool) -> bool {
    matches!(&step.what, StepKind::Exited { task, old: true, .. } if wanted(task.pid))
}

/// Whether a step is a loss of this kind.
pub(super) fn is_lost(step: &Step, wanted: &[Outcome]) -> bool {
    matches!(&step.what, StepKind::Lost { outcome, .. } if wanted.contains(outcome))
}

/// Whether a step is the close of the last listening socket of a place.
pub(super) fn is_last_close(step: &Step, key: &ListenerKey) -> bool {
    matches!(&step.what, StepKind::ListenerClosed { listener, left: 0, .. } if listener == key)
}

/// Whether a step opens a listening socket at a place.
pub(super) fn is_open(step: &Step, key: &ListenerKey) -> bool {
    matches!(&step.what, StepKind::ListenerOpened { listener, .. } if listener == key)
}

/// Whether a step is the new generation's first response.
pub(super) fn is_first_served(step: &Step) -> bool {
    matches!(step.what, StepKind::FirstServed { .. })
}
