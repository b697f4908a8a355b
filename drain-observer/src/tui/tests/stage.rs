//! The screens before a recorded or made-up host, and a user who presses keys.

use super::frames;
use crate::correlate::Config;
use crate::event::BootNs;
use crate::journal::Reader;
use crate::report::Player;
use crate::selection::Selection;
use crate::tui::app::{App, Effect};
use crate::tui::engine::{Ask, Feed, Message};
use crate::tui::frame::{Frame, Listed, Playback, Scope, Source};
use crate::tui::theme::{Colors, Theme};
use crate::tui::view;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Rect, Size};
use std::path::Path;
use std::time::Duration;

pub(super) const COLOR: Theme = Theme { colors: Colors::Sixteen, ascii: false };
pub(super) const ASCII: Theme = Theme { colors: Colors::None, ascii: true };

/// A puma whose workers left before its listener was closed.
pub(super) const LOSSY: &[u8] = include_bytes!("journals/lossy-puma-term.journal");
/// A haproxy whose old processes stay.
pub(super) const RESIDUAL: &[u8] = include_bytes!("journals/residual-haproxy-usr2.journal");
/// A puma that listens while it boots.
pub(super) const SILENT: &[u8] = include_bytes!("journals/silent-puma-usr2.journal");

const SECOND: BootNs = 1_000_000_000;

/// The screens.
pub(super) struct Stage {
    pub(super) app: App,
    pub(super) now: Duration,
    /// What was asked for and not done here.
    pub(super) effects: Vec<Effect>,
    pub(super) host: Host,
}

/// A recorded host.
pub(super) struct Host {
    journal: Option<&'static [u8]>,
    scope: Option<Scope>,
    at: BootNs,
    replay: bool,
}

impl Stage {
    /// Before a host of which nothing is known yet.
    pub(super) fn new(theme: Theme, width: u16, height: u16) -> Self {
        let app = App::new(theme, Size { width, height });
        let host = Host { journal: None, scope: None, at: 0, replay: false };
        Self { app, now: Duration::from_secs(100), effects: Vec::new(), host }
    }

    /// Before a recorded host, as if it were live.
    pub(super) fn live(journal: &'static [u8], theme: Theme, width: u16, height: u16) -> Self {
        let mut stage = Self::new(theme, width, height);
        stage.host.journal = Some(journal);
        stage
    }

    /// Before a journal that is played back.
    pub(super) fn replay(journal: &'static [u8], theme: Theme, width: u16, height: u16) -> Self {
        let mut stage = Self::live(journal, theme, width, height);
        stage.host.replay = true;
        stage
    }

    /// Time goes on to so many seconds after the first restart of the journal began, in frames a second apart.
    pub(super) fn until(mut self, seconds: f64) -> Self {
        let (first, began, last) = bounds(self.host.journal.expect("a journal"));
        let target = began.saturating_add_signed((seconds * SECOND as f64) as i64).min(last);
        self.host.at = self.host.at.max(first);
        while self.host.at < target {
            self.host.at = (self.host.at + SECOND).min(target);
            self.now += Duration::from_secs(1);
            self.show();
        }
        self
    }

    /// Time goes on to the end of the journal.
    pub(super) fn until_the_end(self) -> Self {
        self.until(1e9)
    }

    /// A frame of the recorded host as it is now.
    pub(super) fn show(&mut self) {
        let frame = self.host.frame();
        self.frame(frame);
    }

    /// A frame made by hand.
    pub(super) fn frame(&mut self, frame: Frame) {
        self.app.handle(Message::Frame(Box::new(frame)), self.now);
        self.obey();
    }

    /// Connections, with a frame made by hand.
    pub(super) fn list(&mut self, frame: Frame, listed: Listed) {
        self.frame(Frame { listed: Some(listed), ..frame });
    }

    /// Keys, as their names or characters, with spaces between them.
    pub(super) fn keys(mut self, keys: &str) -> Self {
        keys.split(' ').for_each(|key| self.press(key));
        self
    }

    /// Types a text.
    pub(super) fn types(mut self, text: &str) -> Self {
        text.chars().for_each(|char| self.key(KeyCode::Char(char), KeyModifiers::NONE));
        self
    }

    fn press(&mut self, name: &str) {
        let code = match name {
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" => KeyCode::Tab,
            "Backtab" => KeyCode::BackTab,
            "Backspace" => KeyCode::Backspace,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "PgDn" => KeyCode::PageDown,
            "PgUp" => KeyCode::PageUp,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "Space" => KeyCode::Char(' '),
            "Ctrl-C" => return self.key(KeyCode::Char('c'), KeyModifiers::CONTROL),
            "Ctrl-Z" => return self.key(KeyCode::Char('z'), KeyModifiers::CONTROL),
            name => KeyCode::Char(name.chars().next().expect("a key")),
        };
        self.key(code, KeyModifiers::NONE);
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.input(Event::Key(KeyEvent::new(code, modifiers)));
    }

    /// A click with the left button.
    pub(super) fn click(mut self, column: u16, row: u16) -> Self {
        let kind = MouseEventKind::Down(MouseButton::Left);
        self.input(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
        self
    }

    /// Something the user does.
    pub(super) fn input(&mut self, event: Event) {
        self.app.handle(Message::Input(event), self.now);
        self.obey();
    }

    /// The engine answers when it is asked for connections; the rest is kept.
    fn obey(&mut self) {
        for effect in self.app.take_effects() {
            match effect {
                Effect::Ask(Ask::List(scope)) if self.host.journal.is_some() => {
                    self.host.scope = scope;
                    self.show();
                }
                other => self.effects.push(other),
            }
        }
    }

    /// The text on the screen.
    pub(super) fn screen(&self) -> String {
        let buffer = self.buffer();
        let columns = usize::from(buffer.area.width);
        let row = |cells: &[ratatui::buffer::Cell]| {
            let text: String = cells.iter().map(|cell| cell.symbol()).collect();
            text.trim_end().to_owned()
        };
        buffer.content.chunks(columns.max(1)).map(row).collect::<Vec<_>>().join("\n")
    }

    /// What is on the screen.
    pub(super) fn buffer(&self) -> Buffer {
        let Size { width, height } = self.app.size();
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        view::draw(&self.app, &mut buffer);
        buffer
    }
}

impl Host {
    fn frame(&self) -> Frame {
        let journal = self.journal.expect("a journal");
        let (first, _, last) = bounds(journal);
        let mut player = player(journal);
        let mut feed = Feed::new(player.header(), &Selection::default());
        while player.peek().expect("it can be read").is_some_and(|at| at <= self.at) {
            player.step().expect("it can be read");
        }
        feed.set_clock(player.clock());
        let playback =
            Playback { file: "puma.journal".into(), from: first, until: last, playing: true, speed: 5 };
        let source = if self.replay { Source::Replay(playback) } else { Source::Live };
        feed.frame(player.correlator(), self.at, source, self.scope)
    }
}

/// Times of the first event, of the first restart's beginning and of the last event.
fn bounds(journal: &'static [u8]) -> (BootNs, BootNs, BootNs) {
    let mut player = player(journal);
    let mut first = None;
    let mut last = 0;
    while let Some(at) = player.step().expect("it can be read") {
        first.get_or_insert(at);
        last = at.max(last);
    }
    let snapshot = player.finish().snapshot;
    let began = snapshot.restarts.first().expect("a restart").started;
    (first.expect("an event"), began, last)
}

fn player(journal: &'static [u8]) -> Player<Reader<&'static [u8]>> {
    Player::new(Reader::new(journal, Path::new("journal")).expect("a journal"), Config::default())
}

/// A user before one frame made by hand.
pub(super) fn before(frame: Frame, theme: Theme, width: u16, height: u16) -> Stage {
    let mut stage = Stage::new(theme, width, height);
    stage.frame(frame);
    stage
}

/// A user before the list of the connections that a restart lost.
pub(super) fn before_connections(count: u16) -> Stage {
    let mut stage = before(frames::lossy(), COLOR, 120, 40).keys("Enter Enter Enter");
    stage.list(frames::lossy(), frames::lost(count));
    stage
}
