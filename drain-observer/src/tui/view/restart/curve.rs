//! Stub.
use crate::correlate::{RestartFact, ServiceFact};
use crate::event::BootNs;
use crate::report::WallClock;
use crate::tui::theme::Theme;
use ratatui::text::Line;

pub(crate) fn curve(
    _: &RestartFact,
    _: Option<&ServiceFact>,
    _: BootNs,
    _: &WallClock,
    _: Theme,
    _: u16,
    _height: u16,
) -> Vec<Line<'static>> {
    Vec::new()
}
