//! A terminal that is too small.

use crate::tui::app::App;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;

/// The smallest that will do, in columns and lines.
const LEAST: Size = Size { width: 60, height: 15 };

pub(super) fn is_too_small(size: Size) -> bool {
    size.width < LEAST.width || size.height < LEAST.height
}

pub(super) fn draw(app: &App, buffer: &mut Buffer) {
    let size = app.size();
    let lines = [
        format!("{}x{} is too small:", size.width, size.height),
        format!("make it {}x{}", LEAST.width, LEAST.height),
        "q quits".to_owned(),
    ];
    for (line, y) in lines.iter().zip(0..size.height) {
        buffer.set_stringn(
            0,
            y,
            line,
            usize::from(size.width),
            app.theme().style(crate::tui::theme::Role::Plain),
        );
    }
}
