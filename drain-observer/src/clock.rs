//! The only reader of clocks.

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

use crate::event::BootNs;
use std::time::Duration;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// `CLOCK_BOOTTIME` now: the time that the probes put on their records.
pub fn boot_ns() -> BootNs {
    u64::try_from(ns(clock_gettime(ClockId::Boottime))).unwrap_or(0)
}

/// `CLOCK_REALTIME - CLOCK_BOOTTIME` in ns, to about a microsecond.
pub fn wall_minus_boot_ns() -> i64 {
    // The reading that was interrupted least: the wall clock is read between two readings of the other.
    let reading = || {
        let before = ns(clock_gettime(ClockId::Boottime));
        let wall = ns(clock_gettime(ClockId::Realtime));
        let after = ns(clock_gettime(ClockId::Boottime));
        let took = after.saturating_sub(before);
        (took, wall.saturating_sub(before.saturating_add(took / 2)))
    };
    (0..5).map(|_| reading()).min().map_or(0, |(_, offset)| offset)
}

/// `CLOCK_MONOTONIC` now, in microseconds: the time by which systemd orders what services tell it.
pub fn monotonic_us() -> u64 {
    u64::try_from(ns(clock_gettime(ClockId::Monotonic)) / 1_000).unwrap_or(0)
}

/// CPU time that the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    Duration::from_nanos(u64::try_from(ns(clock_gettime(ClockId::ThreadCPUTime))).unwrap_or(0))
}

/// Ticks per second (the kernel's HZ), in which TCP keeps its times: the coarse clocks advance once a tick.
pub fn ticks_per_second() -> u32 {
    let tick = ns(clock_getres(ClockId::MonotonicCoarse)).max(1);
    u32::try_from((NS_PER_SECOND + tick / 2) / tick).unwrap_or(u32::MAX).max(1)
}

fn ns(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(NS_PER_SECOND).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree_with_each_other() {
        let (first, second) = (boot_ns(), boot_ns());
        assert!(first > 0 && first <= second);
        let wall = i64::try_from(boot_ns()).expect("a time since boot") + wall_minus_boot_ns();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_nanos();
        assert!(now.abs_diff(u128::try_from(wall).expect("a time after 1970")) < 1_000_000_000);
    }

    #[test]
    fn the_tick_is_one_that_kernels_are_built_with() {
        assert!([24, 32, 48, 64, 100, 128, 250, 256, 300, 1000, 1024, 1200].contains(&ticks_per_second()));
    }
}
