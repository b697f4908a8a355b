//! What is to be thought of a restart. A pure function of its state and the time.

use super::facts::{Cause, Verdict};
use super::limits::Config;
use super::restart::Restart;
use crate::event::BootNs;

/// Signals that ask for a reload or upgrade, not for an end: HUP, USR1, USR2.
const RELOAD_SIGNALS: [u32; 3] = [1, 10, 12];
/// What a reload signal does shows within this time.
pub(crate) const RELOAD_SHOWS_WITHIN: BootNs = 2_000_000_000;

/// The verdict as of `now`, and why, in one sentence.
pub(crate) fn of(
    restart: &Restart,
    now: BootNs,
    ended_watching: bool,
    incomplete: Option<&str>,
    config: &Config,
) -> (Verdict, String) {
    let lost = restart.lost();
    // Who is there, or gone, is concluded from reports of births and ends.
    let all_seen = restart.lives_lost == 0;
    if all_seen && nobody_left(restart) {
        return (Verdict::Down, "the old generation is gone and nothing has taken its place".into());
    }
    if lost > 0 {
        let plural = if lost == 1 { "connection was" } else { "connections were" };
        return (Verdict::Lossy, format!("{lost} {plural} lost"));
    }
    let elapsed = now.saturating_sub(restart.started);
    let left = restart.old_left();
    let past_deadline = restart.ended.is_none() && elapsed > config.deadline;
    if all_seen && past_deadline && restart.has_effect() && left > 0 {
        return (
            Verdict::Stuck,
            format!(
                "{left} {} of the old generation still there after {}",
                processes(left),
                seconds(elapsed)
            ),
        );
    }
    let ignored = matches!(&restart.cause, Cause::Signal(signal) if signal.is_ignored());
    // That nothing came of it is concluded from what was not seen.
    let swallowed = swallowed(restart, elapsed, config);
    let seen = restart.events_lost == 0 && !restart.members_unsure;
    if let Some(reason) = swallowed.clone().filter(|_| ignored || seen) {
        return (Verdict::NotRestarted, reason);
    }
    if restart.events_lost > 0 {
        return (Verdict::Inconclusive, format!("{} events were lost around it", restart.events_lost));
    }
    if swallowed.is_some() {
        let reason =
            "who was there when it began is not known for sure: events about processes were lost before";
        return (Verdict::Inconclusive, reason.into());
    }
    if let Some(reason) = incomplete {
        return (Verdict::Inconclusive, reason.to_owned());
    }
    if restart.ended.is_none() && ended_watching {
        let what = if left > 0 {
            format!("{left} {} of the old generation had not ended", processes(left))
        } else {
            "the new generation had not been seen to serve".to_owned()
        };
        return (Verdict::Inconclusive, format!("observation ended before the restart did: {what}"));
    }
    if restart.ended.is_none() {
        return (Verdict::Inconclusive, "still under way, nothing lost so far".into());
    }
    (Verdict::Clean, "nothing was lost".into())
}

fn nobody_left(restart: &Restart) -> bool {
    restart.new_living() == 0
        && !restart.superseded
        && !restart.old.is_empty()
        && restart.old.iter().all(|member| member.fact.ended.is_some())
}

/// Why it is thought that nothing came of a signal that asked for a restart, `elapsed` after it.
pub(crate) fn swallowed(restart: &Restart, elapsed: BootNs, config: &Config) -> Option<String> {
    if restart.has_effect() {
        return None;
    }
    let Cause::Signal(signal) = &restart.cause else { return None };
    let what = crate::event::signal_name(signal.signal);
    let who = format!("{} (pid {})", signal.target.comm, signal.target.pid);
    if signal.is_ignored() {
        return Some(format!("{who} ignores {what}"));
    }
    let reload = RELOAD_SIGNALS.contains(&signal.signal);
    if restart.ended.is_some()
        || (reload && elapsed >= RELOAD_SHOWS_WITHIN)
        || elapsed >= config.effect_within
    {
        // USR1 and HUP make many servers open their log files anew, and nothing else.
        let logs = match signal.signal {
            1 | 10 => "; if it is to make it reopen its logs, that is as it should be",
            _ => "",
        };
        return Some(format!(
            "{who} got {what} and went on as before for {}: same process, same program, same workers, same listeners{logs}",
            seconds(elapsed)
        ));
    }
    None
}

fn processes(count: usize) -> &'static str {
    if count == 1 { "process" } else { "processes" }
}

fn seconds(ns: BootNs) -> String {
    format!("{}.{:01} s", ns / 1_000_000_000, ns / 100_000_000 % 10)
}
