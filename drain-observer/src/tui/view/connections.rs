//! A list of connections.

use super::table::{self, Cell, Column};
use super::times;
use crate::correlate::{ConnectionFact, Outcome, ServiceId};
use crate::tui::app::App;
use crate::tui::frame::{Frame, Scope};
use crate::tui::text;
use crate::tui::theme::Role;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Ended,
    Since,
    Outcome,
    Peer,
    Process,
    Age,
    Received,
    Written,
    Evidence,
}

const COLUMNS: [Column<What>; 9] = [
    Column::new(What::Ended, "ended", 13, 0, 0, false),
    Column::new(What::Since, "restart", 9, 0, 4, true),
    Column::new(What::Outcome, "outcome", 12, 0, 1, false),
    Column::new(What::Peer, "peer", 21, 0, 2, false),
    Column::new(What::Process, "by", 14, 8, 3, false),
    Column::new(What::Age, "open for", 8, 0, 5, true),
    Column::new(What::Received, "received", 9, 0, 7, true),
    Column::new(What::Written, "written", 9, 0, 8, true),
    Column::new(What::Evidence, "evidence", 20, 200, 6, false),
];

pub(super) fn draw(app: &App, scope: Scope, area: Rect, buffer: &mut Buffer) {
    let Some(frame) = app.shown() else { return };
    let Some(listed) = app.listed(scope) else {
        let waiting = Line::raw("  asking for the connections");
        return super::lines(&[Line::default(), waiting], area, buffer, app.theme());
    };
    let columns = table::fit(&COLUMNS, area.width);
    let cell = |row: usize, what, _| match listed.rows.get(row) {
        Some(fact) => cell(frame, fact, what),
        None => (String::new(), Role::Plain),
    };
    table::draw(&app.view().list, &columns, cell, area, buffer, app.theme());
    if app.view().list.rows.is_empty() {
        let none = if listed.rows.is_empty() { "  none" } else { "  none of them fits the filter" };
        let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        super::lines(&[Line::raw(none)], below, buffer, app.theme());
    }
}

/// What is listed.
pub(super) fn title(app: &App, scope: Scope, service: &impl Fn(ServiceId) -> String) -> String {
    const WHICH: &str = "Connections lost or of unknown fate";
    match scope {
        Scope::All => WHICH.into(),
        Scope::Service(id) => format!("{WHICH}, {}", service(id)),
        Scope::Restart(id) => {
            let restart = app.shown().and_then(|frame| Some((frame, frame.restart(id)?)));
            restart.map_or_else(
                || WHICH.into(),
                |(frame, restart)| {
                    let began = times::clock(&frame.clock, restart.started);
                    format!("{WHICH}, {} at {began}", service(restart.service))
                },
            )
        }
    }
}

fn cell(frame: &Frame, fact: &ConnectionFact, what: What) -> Cell {
    match what {
        What::Ended => (times::exact(&frame.clock, fact.ended_at), Role::Plain),
        What::Since => {
            let restart = fact.restart.and_then(|id| frame.restart(id));
            let since = |started| (i128::from(fact.ended_at) - i128::from(started)) as f64 / 1e9;
            (restart.map_or("-".into(), |restart| format!("{:+.3}s", since(restart.started))), Role::Plain)
        }
        What::Outcome => {
            let role = if fact.outcome == Outcome::Unknown { Role::Warning } else { Role::Bad };
            (fact.outcome.as_str().to_owned(), role)
        }
        What::Peer => (fact.peer.to_string(), Role::Plain),
        What::Process => {
            let process = fact.process.as_ref();
            (process.map_or("-".into(), |task| format!("{} ({})", task.comm, task.pid)), Role::Plain)
        }
        What::Age => {
            let open = fact.established_at.map(|from| fact.ended_at.saturating_sub(from));
            (open.map_or("-".into(), times::span), Role::Plain)
        }
        What::Received => (counted(fact.bytes_received), Role::Plain),
        What::Written => (counted(fact.bytes_written), Role::Plain),
        What::Evidence => (fact.evidence.first().map(|why| text::safe(why)).unwrap_or_default(), Role::Dim),
    }
}

fn counted(bytes: Option<u64>) -> String {
    bytes.map_or("-".into(), |bytes| bytes.to_string())
}
