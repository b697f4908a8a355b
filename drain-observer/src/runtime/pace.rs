//! How long to wait for the next round: urgent records wake the observer at once, the others wait for it.

use std::time::Duration;

use crate::event::BootNs;
use crate::kernel::Drained;

/// While events come.
const BUSY: Duration = Duration::from_millis(50);
/// While a few come, as on any host at rest.
const QUIET: Duration = Duration::from_millis(125);
/// So many in a round are a few.
const FEW: u64 = 16;
/// While none come.
const IDLE: Duration = Duration::from_millis(250);

pub(super) struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Pace(BUSY)
    }
}

impl Pace {
    /// How long to wait, given when the correlator wants to hear of time next.
    pub(super) fn wait(&self, due: Option<BootNs>, now: BootNs) -> Duration {
        let due = due.map_or(IDLE, |due| Duration::from_nanos(due.saturating_sub(now)));
        self.0.min(due)
    }

    /// Learns from a round.
    pub(super) fn learn(&mut self, drained: Drained, events: u64) {
        self.0 = match (drained, events) {
            (Drained::More, _) => Duration::ZERO,
            (Drained::Empty, 0) => (self.0 * 2).clamp(BUSY, IDLE),
            (Drained::Empty, ..FEW) => QUIET,
            (Drained::Empty, _) => BUSY,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_slows_down_when_nothing_happens() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait(None, 0), BUSY);
        (0..9).for_each(|_| pace.learn(Drained::Empty, 0));
        assert_eq!(pace.wait(None, 0), IDLE);
        pace.learn(Drained::Empty, 1);
        assert_eq!(pace.wait(None, 0), QUIET);
        pace.learn(Drained::Empty, FEW);
        assert_eq!(pace.wait(None, 0), BUSY);
        pace.learn(Drained::More, 4_096);
        assert_eq!(pace.wait(None, 0), Duration::ZERO);
    }

    #[test]
    fn a_deadline_is_kept() {
        let pace = Pace::default();
        assert_eq!(pace.wait(Some(7_000_000), 5_000_000), Duration::from_millis(2));
        assert_eq!(pace.wait(Some(7), 9), Duration::ZERO);
    }
}
