//! Times as the screens show them.

use crate::event::BootNs;
use crate::report::WallClock;

/// Time of day, UTC, in seconds.
pub(super) fn clock(clock: &WallClock, at: BootNs) -> String {
    clock.timestamp(at).strftime("%H:%M:%SZ").to_string()
}

/// Time of day, UTC, in milliseconds.
pub(super) fn exact(clock: &WallClock, at: BootNs) -> String {
    clock.timestamp(at).strftime("%H:%M:%S%.3fZ").to_string()
}

/// A span as people say it, in one or two units.
pub(super) fn span(ns: BootNs) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..10 => format!("{:.1}s", ns as f64 / 1e9),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        const SECOND: BootNs = 1_000_000_000;
        let spans = [0, SECOND / 4, 59 * SECOND, 61 * SECOND, 3661 * SECOND, 90_000 * SECOND].map(span);
        assert_eq!(spans, ["0.0s", "0.2s", "59s", "1m01s", "1h01m", "1d01h"]);
        assert!(span(BootNs::MAX).len() < 12);
    }
}
