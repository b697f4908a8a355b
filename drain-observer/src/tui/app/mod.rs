//! The state of the screens. It changes by messages and by time, and what it wants done in the world it says as
//! [`Effect`]s; drawing only reads it.

mod commands;
mod history;
mod input;
pub(crate) mod keys;
mod page;
mod rows;
mod screen;

pub(crate) use history::History;
pub(crate) use page::{Page, tabs};
use rows::Facts;
pub(crate) use rows::{lost, orders};
pub(crate) use screen::{List, Pane, Screen, View};

use super::engine::{Ask, Message};
use super::frame::{Frame, Listed, Scope, Source};
use super::theme::Theme;
use super::view;
use crate::correlate::{RestartFact, RestartId};
use crate::event::BootNs;
use crate::report::Report;
use ratatui::layout::{Position, Size};
use ratatui::text::Line;
use std::sync::Arc;
use std::time::Duration;

/// A restart that begins comes to the front if no key was touched for so long.
const UNTOUCHED: Duration = Duration::from_secs(3);
/// How long the user is told something.
const TOLD: Duration = Duration::from_secs(10);

/// What the state wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Ask the engine.
    Ask(Ask),
    /// Write a report of one restart into a file.
    Save(Box<Report>),
    /// Copy a report of one restart in words.
    Copy(Box<Report>),
    /// Go to the background.
    Suspend,
    /// End.
    Quit,
}

/// The state.
#[derive(Debug)]
pub(crate) struct App {
    theme: Theme,
    size: Size,
    history: History,
    /// What is on the screen.
    view: View,
    /// What is below it, the lowest first.
    below: Vec<View>,
    /// The connections that came last.
    listed: Option<Listed>,
    /// The filter as it was before it was being written.
    writing: Option<String>,
    /// What the user is told, and until when.
    notice: Option<(String, Duration)>,
    /// What the engine said last, before there was a frame.
    waiting: String,
    now: Duration,
    /// When the latest frame came.
    arrived: Duration,
    touched: Option<Duration>,
    /// The last restart of the latest frame.
    seen: Option<RestartId>,
    /// The connections that the engine was asked for.
    asked: Option<Scope>,
    /// A restart to be exported once its connections are there.
    pending: Option<(RestartId, Export)>,
    /// The next frame is that of a restart which was jumped to.
    jumped: bool,
    effects: Vec<Effect>,
    /// The rows of the list on top may be others.
    stale: bool,
    dirty: bool,
    header: Vec<Line<'static>>,
    page: Page,
}

/// Where an export goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Export {
    File,
    Clipboard,
}

impl App {
    /// With nothing to show yet.
    pub(crate) fn new(theme: Theme, size: Size) -> Self {
        let mut app = Self {
            theme,
            size,
            history: History::default(),
            view: View::new(Screen::Services),
            below: Vec::new(),
            listed: None,
            writing: None,
            notice: None,
            waiting: "waiting for the first facts".into(),
            now: Duration::ZERO,
            arrived: Duration::ZERO,
            touched: None,
            seen: None,
            asked: None,
            pending: None,
            jumped: false,
            effects: Vec::new(),
            stale: true,
            dirty: true,
            header: Vec::new(),
            page: Page::default(),
        };
        app.refresh();
        app
    }

    /// Something came, at a time since the start.
    pub(crate) fn handle(&mut self, message: Message, now: Duration) {
        self.now = now;
        match message {
            Message::Input(event) => self.input(event),
            Message::Frame(frame) => self.frame(*frame),
            Message::Notice(text) => {
                self.waiting.clone_from(&text);
                self.tell(text);
            }
            Message::Suspend => self.effects.push(Effect::Suspend),
            // Whoever runs the loop ends it.
            Message::Ended(_) => {}
        }
        self.refresh();
    }

    /// Time went on.
    pub(crate) fn tick(&mut self, now: Duration) {
        let before = self.at();
        self.now = now;
        if self.notice.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.notice = None;
            self.dirty = true;
        }
        if self.at() != before {
            self.refresh();
        }
    }

    /// Tells the user something.
    pub(crate) fn tell(&mut self, text: impl Into<String>) {
        self.notice = Some((text.into(), self.now + TOLD));
        self.dirty = true;
    }

    /// What it wants done since it was last asked.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether it looks different from when it was last asked.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Have everything drawn anew.
    pub(crate) fn set_size(&mut self, size: Size) {
        self.size = size;
        self.refresh();
    }

    pub(crate) fn theme(&self) -> Theme {
        self.theme
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// The facts on the screen.
    pub(crate) fn shown(&self) -> Option<&Arc<Frame>> {
        self.history.shown()
    }

    /// The moment on the screen: of live facts that are not held, now.
    pub(crate) fn at(&self) -> BootNs {
        let Some(frame) = self.shown() else { return 0 };
        let goes_on = frame.source == Source::Live && self.history.behind().is_none();
        // Whole seconds, so that the screen changes no more often than what it counts.
        let more = if goes_on { self.now.saturating_sub(self.arrived).as_secs() } else { 0 };
        frame.at.saturating_add(more.saturating_mul(1_000_000_000))
    }

    /// The screen on top.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The connections that came last, if they are the ones of this scope.
    pub(crate) fn listed(&self, scope: Scope) -> Option<&Listed> {
        self.listed.as_ref().filter(|listed| listed.scope == scope)
    }

    pub(crate) fn place(&self) -> keys::Places {
        if self.writing.is_some() { keys::WRITING } else { self.view.screen.place() }
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.history.latest().is_some_and(|frame| frame.source != Source::Live)
    }

    pub(crate) fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|(text, _)| text.as_str())
    }

    /// Why there is nothing to see yet.
    pub(crate) fn waiting(&self) -> &str {
        &self.waiting
    }

    pub(crate) fn header(&self) -> &[Line<'static>] {
        &self.header
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    fn frame(&mut self, mut frame: Frame) {
        // One list is enough: what a moment of the past did not have yet is told by its time.
        let same = match (&self.listed, frame.listed.take()) {
            (Some(before), Some(now))
                if before.scope == now.scope && Arc::ptr_eq(&before.rows, &now.rows) =>
            {
                true
            }
            (_, Some(now)) => {
                self.listed = Some(now);
                false
            }
            (_, None) => true,
        };
        self.stale |= !(same && matches!(self.view.screen, Screen::Connections(_)));
        self.arrived = self.now;
        if self.history.latest().is_none() {
            // What was said on the way here is done.
            self.notice = None;
        }
        let frame = Arc::new(frame);
        self.history.push(frame.clone());
        self.begun(&frame);
        if let Some((restart, to)) = self.pending {
            self.export(restart, to);
        }
    }

    /// A restart that begins comes to the front, unless somebody is at work.
    fn begun(&mut self, frame: &Frame) {
        let known = std::mem::replace(&mut self.seen, frame.restarts.last().map(|restart| restart.id));
        let is_new = |restart: &&Arc<RestartFact>| known.is_none_or(|known| restart.id > known);
        let begun = frame.restarts.iter().rev().filter(is_new).find(|restart| restart.ended.is_none());
        let jumped = std::mem::take(&mut self.jumped);
        if jumped && let Some(restart) = frame.restarts.iter().rev().find(|restart| restart.ended.is_none()) {
            let id = restart.id;
            match &mut self.view.screen {
                Screen::Restart(shown) => *shown = id,
                Screen::Services => self.push(Screen::Restart(id)),
                _ => {}
            }
            return;
        }
        let Some(restart) = begun else { return };
        let name = frame.service(restart.service).map_or("a service", |service| service.name.as_str());
        let untouched = self.touched.is_none_or(|touched| self.now.saturating_sub(touched) >= UNTOUCHED);
        let free = matches!(self.view.screen, Screen::Services) && !self.is_writing();
        if free && untouched && self.history.behind().is_none() {
            self.push(Screen::Restart(restart.id));
            self.tell(format!("restart of {name} began"));
        } else {
            self.tell(format!("restart of {name} began: press r"));
        }
    }

    fn push(&mut self, screen: Screen) {
        let below = std::mem::replace(&mut self.view, View::new(screen));
        self.below.push(below);
        self.stale = true;
    }

    /// Brings what is derived up to date with the rest.
    fn refresh(&mut self) {
        self.dirty = true;
        self.ask_for_connections();
        self.header = view::header::lines(self);
        let Some(frame) = self.history.shown().cloned() else { return };
        if std::mem::take(&mut self.stale) {
            let facts = Facts { frame: &frame, listed: self.listed.as_ref(), history: &self.history };
            let rows = rows::rows(&self.view.screen, &self.view.list, facts);
            self.view.list.set_rows(rows, &self.view.screen, facts);
        }
        let height = usize::from(self.list_height());
        self.view.list.show_selected(height);
        self.page = Page::of(self, &frame);
        let most = self.page.lines.len().saturating_sub(usize::from(self.page_height()));
        self.view.scroll = self.view.scroll.min(most);
    }

    fn ask_for_connections(&mut self) {
        let views = std::iter::once(&self.view).chain(self.below.iter().rev());
        let shown = views.into_iter().find_map(|view| match view.screen {
            Screen::Connections(scope) => Some(scope),
            _ => None,
        });
        let wanted = self.pending.map(|(restart, _)| Scope::Restart(restart)).or(shown);
        if wanted != self.asked {
            self.asked = wanted;
            self.effects.push(Effect::Ask(Ask::List(wanted)));
        }
    }

    /// Rows that fit on a list's screen.
    fn list_height(&self) -> u16 {
        view::areas(self).body.height.saturating_sub(1)
    }

    /// Lines that fit on a screen of text, below those that stay.
    fn page_height(&self) -> u16 {
        let body = view::areas(self).body.height;
        body.saturating_sub(self.page.fixed_height(body))
    }

    /// The row of the list that is drawn at a place.
    fn row_at(&self, at: Position) -> Option<usize> {
        let body = view::areas(self).body;
        let line = at.y.checked_sub(body.y + 1).filter(|_| body.contains(at))?;
        let list = &self.view.list;
        let row = list.offset + usize::from(line);
        (self.view.screen.is_list() && row < list.rows.len()).then_some(row)
    }
}
