//! Who lived when: a lane for each process and listener, marks for what happened to it, milestones below.

use super::axis::{Axis, Row, label_columns};
use super::lanes::{self, Lane};
use super::listeners;
use crate::correlate::{RestartFact, ServiceFact};
use crate::event::{BootNs, signal_name};
use crate::tui::text::{clip_line, fit};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::precise;
use ratatui::text::{Line, Span};

/// The lanes of a restart, at most `height` lines.
pub(crate) fn gantt(
    fact: &RestartFact,
    service: Option<&ServiceFact>,
    at: BootNs,
    theme: Theme,
    width: u16,
    height: u16,
) -> Vec<Line<'static>> {
    let labels = label_columns(width);
    let axis = Axis::new(fact, at, usize::from(width).saturating_sub(labels));
    let height = usize::from(height);
    let scale = axis.scale(theme).line(label("", Role::Dim, labels, theme));
    let mut below = listeners::rows(fact, service, &axis, theme, labels);
    below.extend(milestones(fact, &axis, theme, labels));
    below.push(legend(fact, theme, width));
    // The processes come first; milestones and legend go where there is no room.
    below.truncate(height.saturating_sub(1) * 2 / 3);
    let room = height.saturating_sub(1 + below.len());
    let mut lines = vec![scale];
    lines.extend(lanes::of(fact, room).iter().map(|lane| draw(lane, fact, &axis, theme, labels)));
    lines.extend(below);
    lines.truncate(height);
    lines.into_iter().map(|line| clip_line(line, usize::from(width), theme)).collect()
}

/// A label in its column.
pub(super) fn label(text: &str, role: Role, columns: usize, theme: Theme) -> Span<'static> {
    Span::styled(fit(text, columns.saturating_sub(1), theme) + " ", theme.style(role))
}

fn draw(lane: &Lane<'_>, fact: &RestartFact, axis: &Axis, theme: Theme, labels: usize) -> Line<'static> {
    let mut row = Row::new(axis.columns());
    match lane {
        Lane::Process(process) => {
            let symbols = theme.symbols();
            let lane_symbols = [symbols.old, symbols.new, " "].concat();
            for life in process.lives() {
                let symbol = if life.new { symbols.new } else { symbols.old };
                let role = if life.new { Role::New } else { Role::Old };
                let until = life.until.unwrap_or(axis.until());
                row.fill(axis.column(life.from)..=axis.column(until), symbol, theme.style(role));
            }
            exit(&mut row, process, axis, theme);
            signals(&mut row, process, fact, axis, theme, &lane_symbols);
            if let Some(at) = process.replaced_program(fact.started) {
                // Beside a signal that was at the same place.
                let column = axis.column(at);
                let accent = theme.style(Role::Accent);
                let _ = (column..column + 8).any(|column| row.over(column, "exec", accent, &lane_symbols));
            }
        }
        Lane::Folded(folded) => {
            let role = if folded.old { Role::Old } else { Role::New };
            let most = folded.members.len() as u64;
            for column in 0..axis.columns() {
                let living = folded.living(axis.time(column)) as u64;
                row.force(column, &theme.level(living, most).to_string(), theme.style(role));
            }
        }
    }
    if axis.open() {
        now(&mut row, axis, theme);
    }
    let role = if lane.is_old() { Role::Old } else { Role::New };
    row.line(label(&lane.label(labels), role, labels, theme))
}

pub(super) fn now(row: &mut Row, axis: &Axis, theme: Theme) {
    row.force(axis.columns().saturating_sub(1), theme.symbols().now, theme.style(Role::Accent));
}

/// How the process ended and what that lost: behind the end, or before it where there is no room.
fn exit(row: &mut Row, process: &lanes::Process<'_>, axis: &Axis, theme: Theme) {
    let member = process.last();
    let (Some(at), Some((status, signal))) = (member.ended, member.exit) else { return };
    let how = if signal == 0 { format!("exit {status}") } else { short_name(signal.into()) };
    let text = if member.lost > 0 { format!("{how}, {} lost", member.lost) } else { how };
    let role = if member.lost > 0 || (signal == 0 && status != 0) { Role::Bad } else { Role::Plain };
    let style = theme.style(role);
    let symbols = theme.symbols();
    let column = axis.column(at);
    row.force(column, symbols.cross, style);
    let around = [symbols.old, symbols.new, symbols.cross].concat();
    let before = column.checked_sub(text.chars().count() + 1);
    let _ = row.over(column + 2, &text, style, " ")
        || before.is_some_and(|before| row.over(before, &text, style, &around));
}

fn signals(
    row: &mut Row,
    process: &lanes::Process<'_>,
    fact: &RestartFact,
    axis: &Axis,
    theme: Theme,
    over: &str,
) {
    let mark = theme.symbols().down;
    for signal in fact.signals.iter().filter(|signal| signal.target.pid == process.pid()) {
        let repeats = if signal.repeats > 0 { format!(" x{}", signal.repeats + 1) } else { String::new() };
        let ignored = if signal.ignored { " ignored" } else { "" };
        let name = short_name(signal.signal);
        let style = theme.style(if signal.internal { Role::Plain } else { Role::Accent });
        let column = axis.column(signal.at);
        for text in [format!("{mark}{name}{repeats}{ignored}"), format!("{mark}{name}"), mark.to_owned()] {
            if row.over(column, &text, style, over) {
                break;
            }
        }
    }
}

fn short_name(signal: u32) -> String {
    let name = signal_name(signal);
    name.strip_prefix("SIG").map(str::to_owned).unwrap_or(name)
}

/// What the restart reached, and when: in as many rows as it takes.
fn milestones(fact: &RestartFact, axis: &Axis, theme: Theme, labels: usize) -> Vec<Line<'static>> {
    let times = &fact.times;
    let mut reached: Vec<(BootNs, &str, Role)> = [
        (times.last_accept, "last accept", Role::Old),
        (times.old_gone, "drained", Role::Old),
        (times.listening, "listening", Role::New),
        (times.first_served, "first served", Role::New),
    ]
    .into_iter()
    .filter_map(|(at, what, role)| Some((at?, what, role)))
    .collect();
    reached.sort_by_key(|(at, ..)| *at);
    let mark = theme.symbols().up;
    let mut rows: Vec<Row> = Vec::new();
    for (at, what, role) in reached {
        let after = match at.checked_sub(fact.started) {
            Some(after) => precise(after),
            None => format!("-{}", precise(fact.started - at)),
        };
        let column = axis.column(at);
        let right = format!("{mark} {what} {after}");
        let left = format!("{what} {after} {mark}");
        let style = theme.style(role);
        let place = |row: &mut Row| {
            let before = (column + 1).checked_sub(left.chars().count());
            row.text(column, &right, style) || before.is_some_and(|before| row.text(before, &left, style))
        };
        if !rows.iter_mut().any(place) {
            let mut row = Row::new(axis.columns());
            if place(&mut row) {
                rows.push(row);
            }
        }
    }
    let name = |number| if number == 0 { "milestones" } else { "" };
    let line = |(number, row): (usize, Row)| row.line(label(name(number), Role::Dim, labels, theme));
    rows.into_iter().enumerate().map(line).collect()
}

fn legend(fact: &RestartFact, theme: Theme, width: u16) -> Line<'static> {
    let gap = if width < 80 { " " } else { "  " };
    let symbols = theme.symbols();
    let dim = theme.style(Role::Dim);
    let silent = fact.silence.iter().any(|silence| silence.not_accepting.is_some());
    let mut parts = vec![
        (symbols.old, "old", Role::Old),
        (symbols.new, "new", Role::New),
        (symbols.down, "signal", Role::Accent),
        (symbols.cross, "end", Role::Plain),
        (symbols.listening, "listening", Role::Good),
    ];
    if silent {
        parts.push((symbols.silent, "nobody accepts", Role::Warning));
    }
    if fact.ended.is_none() {
        parts.push((symbols.now, "now", Role::Accent));
    }
    let spans = parts.into_iter().flat_map(|(symbol, word, role)| {
        [Span::styled(symbol, theme.style(role)), Span::styled(format!(" {word}{gap}"), dim)]
    });
    Line::from(spans.collect::<Vec<_>>())
}
