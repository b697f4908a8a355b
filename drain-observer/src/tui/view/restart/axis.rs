//! Time from left to right, the same for the Gantt and the curve, so that what is above each other was at once.

use crate::correlate::RestartFact;
use crate::event::BootNs;
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::duration;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

const SECOND: BootNs = 1_000_000_000;
/// A restart in which nothing has happened for this many times as long as something did is shown with a bend.
const LONG: BootNs = 30;

/// Columns before the axis in a view so wide: for labels.
pub(super) fn label_columns(width: u16) -> usize {
    match width {
        ..50 => usize::from(width) / 3,
        50..100 => 19,
        _ => 30,
    }
}

/// The part of a line that stands for time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    started: BootNs,
    from: BootNs,
    until: BootNs,
    /// From this time and column on, time runs faster.
    bend: Option<(BootNs, usize)>,
    columns: usize,
    open: bool,
}

impl Axis {
    /// For a restart as of `at`, on so many columns.
    pub(super) fn new(fact: &RestartFact, at: BootNs, columns: usize) -> Self {
        let times = &fact.times;
        let moments = [times.listener_closed, times.old_gone, times.new_started, times.listening];
        let moments = moments.into_iter().chain([times.first_served, fact.ended]).flatten();
        let steps = fact.timeline.iter().map(|step| step.at);
        let last = moments.chain(steps).max().unwrap_or(fact.started).max(fact.started);
        let until = if fact.ended.is_none() { at.max(last) } else { last }.max(fact.started + SECOND / 10);
        let first = fact.timeline.first().map_or(fact.started, |step| step.at).min(fact.started);
        let busy = last.saturating_sub(first).max(SECOND);
        let long = until.saturating_sub(last) > busy.saturating_mul(LONG);
        let shown = if long { first.saturating_add(busy) } else { until };
        let from = first.saturating_sub((shown - first) / 25);
        let bend = long.then_some((shown, columns / 2));
        Self { started: fact.started, from, until, bend, columns, open: fact.ended.is_none() }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn until(&self) -> BootNs {
        self.until
    }

    /// The present is the last column.
    pub(super) fn open(&self) -> bool {
        self.open
    }

    /// Where a time is; what is outside is at the edge.
    pub(super) fn column(&self, at: BootNs) -> usize {
        let last = self.columns.saturating_sub(1);
        let at = at.clamp(self.from, self.until);
        let place = |from: BootNs, until: BootNs, first: usize, last: usize| {
            let share = u128::from(at - from) * (last - first) as u128 / u128::from((until - from).max(1));
            first + usize::try_from(share).unwrap_or(0)
        };
        match self.bend {
            Some((bend, column)) if at > bend => place(bend, self.until, column.min(last), last),
            Some((bend, column)) => place(self.from, bend, 0, column.min(last)),
            None => place(self.from, self.until, 0, last),
        }
    }

    /// The time at the right edge of a column.
    pub(super) fn time(&self, column: usize) -> BootNs {
        let last = self.columns.saturating_sub(1).max(1);
        let place = |from: BootNs, until: BootNs, first: usize, last: usize| {
            let share = u128::from(until - from) * (column + 1 - first).min(last - first) as u128;
            from + u64::try_from(share / ((last - first).max(1)) as u128).unwrap_or(0)
        };
        match self.bend {
            Some((bend, turn)) if column >= turn => place(bend, self.until, turn.min(last), last),
            Some((bend, turn)) => place(self.from, bend, 0, turn.min(last)),
            None => place(self.from, self.until, 0, last),
        }
    }

    /// Seconds since the beginning, written where they are, and the present.
    pub(super) fn scale(&self, theme: Theme) -> Row {
        let dim = theme.style(Role::Dim);
        let mut row = Row::new(self.columns);
        if let Some((_, column)) = self.bend {
            row.force(column, "~", dim);
        }
        if self.open {
            let now = format!("now {}", duration(self.until - self.started));
            row.force(self.columns.saturating_sub(now.len()), &now, theme.style(Role::Accent));
        }
        let linear = self.bend.map_or(self.until, |(bend, _)| bend);
        let width = self.bend.map_or(self.columns, |(_, column)| column);
        let step = nice(linear.saturating_sub(self.from), width / 9);
        let mut tick = 0;
        while self.started.saturating_add(tick) <= linear {
            row.text(self.column(self.started + tick), &mark(tick, step), dim);
            tick += step;
        }
        row
    }
}

/// A distance of marks so that there are at most `most` of them: 1, 2 or 5 times a power of ten below a minute, and
/// what divides hours above.
fn nice(span: BootNs, most: usize) -> BootNs {
    let least = span / (most.max(1) as u64);
    let small = (0..4).flat_map(|power| [1, 2, 5].map(|one| one * 10u64.pow(power) * SECOND / 100));
    let large = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440].map(|minutes| minutes * 60 * SECOND);
    let mut steps = small.filter(|step| *step < 60 * SECOND).chain(large);
    steps.find(|step| *step >= least).unwrap_or(least.max(1))
}

fn mark(tick: BootNs, step: BootNs) -> String {
    let seconds = tick as f64 / 1e9;
    match step {
        _ if tick == 0 => "0s".to_owned(),
        ..100_000_000 if seconds < 60.0 => format!("{seconds:.2}s"),
        ..SECOND if seconds < 60.0 => format!("{seconds:.1}s"),
        _ if seconds < 60.0 => format!("{seconds:.0}s"),
        _ => {
            let words = duration(tick);
            let round = words.strip_suffix("00s").or_else(|| words.strip_suffix("00m"));
            round.map_or(words.clone(), str::to_owned)
        }
    }
}

/// One line of cells, each of one column.
#[derive(Clone, Debug)]
pub(super) struct Row {
    cells: Vec<(char, Style)>,
}

impl Row {
    pub(super) fn new(columns: usize) -> Self {
        Self { cells: vec![(' ', Style::new()); columns] }
    }

    /// Fills columns, the last one included.
    pub(super) fn fill(&mut self, columns: std::ops::RangeInclusive<usize>, symbol: &str, style: Style) {
        let symbol = symbol.chars().next().unwrap_or(' ');
        let end = self.cells.len().min(columns.end().saturating_add(1));
        if let Some(cells) = self.cells.get_mut(*columns.start()..end) {
            cells.fill((symbol, style));
        }
    }

    /// Writes over what is there.
    pub(super) fn force(&mut self, column: usize, text: &str, style: Style) {
        for (cell, char) in self.cells.iter_mut().skip(column).zip(text.chars()) {
            *cell = (char, style);
        }
    }

    /// Writes where nothing but blanks are, with one of them on each side.
    pub(super) fn text(&mut self, column: usize, text: &str, style: Style) -> bool {
        let length = text.chars().count();
        let blank = |column: usize| self.cells.get(column).is_none_or(|(char, _)| *char == ' ');
        (column.saturating_sub(1)..=column + length).all(blank) && self.over(column, text, style, " ")
    }

    /// Writes where nothing but these symbols are. False where something else is.
    pub(super) fn over(&mut self, column: usize, text: &str, style: Style, symbols: &str) -> bool {
        let length = text.chars().count();
        let free = |column| {
            let cell: Option<&(char, Style)> = self.cells.get(column);
            cell.is_none_or(|(char, _)| symbols.contains(*char))
        };
        let fits =
            column + length <= self.cells.len() && (column.saturating_sub(1)..=column + length).all(free);
        if fits {
            self.force(column, text, style);
        }
        fits
    }

    /// With a label before it.
    pub(super) fn line(&self, label: Span<'static>) -> Line<'static> {
        let mut spans = vec![label];
        let mut run = String::new();
        let mut style = Style::new();
        for (char, of) in &self.cells {
            if *of != style && !run.is_empty() {
                spans.push(Span::styled(std::mem::take(&mut run), style));
            }
            style = *of;
            run.push(*char);
        }
        if !run.is_empty() {
            spans.push(Span::styled(run, style));
        }
        Line::from(spans)
    }
}
