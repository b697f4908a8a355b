//! From nanoseconds since boot to wall-clock time and back. Both come from files, so everything saturates.

use super::model::Time;
use crate::event::BootNs;
use jiff::Timestamp;

/// The wall clock as it was set at each time of an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// From when on, and wall minus boot time from then on; ascending, never empty.
    anchors: Vec<(BootNs, i64)>,
}

impl WallClock {
    /// A clock that is never set.
    pub fn new(wall_minus_boot_ns: i64) -> Self {
        Self { anchors: vec![(0, wall_minus_boot_ns)] }
    }

    /// The clock was set. Later than every setting before, or it is taken to be.
    pub fn set(&mut self, at: BootNs, wall_minus_boot_ns: i64) {
        let last = self.anchors.last().map_or(0, |(last, _)| *last);
        self.anchors.push((at.max(last), wall_minus_boot_ns));
    }

    /// Wall-clock time in the notation of the report.
    pub fn time(&self, boot_ns: BootNs) -> Time {
        Time(format!("{:.9}", self.timestamp(boot_ns)))
    }

    /// Wall-clock time.
    pub fn timestamp(&self, boot_ns: BootNs) -> Timestamp {
        let after = self.anchors.partition_point(|(from, _)| *from <= boot_ns);
        let offset = self.anchors[after.saturating_sub(1)].1;
        let wall = i128::from(boot_ns) + i128::from(offset);
        Timestamp::from_nanosecond(wall).unwrap_or(if wall < 0 { Timestamp::MIN } else { Timestamp::MAX })
    }

    /// The last moment that had this wall-clock time, or would have had it.
    pub fn boot_ns(&self, wall: Timestamp) -> BootNs {
        let boot = |offset: i64| wall.as_nanosecond() - i128::from(offset);
        let fits = |&(from, offset): &(BootNs, i64)| boot(offset) >= i128::from(from);
        let offset = self.anchors.iter().copied().rfind(fits).unwrap_or(self.anchors[0]).1;
        BootNs::try_from(boot(offset).max(0)).unwrap_or(BootNs::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_rfc_3339_with_nine_digits() {
        let clock = WallClock::new(1_767_323_045_000_000_000);
        assert_eq!(clock.time(7).to_string(), "2026-01-02T03:04:05.000000007Z");
        assert_eq!(clock.boot_ns("2026-01-02T03:04:06Z".parse().expect("a time")), 1_000_000_000);
        assert_eq!(clock.boot_ns("2026-01-02T03:04:04Z".parse().expect("a time")), 0, "before boot");
    }

    #[test]
    fn a_clock_that_was_set_counts_from_then_on() {
        let mut clock = WallClock::new(1000);
        clock.set(500, 0);
        assert_eq!(clock.timestamp(499).as_nanosecond(), 1499);
        assert_eq!(clock.timestamp(500).as_nanosecond(), 500);
        assert_eq!(clock.boot_ns(Timestamp::from_nanosecond(600).expect("a time")), 600);
        assert_eq!(clock.boot_ns(Timestamp::from_nanosecond(1100).expect("a time")), 1100);
        assert_eq!(clock.boot_ns(Timestamp::from_nanosecond(200).expect("a time")), 0);
    }

    proptest! {
        #[test]
        fn every_number_has_a_time(boot in any::<u64>(), offset in any::<i64>(), at in any::<u64>(), then in any::<i64>()) {
            let mut clock = WallClock::new(offset);
            clock.set(at, then);
            prop_assert!(clock.time(boot).0.ends_with('Z'));
            let _ = clock.boot_ns(clock.timestamp(boot));
        }
    }
}
