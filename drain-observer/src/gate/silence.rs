//! How long nobody listened, and nobody accepted, against what is tolerated.

use super::decide::{Found, Policy};
use crate::correlate::{RestartFact, RestartKind, SilenceFact};
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
    let took = Duration::from_nanos(place.not_listening);
    if took <= limit {
        return;
    }
    let (so_far, place_is) = (so_far(place), place.listener.local);
    let limit_is = short(limit);
    let surely = Duration::from_nanos(place.not_listening_at_least);
    if surely <= limit {
        found.doubts.push(format!(
            "nobody listened at {place_is} for at most {} and at least {}{so_far}: that may be more than --max-gap \
             {limit_is}",
            seconds(took),
            seconds(surely)
        ));
        return;
    }
    let took = if surely == took {
        seconds(took)
    } else {
        format!("at least {} and at most {}", seconds(surely), seconds(took))
    };
    let reason = format!("nobody listened at {place_is} for {took}{so_far}, more than --max-gap {limit_is}");
    conclude(restart, place, reason, found);
}

fn silence(restart: &RestartFact, place: &SilenceFact, limit: Duration, found: &mut Found) {
    // Who was told something and did nothing went on accepting.
    let unaccepted = place.not_accepting.as_ref().filter(|_| restart.kind != RestartKind::Unknown);
    let longest = unaccepted.map_or(0, |it| it.until.saturating_sub(it.from));
    let surely = unaccepted.map_or(0, |it| if it.exact { longest } else { it.at_least });
    let most = Duration::from_nanos(place.not_listening.saturating_add(longest));
    let least = Duration::from_nanos(place.not_listening_at_least.saturating_add(surely));
    if most <= limit {
        return;
    }
    let what = match (place.not_listening, unaccepted) {
        (0, _) => "nobody accepted",
        (_, None) => "nobody listened",
        (_, Some(_)) => "nobody listened or accepted",
    };
    let place_is = place.listener.local;
    let so_far = so_far(place);
    let limit_is = short(limit);
    if least <= limit {
        found.doubts.push(format!(
            "{what} at {place_is} for at most {} and at least {}: that may be more than --max-silence {limit_is}",
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
    conclude(
        restart,
        place,
        format!("{what} at {place_is} for {took}{so_far}, more than --max-silence {limit_is}"),
        found,
    );
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
