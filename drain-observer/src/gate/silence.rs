//! How long nobody listened, and nobody accepted, against what is tolerated.

use super::decide::{Found, Policy};
use crate::correlate::{RestartFact, RestartKind, SilenceFact};
use crate::event::BootNs;
use crate::selection::Selection;
use std::time::Duration;

/// Holds the silence at each selected place of a restart against the limits. Too long for sure is a failure; where
/// only a bound is known, and it is the bound that is too long, that is a doubt: a failure would be a false alarm
/// whenever the first response merely took its time, and a pass might be false as well.
pub(super) fn check(restart: &RestartFact, selection: &Selection, policy: &Policy, found: &mut Found) {
    for place in restart.silence.iter().filter(|place| selection.matches_place(&place.listener)) {
        if let Some(limit) = policy.max_gap {
            gap(restart, place, limit, found);
        }
        if let Some(limit) = policy.max_silence {
            silence(restart, place, limit, found);
        }
    }
}

fn gap(restart: &RestartFact, place: &SilenceFact, limit: Duration, found: &mut Found) {
    let bounds = Bounds { least: place.not_listening_at_least, most: place.not_listening };
    bounds.hold(restart, place, "nobody listened", ("--max-gap", limit), found);
}

fn silence(restart: &RestartFact, place: &SilenceFact, limit: Duration, found: &mut Found) {
    // Who was told something and did nothing went on accepting.
    let unaccepted = place.not_accepting.as_ref().filter(|_| restart.kind != RestartKind::Unknown);
    let longest = unaccepted.map_or(0, |it| it.until.saturating_sub(it.from));
    let surely = unaccepted.map_or(0, |it| if it.exact { longest } else { it.at_least });
    let what = match (place.not_listening, unaccepted) {
        (0, _) => "nobody accepted",
        (_, None) => "nobody listened",
        (_, Some(_)) => "nobody listened or accepted",
    };
    let bounds = Bounds {
        least: place.not_listening_at_least.saturating_add(surely),
        most: place.not_listening.saturating_add(longest),
    };
    bounds.hold(restart, place, what, ("--max-silence", limit), found);
}

/// How long something lasted.
struct Bounds {
    least: BootNs,
    most: BootNs,
}

impl Bounds {
    /// Holds it against a limit.
    fn hold(
        &self,
        restart: &RestartFact,
        place: &SilenceFact,
        what: &str,
        (flag, limit): (&str, Duration),
        found: &mut Found,
    ) {
        let (least, most) = (Duration::from_nanos(self.least), Duration::from_nanos(self.most));
        if most <= limit {
            return;
        }
        let (place_is, so_far, limit_is) = (place.listener.local, so_far(place), short(limit));
        if least <= limit {
            found.doubts.push(format!(
                "{what} at {place_is} for at most {} and at least {}{so_far}: that may be more than {flag} {limit_is}",
                seconds(most),
                seconds(least)
            ));
            return;
        }
        let took = if least == most {
            seconds(most)
        } else {
            format!("at least {} and at most {}", seconds(least), seconds(most))
        };
        let reason = format!("{what} at {place_is} for {took}{so_far}, more than {flag} {limit_is}");
        conclude(restart, place, reason, found);
    }
}

/// That nobody has come to listen is concluded from not having seen it.
fn conclude(restart: &RestartFact, place: &SilenceFact, reason: String, found: &mut Found) {
    if !place.listens && restart.events_lost > 0 {
        found.doubts.push(format!("{reason}, as far as was seen"));
    } else {
        found.failures.push(reason);
    }
}

fn so_far(place: &SilenceFact) -> &'static str {
    if place.listens { "" } else { " so far" }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}s", duration.as_secs_f64())
}

/// As it may have been given on the command line.
fn short(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}
