//! The two clocks a fate is written down with.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds since boot, suspended time included: the clock the observer's `*_boot_ns` fields use.
pub fn boot_ns() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Nanoseconds since the Unix epoch.
pub fn wall_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock).expect("Linux has this clock");
    // Both clocks count forward from zero or later, so neither field is negative.
    now.tv_sec().unsigned_abs() * 1_000_000_000 + now.tv_nsec().unsigned_abs()
}
