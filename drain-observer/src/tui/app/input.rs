//! From keys and clicks to commands.

use super::keys::{self, Command};
use super::screen::Screen;
use super::{App, tabs};
use crate::tui::view;
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Size};

/// Longest filter.
const MAX_FILTER: usize = 200;
/// Rows that the wheel moves by.
const WHEEL: usize = 3;

impl App {
    /// A key, a click, a new size.
    pub(super) fn input(&mut self, event: Event) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                self.touched = Some(self.now);
                self.notice = None;
                self.key(key);
            }
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Resize(width, height) => self.size = Size { width, height },
            _ => {}
        }
    }

    fn key(&mut self, key: KeyEvent) {
        if let Some(command) = keys::command(key, self.place(), self.is_replay()) {
            self.command(command);
        } else if let KeyCode::Char(char) = key.code
            && self.is_writing()
            && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
            && self.view.list.filter.len() < MAX_FILTER
        {
            self.view.list.filter.push(char);
            self.stale = true;
        }
    }

    fn mouse(&mut self, mouse: MouseEvent) {
        let at = Position { x: mouse.column, y: mouse.row };
        match mouse.kind {
            MouseEventKind::ScrollUp => self.wheel(Command::Up),
            MouseEventKind::ScrollDown => self.wheel(Command::Down),
            MouseEventKind::Down(MouseButton::Left) => self.click(at),
            _ => return,
        }
        self.touched = Some(self.now);
    }

    fn wheel(&mut self, command: Command) {
        for _ in 0..WHEEL {
            self.command(command);
        }
    }

    fn click(&mut self, at: Position) {
        if let Some(row) = self.row_at(at) {
            if row == self.view.list.selected {
                self.command(Command::Open);
            } else {
                self.select(row);
            }
        } else if matches!(self.view.screen, Screen::Restart(_)) && view::areas(self).title.contains(at) {
            let clicked = tabs().find(|(_, columns)| columns.contains(&at.x));
            if let Some((pane, _)) = clicked {
                self.view.pane = pane;
                self.view.scroll = 0;
            }
        }
    }
}
