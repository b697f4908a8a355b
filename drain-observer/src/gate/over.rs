//! Whether there is anything left to wait for.

use super::scope::Scope;
use crate::correlate::{RELOAD_SHOWS_WITHIN, RestartFact, RestartId, RestartKind, Snapshot, Verdict};
use crate::event::BootNs;
use crate::selection::Selection;
use std::collections::BTreeMap;

/// When each restart was last heard of.
pub type News = BTreeMap<RestartId, BootNs>;

/// Whether, `command_ended` being when the command did, every restart of the selected services is over and nothing
/// more came of it for `settle`. One that has come to nothing is given the time that a reload takes to show.
pub fn is_over(
    snapshot: &Snapshot,
    selection: &Selection,
    news: &News,
    command_ended: BootNs,
    settle: BootNs,
) -> bool {
    let since = |moment: BootNs| snapshot.at.saturating_sub(moment);
    let over = |restart: &RestartFact| {
        let heard = news.get(&restart.id).copied().unwrap_or(0).max(restart.started);
        match (restart.ended, restart.verdict) {
            (Some(ended), _) => since(heard.max(ended)) >= settle && !leaves_somebody(restart),
            (None, Verdict::NotRestarted) => {
                since(heard.max(command_ended)) >= settle.saturating_add(RELOAD_SHOWS_WITHIN)
            }
            (None, _) => false,
        }
    };
    since(command_ended) >= settle && Scope::new(snapshot, selection).restarts().all(over)
}

/// Another restart took over, and processes of this one's old generation are still there: they may yet leave.
fn leaves_somebody(restart: &RestartFact) -> bool {
    restart.kind != RestartKind::Unknown && restart.old_left().next().is_some()
}
