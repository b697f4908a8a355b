//! Whether everything was seen.

use crate::correlate::{LOST_BEFORE, OUT_OF_ORDER, Snapshot};
use crate::event::{self, HookState};
use crate::journal::Stats;
use crate::report::model::{Bound, Completeness, JournalHealth, LostEvents};
use crate::report::words::plural;

pub(super) fn build(snapshot: &Snapshot, journal: Option<&Stats>) -> Completeness {
    let missing = missing(snapshot, journal);
    let lost_events = snapshot.lost_events.iter().map(|((kind, reason), count)| LostEvents {
        kind: kind.clone(),
        reason: reason.clone(),
        count: *count,
    });
    let bounds = snapshot.bounds.iter().map(|(bound, hits)| Bound { bound: bound.clone(), hits: *hits });
    let complete = missing.is_empty();
    let remarks = snapshot.hooks.iter().filter_map(remark).chain(snapshot.notes.iter().cloned());
    Completeness {
        matched: true,
        complete,
        lost_events: lost_events.filter(|lost| lost.count > 0).collect(),
        bounds: bounds.filter(|bound| bound.hits > 0).collect(),
        hooks: snapshot.hooks.iter().map(Into::into).collect(),
        notes: missing.into_iter().chain(remarks).collect(),
        journal: journal.map(|stats| JournalHealth {
            events: stats.events,
            broken_lines: stats.broken_lines,
            unknown_events: stats.unknown_events,
            tail_cut: stats.tail_cut,
        }),
    }
}

/// Why the report is not complete, one sentence each.
fn missing(snapshot: &Snapshot, journal: Option<&Stats>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(stats) = journal {
        journal_notes(stats, &mut notes);
    }
    match snapshot.attached_at {
        None => notes.push("the probes were never seen to be in place: what happened before may be missing".into()),
        Some(_) if snapshot.ended || journal.is_none_or(|stats| stats.followed) => {}
        Some(_) => notes.push(
            "the recording did not end in good order, or goes on: what happened after its last event is not known"
                .into(),
        ),
    }
    for ((kind, reason), count) in &snapshot.lost_events {
        if *count > 0 && reason == OUT_OF_ORDER {
            notes.push(format!(
                "{count} {} told more than an hour after others of a later time: times here are not to be relied upon",
                plural(*count, "event is", "events are")
            ));
        } else if *count > 0 && reason == LOST_BEFORE {
            notes.push(format!(
                "{count} {kind} {} lost shortly before the first event here: who lived then may not be known",
                plural(*count, "event was", "events were")
            ));
        } else if *count > 0 {
            notes.push(format!(
                "{count} {kind} {} lost ({reason}): counts are lower bounds",
                plural(*count, "event was", "events were")
            ));
        }
    }
    for (bound, hits) in &snapshot.bounds {
        if *hits > 0 {
            notes.push(format!(
                "the bound on {bound} was reached {hits} {}: something was forgotten",
                plural(*hits, "time", "times")
            ));
        }
    }
    for hook in snapshot.hooks.iter().filter(|hook| hook.required && hook.state == HookState::Missing) {
        notes.push(format!("the hook {} ({}) is missing{}", hook.name, hook.purpose, because(hook)));
    }
    notes
}

fn journal_notes(stats: &Stats, notes: &mut Vec<String>) {
    if stats.tail_cut {
        notes.push("the journal ends within a line: its writer was cut off, or is still writing".into());
    }
    if stats.broken_lines > 0 {
        let lines = plural(
            stats.broken_lines,
            "line of the journal is damaged and was",
            "lines of the journal are damaged and were",
        );
        notes.push(format!("{} {lines} left out", stats.broken_lines));
    }
    if stats.unknown_events > 0 {
        notes.push(format!(
            "{} {} left out, of a kind that this version does not know: use a newer drain-observer",
            stats.unknown_events,
            plural(stats.unknown_events, "event was", "events were")
        ));
    }
}

/// A hook that tells less than it could, without which the report is complete nevertheless.
fn remark(hook: &event::Hook) -> Option<String> {
    let what = match hook.state {
        HookState::Degraded => "tells less than on other kernels",
        HookState::Missing if !hook.required => "is not to be had",
        _ => return None,
    };
    Some(format!("the hook {} ({}) {what}{}", hook.name, hook.purpose, because(hook)))
}

fn because(hook: &event::Hook) -> String {
    hook.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
}
