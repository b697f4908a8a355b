//! All services at a glance.

use super::table::{self, Cell, Column};
use crate::correlate::{Outcome, ServiceFact, ServiceState, Verdict};
use crate::report::words;
use crate::tui::app::{App, lost};
use crate::tui::frame::Frame;
use crate::tui::text;
use crate::tui::theme::Role;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Name,
    State,
    Processes,
    Accepts,
    InFlight,
    Queue,
    Trend,
    Lost,
    Verdict,
}

const COLUMNS: [Column<What>; 9] = [
    Column::new(What::Name, "service", 16, 24, 0, false),
    Column::new(What::State, "state", 8, 0, 1, false),
    Column::new(What::Processes, "processes", 9, 13, 6, false),
    Column::new(What::Accepts, "connect/s", 9, 0, 4, true),
    Column::new(What::InFlight, "in flight", 9, 0, 5, true),
    Column::new(What::Queue, "queue/limit", 20, 0, 7, false),
    Column::new(What::Trend, "connect, 30s", 15, 0, 8, false),
    Column::new(What::Lost, "lost", 8, 30, 2, false),
    Column::new(What::Verdict, "last restart", 13, 12, 3, false),
];

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(frame) = app.shown() else { return };
    let columns = table::fit(&COLUMNS, area.width);
    let cell = |row: usize, what, width| match frame.services.get(row) {
        Some(service) => cell(app, frame, service, what, width),
        None => (String::new(), Role::Plain),
    };
    table::draw(&app.view().list, &columns, cell, area, buffer, app.theme());
}

fn cell(app: &App, frame: &Frame, service: &ServiceFact, what: What, width: u16) -> Cell {
    match what {
        What::Name => (text::safe(&service.name), Role::Plain),
        What::State => state(service.state),
        What::Processes => processes(frame, service),
        What::Accepts => {
            let rate = app.history().rate(frame, service);
            (rate.map_or("-".into(), |rate| format!("{rate:.1}")), Role::Plain)
        }
        What::InFlight => {
            let load = service.load.as_ref();
            (load.map_or("-".into(), |load| load.in_flight().to_string()), Role::Plain)
        }
        What::Queue => queue(app, service),
        What::Trend => {
            let accepts = app.history().accepts(frame, service.id, width);
            (app.theme().sparkline(&accepts, width), Role::Accent)
        }
        What::Lost => losses(service, usize::from(width)),
        What::Verdict => last_restart(frame, service, width),
    }
}

fn state(state: ServiceState) -> Cell {
    let role = match state {
        ServiceState::Serving => Role::Good,
        ServiceState::Draining => Role::Warning,
        ServiceState::Silent | ServiceState::Down => Role::Alert,
    };
    let word = match state {
        ServiceState::Serving | ServiceState::Draining => state.as_str().to_owned(),
        ServiceState::Silent | ServiceState::Down => state.as_str().to_uppercase(),
    };
    (word, role)
}

/// How many there are, and how many of an old generation are left.
fn processes(frame: &Frame, service: &ServiceFact) -> Cell {
    let goes_on = frame.last_restart(service.id).filter(|restart| restart.ended.is_none());
    let all = service.processes.len();
    let old = goes_on.map_or(0, |restart| restart.old_left().count());
    if goes_on.is_none() || old == 0 {
        return (all.to_string(), Role::Plain);
    }
    (format!("{} new, {old} old", all.saturating_sub(old)), Role::Old)
}

/// The fullest of its queues.
fn queue(app: &App, service: &ServiceFact) -> Cell {
    let share = |queue: u32, limit: u32| u64::from(queue) * 1_000_000 / u64::from(limit.max(1));
    let fullest = service.listeners.iter().max_by_key(|one| (share(one.queue, one.limit), one.limit));
    let Some(fullest) = fullest else { return ("-".into(), Role::Plain) };
    let (queue, limit) = (u64::from(fullest.queue), u64::from(fullest.limit));
    let role = if queue * 2 > limit { Role::Warning } else { Role::Queue };
    (format!("{} {queue}/{limit}", app.theme().bar(queue, limit, 8)), role)
}

/// In all, and by outcome as far as there is room.
fn losses(service: &ServiceFact, width: usize) -> Cell {
    let total = lost(service);
    if total == 0 {
        return ("0".into(), Role::Plain);
    }
    let mut by: Vec<(Outcome, u64)> = service
        .counts
        .iter()
        .map(|(outcome, count)| (*outcome, *count))
        .filter(|(one, _)| one.is_lost())
        .collect();
    by.sort_by_key(|(outcome, count)| (std::cmp::Reverse(*count), *outcome));
    let mut words = total.to_string();
    for (place, (outcome, count)) in by.iter().enumerate() {
        let before = if place == 0 { ": " } else { ", " };
        let more = format!("{before}{count} {}", outcome.as_str());
        if text::width(&words) + text::width(&more) > width {
            break;
        }
        words.push_str(&more);
    }
    (words, Role::Bad)
}

fn last_restart(frame: &Frame, service: &ServiceFact, width: u16) -> Cell {
    let Some(restart) = frame.last_restart(service.id) else { return ("none seen".into(), Role::Dim) };
    if restart.ended.is_none() {
        return ("UNDER WAY".into(), Role::Caution);
    }
    let (mut word, role) = verdict(restart.verdict);
    let with_time = format!("{word} {}", super::times::clock(&frame.clock, restart.started));
    if text::width(&with_time) <= usize::from(width) {
        word = with_time;
    }
    (word, role)
}

/// A verdict as it is shown in lists.
pub(super) fn verdict(verdict: Verdict) -> Cell {
    let role = match verdict {
        Verdict::Clean => Role::Good,
        Verdict::Lossy | Verdict::Down => Role::Bad,
        Verdict::NotRestarted | Verdict::Stuck | Verdict::Inconclusive => Role::Warning,
    };
    (words::verdict(verdict).to_owned(), role)
}
