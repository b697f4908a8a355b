//! What commands do.

use super::keys::Command;
use super::rows::{Facts, orders};
use super::screen::{Pane, Screen};
use super::{App, Effect, Export};
use crate::correlate::{Outcome, RestartId};
use crate::tui::engine::Ask;
use crate::tui::export;
use crate::tui::frame::{Frame, Playback, Scope, Source};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Speeds of a replay, in seconds of the journal a second.
const SPEEDS: [u32; 9] = [1, 2, 5, 10, 30, 60, 120, 300, 600];

impl App {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Up => self.move_by(-1),
            Command::Down => self.move_by(1),
            Command::PageUp => self.move_by(-self.page_step()),
            Command::PageDown => self.move_by(self.page_step()),
            Command::First => self.move_by(isize::MIN),
            Command::Last => self.move_by(isize::MAX),
            Command::NextPane => self.pane(1),
            Command::PreviousPane => self.pane(Pane::ALL.len() - 1),
            Command::Open => self.open(),
            Command::Back => self.back(),
            Command::Filter => self.writing = Some(self.view.list.filter.clone()),
            Command::KeepFilter => self.writing = None,
            Command::DropFilter => {
                let before = self.writing.take().unwrap_or_default();
                self.view.list.filter = before;
                self.stale = true;
            }
            Command::Erase => {
                self.view.list.filter.pop();
                self.stale = true;
            }
            Command::Sort => {
                let view = &mut self.view;
                let orders = orders(&view.screen).len().max(1);
                view.list.sort = (view.list.sort + 1) % orders;
                self.stale = true;
            }
            Command::Reverse => {
                let list = &mut self.view.list;
                list.reverse = !list.reverse;
                self.stale = true;
            }
            Command::Outcome => self.next_outcome(),
            Command::CurrentRestart => self.current_restart(),
            Command::AllRestarts => self.push(Screen::Restarts(None)),
            Command::Connections => self.connections(),
            Command::Pause => {
                if self.history.behind().is_some() {
                    self.history.follow();
                } else {
                    self.history.hold();
                }
                self.stale = true;
            }
            Command::Play => self.play(),
            Command::Earlier => self.travel(-1),
            Command::MuchEarlier => self.travel(-10),
            Command::Later => self.travel(1),
            Command::MuchLater => self.travel(10),
            Command::Follow => {
                self.history.follow();
                self.stale = true;
            }
            Command::Step => self.replay(Ask::Step),
            Command::Faster => self.speed(true),
            Command::Slower => self.speed(false),
            Command::NextRestart if self.is_replay() => self.jump(Ask::NextRestart),
            Command::PreviousRestart if self.is_replay() => self.jump(Ask::PreviousRestart),
            Command::NextRestart => self.neighbour(1),
            Command::PreviousRestart => self.neighbour(-1),
            Command::Export => self.export_selected(Export::File),
            Command::Copy => self.export_selected(Export::Clipboard),
            Command::Notes => self.push(Screen::Notes),
            Command::Help => self.push(Screen::Help),
            Command::Suspend => self.effects.push(Effect::Suspend),
            Command::Quit => {
                self.effects.push(Effect::Ask(Ask::Quit));
                self.effects.push(Effect::Quit);
            }
        }
    }

    /// Selects a row of the list.
    pub(super) fn select(&mut self, row: usize) {
        let Some(frame) = self.history.shown() else { return };
        let facts = Facts { frame, listed: self.listed.as_ref(), history: &self.history };
        self.view.list.select(row, &self.view.screen, facts);
    }

    /// Exports a restart now, or when its connections are there.
    pub(super) fn export(&mut self, restart: RestartId, to: Export) {
        let Some(frame) = self.history.latest() else { return };
        let listed = self.listed(Scope::Restart(restart));
        if listed.is_none() && frame.restart(restart).is_some() {
            self.pending = Some((restart, to));
            return;
        }
        let report = export::report(frame, listed, restart);
        self.pending = None;
        match (report, to) {
            (Some(report), Export::File) => self.effects.push(Effect::Save(Box::new(report))),
            (Some(report), Export::Clipboard) => self.effects.push(Effect::Copy(Box::new(report))),
            (None, _) => self.tell("the restart was forgotten: there is nothing to export"),
        }
    }

    fn move_by(&mut self, by: isize) {
        if self.view.screen.is_list() {
            self.select(self.view.list.selected.saturating_add_signed(by));
        } else {
            // Bounded by the length of the page when that is known.
            let view = &mut self.view;
            view.scroll = view.scroll.saturating_add_signed(by);
        }
    }

    fn page_step(&self) -> isize {
        let height = if self.view.screen.is_list() { self.list_height() } else { self.page_height() };
        isize::try_from(height.saturating_sub(1).max(1)).unwrap_or(1)
    }

    fn pane(&mut self, by: usize) {
        let view = &mut self.view;
        view.pane = view.pane.step(by);
        view.scroll = 0;
    }

    fn open(&mut self) {
        let Some(frame) = self.shown().cloned() else { return };
        let view = &self.view;
        let Some(row) = view.list.selected_row() else { return };
        let screen = match &view.screen {
            Screen::Services => frame.services.get(row).map(|service| Screen::Restarts(Some(service.id))),
            Screen::Restarts(_) => frame.restarts.get(row).map(|restart| Screen::Restart(restart.id)),
            Screen::Connections(scope) => self
                .listed(*scope)
                .and_then(|listed| listed.rows.get(row))
                .map(|fact| Screen::Connection(Box::new(fact.clone()))),
            _ => None,
        };
        if let Some(screen) = screen {
            self.push(screen);
        }
    }

    fn back(&mut self) {
        self.stale = true;
        let list = &mut self.view.list;
        if !list.filter.is_empty() || list.outcome.is_some() {
            list.filter.clear();
            list.outcome = None;
        } else if let Some(below) = self.below.pop() {
            self.view = below;
        }
    }

    /// All outcomes, then one after the other of those that are there.
    fn next_outcome(&mut self) {
        let rows = self.listed.as_ref().map(|listed| listed.rows.iter());
        let there: BTreeSet<Outcome> = rows.into_iter().flatten().map(|fact| fact.outcome).collect();
        let list = &mut self.view.list;
        list.outcome = match list.outcome {
            None => there.first().copied(),
            Some(now) => there.into_iter().find(|outcome| *outcome > now),
        };
        self.stale = true;
    }

    fn current_restart(&mut self) {
        let Some(frame) = self.history.latest() else { return };
        let goes_on = frame.restarts.iter().rev().find(|restart| restart.ended.is_none());
        match goes_on.or(frame.restarts.last()).map(|restart| restart.id) {
            Some(id) => self.show_restart(id),
            None => self.tell("no restart was seen yet"),
        }
    }

    fn show_restart(&mut self, id: RestartId) {
        self.history.follow();
        if let Screen::Restart(shown) = &mut self.view.screen {
            *shown = id;
        } else {
            self.push(Screen::Restart(id));
        }
    }

    fn neighbour(&mut self, by: isize) {
        let Screen::Restart(id) = self.view.screen else { return };
        let Some(frame) = self.history.latest() else { return };
        let here = frame.restarts.partition_point(|restart| restart.id < id);
        match here.checked_add_signed(by).and_then(|place| frame.restarts.get(place)).map(|one| one.id) {
            Some(id) => self.show_restart(id),
            None if by > 0 => self.tell("this is the last restart"),
            None => self.tell("this is the first restart"),
        }
    }

    fn connections(&mut self) {
        let Some(frame) = self.shown() else { return };
        let view = &self.view;
        let row = view.list.selected_row();
        let scope = match view.screen {
            Screen::Services => row.and_then(|row| frame.services.get(row)).map(|one| Scope::Service(one.id)),
            Screen::Restarts(_) => {
                row.and_then(|row| frame.restarts.get(row)).map(|one| Scope::Restart(one.id))
            }
            Screen::Restart(id) => Some(Scope::Restart(id)),
            _ => None,
        };
        if let Some(scope) = scope {
            self.push(Screen::Connections(scope));
        }
    }

    fn export_selected(&mut self, to: Export) {
        let restart = self.shown().and_then(|frame| self.selected_restart(frame));
        match restart {
            Some(restart) => self.export(restart, to),
            None => self.tell("select a restart first: this belongs to none"),
        }
    }

    fn selected_restart(&self, frame: &Arc<Frame>) -> Option<RestartId> {
        let view = &self.view;
        let row = view.list.selected_row();
        match view.screen {
            Screen::Restart(id) | Screen::Connections(Scope::Restart(id)) => Some(id),
            Screen::Restarts(_) => Some(frame.restarts.get(row?)?.id),
            Screen::Connections(scope) => self.listed(scope)?.rows.get(row?)?.restart,
            _ => None,
        }
    }

    fn travel(&mut self, seconds: i64) {
        if seconds < 0 {
            self.history.back(seconds.unsigned_abs());
        } else {
            self.history.forward(seconds.unsigned_abs());
        }
        self.stale = true;
    }

    fn play(&mut self) {
        if let Some(playback) = self.playback() {
            let play = !playback.playing;
            self.replay(Ask::Play(play));
        }
    }

    fn speed(&mut self, faster: bool) {
        let Some(playback) = self.playback() else { return };
        let now = playback.speed;
        let other = if faster {
            SPEEDS.into_iter().find(|speed| *speed > now)
        } else {
            SPEEDS.into_iter().rev().find(|speed| *speed < now)
        };
        match other {
            Some(speed) => self.replay(Ask::Speed(speed)),
            None => self.tell(format!("{now} times is as far as it goes")),
        }
    }

    fn jump(&mut self, ask: Ask) {
        self.jumped = true;
        self.replay(ask);
    }

    /// Asks the engine of a replay; what it answers is to be seen.
    fn replay(&mut self, ask: Ask) {
        self.history.follow();
        self.stale = true;
        self.effects.push(Effect::Ask(ask));
    }

    fn playback(&self) -> Option<Playback> {
        match &self.history.latest()?.source {
            Source::Replay(playback) => Some(playback.clone()),
            Source::Live => None,
        }
    }
}
