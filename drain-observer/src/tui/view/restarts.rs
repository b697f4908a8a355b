//! A list of restarts.

use super::table::{self, Cell, Column};
use super::{services, times};
use crate::correlate::RestartFact;
use crate::report::words;
use crate::tui::app::App;
use crate::tui::frame::Frame;
use crate::tui::text;
use crate::tui::theme::Role;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Began,
    Service,
    Kind,
    Verdict,
    Lost,
    Took,
    Cause,
}

const COLUMNS: [Column<What>; 7] = [
    Column::new(What::Began, "began", 9, 0, 0, false),
    Column::new(What::Service, "service", 14, 18, 3, false),
    Column::new(What::Kind, "kind", 8, 0, 4, false),
    Column::new(What::Verdict, "verdict", 13, 0, 1, false),
    Column::new(What::Lost, "lost", 5, 0, 2, true),
    Column::new(What::Took, "took", 7, 0, 5, true),
    Column::new(What::Cause, "cause", 20, 200, 6, false),
];

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(frame) = app.shown() else { return };
    let columns = table::fit(&COLUMNS, area.width);
    let cell = |row: usize, what, _| match frame.restarts.get(row) {
        Some(restart) => cell(app, frame, restart, what),
        None => (String::new(), Role::Plain),
    };
    table::draw(&app.view().list, &columns, cell, area, buffer, app.theme());
}

fn cell(app: &App, frame: &Frame, restart: &RestartFact, what: What) -> Cell {
    match what {
        What::Began => (times::clock(&frame.clock, restart.started), Role::Plain),
        What::Service => {
            let service = frame.service(restart.service);
            (service.map_or("forgotten".into(), |service| text::safe(&service.name)), Role::Plain)
        }
        // The first word of it.
        What::Kind => {
            let kind = words::kind(restart.kind);
            let word = kind.split_once(" (").map_or("unknown", |(word, _)| word);
            (word.to_owned(), Role::Plain)
        }
        What::Verdict if restart.ended.is_none() => ("UNDER WAY".into(), Role::Caution),
        What::Verdict => services::verdict(restart.verdict),
        What::Lost => {
            let lost = restart.lost();
            (lost.to_string(), if lost > 0 { Role::Bad } else { Role::Plain })
        }
        What::Took => {
            let until = restart.ended.unwrap_or(app.at());
            (times::span(until.saturating_sub(restart.started)), Role::Plain)
        }
        What::Cause => (text::safe(&words::cause(&restart.cause)), Role::Plain),
    }
}
