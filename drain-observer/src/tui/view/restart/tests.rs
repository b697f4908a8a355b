//! The parts of several restarts, at the widths of real terminals.

use super::*;
use crate::correlate::{RestartFact, ServiceFact};
use crate::event::BootNs;
use crate::report::{WallClock, fixture};
use crate::tui::theme::{Colors, Theme};
use ratatui::text::Line;

pub(super) const UNICODE: Theme = Theme { colors: Colors::Sixteen, ascii: false };
pub(super) const ASCII: Theme = Theme { colors: Colors::None, ascii: true };

fn clock() -> WallClock {
    WallClock::new(fixture::header().clock.wall_minus_boot_ns)
}

/// Every part below the other, as a screen without borders would have them.
fn parts(fact: &RestartFact, service: Option<&ServiceFact>, at: BootNs, theme: Theme, width: u16) -> String {
    let clock = clock();
    let mut lines: Vec<Line<'static>> = headline(fact, service, at, &clock, theme, width);
    let mut add = |mut part: Vec<Line<'static>>| {
        if !part.is_empty() {
            lines.push(Line::default());
            lines.append(&mut part);
        }
    };
    add(gantt(fact, service, at, &clock, theme, width, 14));
    add(curve(fact, service, at, &clock, theme, width, 8));
    for part in [residual, losses, findings, silence, timeline, generations] {
        add(part(fact, service, at, &clock, theme, width));
    }
    let over = lines.iter().find(|line| line.width() > usize::from(width));
    assert!(over.is_none(), "wider than {width}: {over:?}");
    let text: Vec<String> = lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect();
    text.join("\n")
}

#[test]
fn peek() {
    let lossy = fixture::lossy();
    for (theme, width) in [(UNICODE, 80), (ASCII, 60), (UNICODE, 120)] {
        println!("{}\n", parts(&lossy.restarts[0], Some(&lossy.services[0]), lossy.at, theme, width));
    }
}
