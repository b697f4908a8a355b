//! The part of the observed time that a report is about: `--since` and `--until`.

use super::WallClock;
use super::model::Window;
use crate::correlate::{RestartFact, Snapshot};
use crate::event::BootNs;
use jiff::{SignedDuration, Timestamp};
use std::str::FromStr;
use thiserror::Error;

/// A moment as a user gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// RFC 3339.
    At(Timestamp),
    /// So many nanoseconds before the end of the observation.
    BeforeEnd(u64),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(duration) = text.parse::<SignedDuration>() {
            let ns = u64::try_from(duration.as_nanos());
            return ns
                .map(Self::BeforeEnd)
                .map_err(|_| "give a duration that is not negative, as 10m or 2h".into());
        }
        text.parse().map(Self::At).map_err(|_| {
            "give a time with its zone, as 2026-01-02T03:04:05Z, or a duration before the journal's end, as 90s, 10m \
             or 2h30m"
                .into()
        })
    }
}

/// Which part of the observed time is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From when on.
    pub since: Option<Moment>,
    /// Until when.
    pub until: Option<Moment>,
}

/// `--since` comes after `--until`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("--since ({since}) is later than --until ({until}), so nothing can lie between; swap them")]
pub struct Reversed {
    since: String,
    until: String,
}

/// A part of the observed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    observed: (BootNs, BootNs),
    since: BootNs,
    until: BootNs,
    pub(super) clipped: bool,
}

impl Part {
    pub(super) fn new(span: Span, snapshot: &Snapshot, clock: &WallClock) -> Result<Self, Reversed> {
        let observed = (snapshot.from.min(snapshot.at), snapshot.at);
        let resolve = |moment| match moment {
            Moment::At(wall) => clock.boot_ns(wall),
            Moment::BeforeEnd(ns) => observed.1.saturating_sub(ns),
        };
        let since = span.since.map_or(0, resolve);
        let until = span.until.map_or(BootNs::MAX, resolve);
        if since > until {
            let show = |boot_ns| clock.time(boot_ns).to_string();
            return Err(Reversed { since: show(since), until: show(until) });
        }
        Ok(Self { observed, since, until, clipped: span != Span::default() })
    }

    pub(super) fn contains(&self, at: BootNs) -> bool {
        !self.clipped || (self.since..=self.until).contains(&at)
    }

    /// Whether any of a restart lies within.
    pub(super) fn touches(&self, restart: &RestartFact) -> bool {
        let ended = restart.ended.unwrap_or(self.observed.1).max(restart.started);
        !self.clipped || (restart.started <= self.until && ended >= self.since)
    }

    /// Nothing of what was observed lies within.
    pub(super) fn is_outside(&self) -> bool {
        self.since > self.observed.1 || self.until < self.observed.0
    }

    pub(super) fn model(&self, clock: &WallClock) -> Window {
        let (first, last) = self.observed;
        let from = self.since.clamp(first, last);
        let until = self.until.clamp(first, last);
        Window {
            from: clock.time(from),
            until: clock.time(until),
            from_boot_ns: from,
            until_boot_ns: until,
            observed_from: clock.time(first),
            observed_until: clock.time(last),
            clipped: self.clipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn part(since: Option<&str>, until: Option<&str>) -> Result<Part, Reversed> {
        let parse = |text: Option<&str>| text.map(|text| text.parse().expect("a moment"));
        let span = Span { since: parse(since), until: parse(until) };
        Part::new(span, &fixture::lossy(), &WallClock::new(fixture::header().clock.wall_minus_boot_ns))
    }

    #[test]
    fn a_span_selects_by_time() {
        let began = fixture::BEGAN;
        let restart = &fixture::lossy().restarts[0];
        let all = part(None, None).expect("all");
        assert!(all.contains(0) && all.contains(BootNs::MAX) && all.touches(restart) && !all.clipped);
        let end = part(Some("9s"), None).expect("the end");
        assert!(!end.contains(began) && end.contains(began + 1_000_000_000) && end.touches(restart));
        let late = part(Some("2026-01-02T03:04:08Z"), None).expect("after the restart");
        assert!(!late.touches(restart) && !late.is_outside());
        let early = part(None, Some("2026-01-02T04:04:04.9+01:00")).expect("before the restart");
        assert!(!early.touches(restart) && !early.is_outside());
        assert!(part(Some("2026-01-03T00:00:00Z"), None).expect("later").is_outside());
        let reversed = part(Some("1s"), Some("2s")).expect_err("reversed").to_string();
        assert!(
            reversed.starts_with("--since (2026-01-02T03:04:14.000000000Z) is later than --until"),
            "{reversed}"
        );
    }

    #[test]
    fn moments_are_times_or_durations() {
        assert_eq!("10m".parse(), Ok(Moment::BeforeEnd(600_000_000_000)));
        assert_eq!("1h30m".parse(), Ok(Moment::BeforeEnd(5_400_000_000_000)));
        assert!("-10m".parse::<Moment>().expect_err("negative").contains("not negative"));
        for bad in ["", "yesterday", "2026-01-02T03:04:05", "12", "9999999999999999h"] {
            assert!(bad.parse::<Moment>().expect_err(bad).contains("2026-01-02T03:04:05Z"), "{bad}");
        }
    }
}
