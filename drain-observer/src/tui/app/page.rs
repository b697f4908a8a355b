//! The lines of screens that are text, made anew when what they show changes.

use super::App;
use super::screen::{Pane, Screen};
use crate::correlate::RestartFact;
use crate::tui::frame::Frame;
use crate::tui::text;
use crate::tui::theme::Theme;
use crate::tui::view::{self, connection, help, notes, restart, signals};
use ratatui::text::{Line, Span};
use std::ops::Range;

/// From this width on the curve and the losses stand side by side.
const WIDE: u16 = 100;

/// Lines, and those above them that stay when one scrolls.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Above.
    pub(crate) fixed: Vec<Line<'static>>,
    /// What scrolls.
    pub(crate) lines: Vec<Line<'static>>,
}

impl Page {
    /// Of the screen on top.
    pub(super) fn of(app: &App, frame: &Frame) -> Self {
        let (theme, width) = (app.theme, app.size.width);
        let lines = match &app.view.screen {
            Screen::Restart(id) => match frame.restart(*id) {
                Some(restart) => return Self::of_restart(app, frame, restart),
                None => vec![Line::raw(
                    "  the restart is not known at this moment: it had not begun, or was forgotten",
                )],
            },
            Screen::Connection(fact) => {
                let restart = fact.restart.and_then(|id| frame.restart(id)).map(AsRef::as_ref);
                connection::connection(fact, restart, &frame.clock, theme, width)
            }
            Screen::Notes => notes::notes(frame, theme, width),
            Screen::Help => help::help(theme, width),
            Screen::Services | Screen::Restarts(_) | Screen::Connections(_) => Vec::new(),
        };
        Self { fixed: Vec::new(), lines }
    }

    fn of_restart(app: &App, frame: &Frame, fact: &RestartFact) -> Self {
        let (theme, width, at, clock) = (app.theme, app.size.width, app.at(), &frame.clock);
        let service = frame.service(fact.service).map(AsRef::as_ref);
        let fixed = restart::headline(fact, service, at, clock, theme, width);
        let gap = Line::default;
        let lines = match app.view.pane {
            Pane::Overview => overview(app, frame, fact),
            Pane::Timeline => restart::timeline(fact, clock, theme, width),
            Pane::Generations => {
                let mut lines = restart::generations(fact, at, theme, width);
                lines.push(gap());
                lines.extend(restart::residual(fact, service, at, theme, width));
                lines
            }
            Pane::Signals => signals::signals(fact, theme, width),
            Pane::Findings => {
                let mut lines = restart::findings(fact, theme, width);
                lines.push(gap());
                lines.extend(restart::silence(fact, theme, width));
                lines
            }
        };
        Self { fixed, lines }
    }

    /// Lines that stay, in a body of this height: at most half of it.
    pub(crate) fn fixed_height(&self, body: u16) -> u16 {
        u16::try_from(self.fixed.len()).unwrap_or(u16::MAX).min(body / 2)
    }
}

/// The tabs of a restart's panes, and the columns that each takes: its title in brackets, and a gap.
pub(crate) fn tabs() -> impl Iterator<Item = (Pane, Range<u16>)> {
    Pane::ALL.into_iter().scan(0, |from, pane| {
        let columns = *from..*from + pane.title().len() as u16 + 3;
        *from = columns.end;
        Some((pane, columns))
    })
}

fn overview(app: &App, frame: &Frame, fact: &RestartFact) -> Vec<Line<'static>> {
    let (theme, width, at) = (app.theme, app.size.width, app.at());
    let service = frame.service(fact.service).map(AsRef::as_ref);
    let height = view::areas(app).body.height;
    let mut lines = restart::gantt(fact, service, at, theme, width, (height / 2).clamp(6, 16));
    let tall = (height / 3).clamp(5, 12);
    lines.push(Line::default());
    if width >= WIDE {
        let left = width / 2 - 1;
        let curve = restart::curve(fact, at, theme, left, tall);
        let losses = restart::losses(fact, theme, width - left - 2);
        lines.extend(beside(curve, losses, left, theme));
    } else {
        lines.extend(restart::losses(fact, theme, width));
        lines.push(Line::default());
        lines.extend(restart::curve(fact, at, theme, width, tall));
    }
    lines.push(Line::default());
    lines.extend(restart::findings(fact, theme, width));
    lines
}

/// Two columns of lines, the left one so wide.
fn beside(
    left: Vec<Line<'static>>,
    right: Vec<Line<'static>>,
    width: u16,
    theme: Theme,
) -> Vec<Line<'static>> {
    let rows = left.len().max(right.len());
    let mut right = right.into_iter();
    let mut left = left.into_iter();
    let row = |_| {
        let mut line = text::clip_line(left.next().unwrap_or_default(), usize::from(width), theme);
        let missing = usize::from(width + 2).saturating_sub(line.width());
        line.spans.push(Span::raw(" ".repeat(missing)));
        line.spans.extend(right.next().unwrap_or_default().spans);
        line
    };
    (0..rows).map(row).collect()
}
