//! To which restart a loss rightly falls.

use crate::check::CLOCKS;
use crate::truth::{Client, End, Restart};
use drain_observer::correlate::Outcome;
use drain_observer::event::BootNs;

const MS: BootNs = 1_000_000;
const SECOND: BootNs = 1_000 * MS;
/// A new generation that nobody asks anything is waited for, for so long.
const UNASKED: BootNs = 9 * SECOND;
/// The correlator knows of a first response when its connection ends.
const KNOWN_LATER: BootNs = 16 * SECOND;

/// The restarts to which a loss may rightly fall, `None` = to none.
pub(crate) fn falls_to(restarts: &[Restart], client: &Client, counted: bool) -> Vec<Option<usize>> {
    let at = client.ended;
    let own = || (0..restarts.len()).rev().filter(|index| restarts[*index].service == client.service);
    let Some(closer) = client.closer.filter(|_| !counted) else {
        // Nobody closed it, or nothing was told of that: it falls to what went on then.
        let late = if counted { 100 * MS } else { CLOCKS };
        let Some(index) = own().find(|index| restarts[*index].began <= at + late) else { return vec![None] };
        let restart = &restarts[index];
        let sure = at >= restart.told + CLOCKS && !counted;
        return match (restart.end, restart.complete()) {
            (End::Down, _) if sure => vec![Some(index)],
            (End::Nothing, _) if at > restart.began + 62 * SECOND => vec![None],
            (End::Replaced, Some(complete)) if at <= complete.min(unasked(restart)) && sure => {
                vec![Some(index)]
            }
            (End::Replaced, Some(complete)) if at > complete + KNOWN_LATER => vec![None],
            _ => vec![Some(index), None],
        };
    };
    // What a process accepted and lost falls to the restart that it had to go in.
    let accepted_by_old = |restart: &Restart| {
        let before = |accepted: BootNs| restart.old_gone.is_none_or(|gone| accepted <= gone);
        restart.old.contains(&closer) && client.accepted.is_none_or(before)
    };
    if let Some(index) =
        own().find(|index| restarts[*index].began <= at && accepted_by_old(&restarts[*index]))
    {
        let restart = &restarts[index];
        let before = at <= restart.told + CLOCKS || client.left.is_some_and(|left| left < restart.began);
        return match restart.end {
            End::Nothing if at > restart.began + 62 * SECOND => vec![None],
            End::Nothing => vec![Some(index), None],
            _ if before => vec![Some(index), None],
            _ => vec![Some(index)],
        };
    }
    // A client that gave up may have waited for the new generation.
    let waited = |index: &usize| {
        let restart = &restarts[*index];
        let until = restart.first_served.map_or(BootNs::MAX, |served| served + KNOWN_LATER);
        restart.began <= at && client.established.is_some_and(|established| established < until)
    };
    let gave_up = client.outcomes.contains(&Outcome::GaveUp);
    let waited = own().find(|index| gave_up && restarts[*index].new.contains_key(&closer) && waited(index));
    waited.map_or_else(|| vec![None], |index| vec![Some(index), None])
}

/// When a restart may be thought to be over though the new generation has answered nobody: it is in place, and nobody is
/// known to wait for it.
fn unasked(restart: &Restart) -> BootNs {
    let born = restart.new.values().copied().min().unwrap_or(0);
    restart.old_gone.unwrap_or(0).max(born) + UNASKED
}
