//! Stub.
use crate::correlate::{ConnectionFact, RestartFact};
use crate::report::WallClock;
use crate::tui::theme::Theme;
use ratatui::text::Line;

pub(crate) fn connection(
    _: &ConnectionFact,
    _: Option<&RestartFact>,
    _: &WallClock,
    _: Theme,
    _: u16,
) -> Vec<Line<'static>> {
    Vec::new()
}
