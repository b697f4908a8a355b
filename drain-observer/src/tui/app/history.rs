//! What was shown: every frame of the last minute, then one of each ten seconds for half an hour.

use crate::correlate::{ServiceFact, ServiceId};
use crate::event::{BootNs, CountedBy};
use crate::tui::frame::Frame;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const SECOND: BootNs = 1_000_000_000;
/// How long every frame is kept.
const RECENT: BootNs = 60 * SECOND;
/// Of older frames one is kept for each of these.
const COARSE: BootNs = 10 * SECOND;
/// Nothing older is kept.
const KEPT: BootNs = 30 * 60 * SECOND;
/// Frames closer to each other than this do not count as two. With [`RECENT`] and [`KEPT`] this bounds their number.
const APART: BootNs = SECOND / 10;
/// The time over which a rate is taken: the kernel's counts are read about once a second.
const RATE_OVER: BootNs = 5 * SECOND;

/// Frames, and which of them is looked at.
#[derive(Debug, Default)]
pub(crate) struct History {
    frames: VecDeque<Arc<Frame>>,
    /// `None` = the latest.
    held: Option<Arc<Frame>>,
}

impl History {
    /// A new frame. One that is earlier than the last is a replay that went back: what came after it is forgotten.
    pub(crate) fn push(&mut self, frame: Arc<Frame>) {
        while self.frames.back().is_some_and(|last| last.at > frame.at) {
            self.frames.pop_back();
        }
        if self.held.as_ref().is_some_and(|held| held.at > frame.at) {
            self.held = None;
        }
        let len = self.frames.len();
        if len >= 2 && frame.at - self.frames[len - 2].at < APART {
            self.frames.pop_back();
        }
        let now = frame.at;
        self.frames.push_back(frame);
        let mut last = None;
        self.frames.retain(|frame| {
            let age = now - frame.at;
            let kept = age <= RECENT || (age <= KEPT && last != Some(frame.at / COARSE));
            if kept {
                last = Some(frame.at / COARSE);
            }
            kept
        });
    }

    /// What is looked at.
    pub(crate) fn shown(&self) -> Option<&Arc<Frame>> {
        self.held.as_ref().or(self.frames.back())
    }

    /// The latest.
    pub(crate) fn latest(&self) -> Option<&Arc<Frame>> {
        self.frames.back()
    }

    /// How long before the latest frame that is which is held, if one is.
    pub(crate) fn behind(&self) -> Option<BootNs> {
        let held = self.held.as_ref()?;
        Some(self.latest().map_or(0, |latest| latest.at.saturating_sub(held.at)))
    }

    /// Holds what is looked at.
    pub(crate) fn hold(&mut self) {
        self.held = self.shown().cloned();
    }

    /// Goes back to the latest.
    pub(crate) fn follow(&mut self) {
        self.held = None;
    }

    /// Looks at what was shown so many seconds before.
    pub(crate) fn back(&mut self, seconds: u64) {
        let Some(shown) = self.shown() else { return };
        let to = shown.at.saturating_sub(seconds * SECOND);
        self.held = self.until(to).or(self.frames.front()).cloned();
    }

    /// Looks at what was shown so many seconds after. The end is the latest frame, held.
    pub(crate) fn forward(&mut self, seconds: u64) {
        let Some(held) = &self.held else { return };
        let to = held.at.saturating_add(seconds * SECOND);
        let after = self.frames.partition_point(|frame| frame.at < to);
        self.held = self.frames.get(after).or(self.frames.back()).cloned();
    }

    /// Handshakes a second of a service as of a frame, taken over some seconds before it.
    pub(crate) fn rate(&self, frame: &Frame, service: &ServiceFact) -> Option<f64> {
        let (at, before) =
            self.established(frame.at.saturating_sub(RATE_OVER), service.id).or_else(|| {
                let first = self.frames.front()?;
                Some((first.at, established(first.service(service.id)?)))
            })?;
        let ns = frame.at.checked_sub(at).filter(|ns| *ns >= SECOND)?;
        let more = established(service).saturating_sub(before);
        Some(more as f64 * SECOND as f64 / ns as f64)
    }

    /// Handshakes of a service in each of the last `count` spans of two seconds before a frame, oldest first. A span
    /// of which nothing is known counts as none.
    pub(crate) fn accepts(&self, frame: &Frame, service: ServiceId, count: u16) -> Vec<u64> {
        let span = 2 * SECOND;
        let end = frame.at / span * span;
        let counts: Vec<Option<u64>> = (0..=u64::from(count))
            .rev()
            .map(|back| Some(self.established(end.checked_sub(back * span)?, service)?.1))
            .collect();
        let more = |pair: &[Option<u64>]| Some(pair[1]?.saturating_sub(pair[0]?));
        counts.windows(2).map(|pair| more(pair).unwrap_or(0)).collect()
    }

    fn established(&self, until: BootNs, service: ServiceId) -> Option<(BootNs, u64)> {
        let frame = self.until(until)?;
        Some((frame.at, established(frame.service(service)?)))
    }

    /// The last frame that is not later.
    fn until(&self, at: BootNs) -> Option<&Arc<Frame>> {
        let after = self.frames.partition_point(|frame| frame.at <= at);
        self.frames.get(after.checked_sub(1)?)
    }
}

/// The kernel counts per port: addresses that share one count together.
fn established(service: &ServiceFact) -> u64 {
    let counted: BTreeMap<CountedBy, u64> = service
        .listeners
        .iter()
        .map(|listener| (CountedBy::of(&listener.key), listener.established))
        .collect();
    counted.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::frames;

    fn times(history: &History) -> Vec<BootNs> {
        history.frames.iter().map(|frame| frame.at / SECOND).collect()
    }

    fn history(seconds: impl IntoIterator<Item = u64>) -> History {
        let mut history = History::default();
        seconds.into_iter().for_each(|at| history.push(frames::empty(at * SECOND)));
        history
    }

    #[test]
    fn old_frames_are_thinned_out_and_then_forgotten() {
        let history = history(1000..4000);
        let times = times(&history);
        assert_eq!(times.first(), Some(&2200));
        assert!(times.len() <= 61 + 180, "{}", times.len());
        assert_eq!(times[times.len() - 61..], (3939..4000).collect::<Vec<_>>());
        let mut crowd = History::default();
        (0..100_000).for_each(|at| crowd.push(frames::empty(at * SECOND / 1000)));
        assert!(crowd.frames.len() <= 800, "{}", crowd.frames.len());
    }

    #[test]
    fn what_is_held_stays() {
        let mut history = history(100..110);
        assert_eq!(history.behind(), None);
        history.back(3);
        assert_eq!(history.behind(), Some(3 * SECOND));
        (110..500).for_each(|at| history.push(frames::empty(at * SECOND)));
        assert_eq!(history.shown().map(|frame| frame.at), Some(106 * SECOND));
        history.forward(10);
        assert_eq!(history.shown().map(|frame| frame.at), Some(120 * SECOND), "thinned out");
        history.back(1000);
        assert_eq!(history.shown().map(|frame| frame.at), Some(100 * SECOND), "the first");
        history.follow();
        assert_eq!(history.shown().map(|frame| frame.at), Some(499 * SECOND));
    }

    #[test]
    fn a_replay_can_go_back() {
        let mut history = history([10, 20, 30]);
        history.back(5);
        history.push(frames::empty(15 * SECOND));
        assert_eq!(times(&history), [10, 15]);
        assert_eq!(history.behind(), None, "what was held is not past any more");
    }

    #[test]
    fn rates_are_of_the_last_seconds() {
        let mut history = History::default();
        for second in 0..20 {
            history.push(frames::serving((100 + second) * SECOND, second * 40));
        }
        let frame = history.latest().expect("a frame").clone();
        assert_eq!(history.rate(&frame, &frame.services[0]), Some(40.0));
        assert_eq!(history.accepts(&frame, frame.services[0].id, 3), [80, 80, 80]);
        assert_eq!(history.accepts(&frame, frame.services[0].id, 12)[..3], [0, 0, 0], "before the first");
    }
}
