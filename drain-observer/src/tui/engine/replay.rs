//! The engine on a journal's events: the same frames, at any speed.

use super::{Ask, Engine, Feed};
use crate::correlate::{Config, Correlator, Note};
use crate::event::BootNs;
use crate::journal::{Input, JournalError, Reader, Stats};
use crate::report::Player;
use crate::selection::Selection;
use crate::tui::frame::{Frame, Playback, Scope, Source};
use anyhow::Result;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Frames in a second while time goes on.
const FRAMES: u32 = 10;
/// How long it is waited for something to be asked while time stands still.
const STILL: Duration = Duration::from_secs(3_600);
/// Reading on tells of its progress this often.
const PROGRESS: Duration = Duration::from_millis(500);
/// More restarts cannot be jumped to.
const MAX_RESTARTS: usize = 100_000;

/// What to play.
#[derive(Debug)]
pub struct Replay {
    /// The journal.
    pub file: PathBuf,
    /// Which services, besides the journal's own selection.
    pub selection: Selection,
    /// Begin at its beginning, with time going on; otherwise at its end.
    pub play: bool,
    /// Seconds of the journal in a second, 1..=1000.
    pub speed: u32,
}

/// Plays until asked to end.
pub fn run(replay: Replay, engine: Engine) {
    let result = Theatre::open(replay, &engine).and_then(|theatre| theatre.run());
    engine.end(result);
}

struct Theatre<'a> {
    engine: &'a Engine,
    replay: Replay,
    player: Player<Reader<Input>>,
    feed: Feed,
    from: BootNs,
    until: BootNs,
    /// When restarts began, ascending.
    restarts: Vec<BootNs>,
    position: BootNs,
    playing: bool,
    speed: u32,
    scope: Option<Scope>,
}

impl<'a> Theatre<'a> {
    /// Reads the journal once, to know its end and its restarts.
    fn open(replay: Replay, engine: &'a Engine) -> Result<Self> {
        let mut player = Player::new(Reader::open(&replay.file)?, config());
        let feed = Feed::new(player.header(), &replay.selection);
        let mut told = Instant::now();
        let mut restarts = Vec::new();
        let (mut from, mut until) = (None, 0);
        while let Some(at) = player.step()? {
            from.get_or_insert(at);
            until = at.max(until);
            while let Some(note) = player.correlator().poll_note() {
                if let Note::RestartBegan(_) = note
                    && restarts.len() < MAX_RESTARTS
                {
                    restarts.push(at);
                }
            }
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                engine.tell(format!("reading {}: {} events", name(&replay), player.stats().events));
            }
        }
        restarts.sort_unstable();
        restarts.dedup();
        let (speed, playing) = (replay.speed.clamp(1, 1_000), replay.play);
        let from = from.unwrap_or(until);
        let mut theatre = Self {
            engine,
            replay,
            player,
            feed,
            from,
            until,
            restarts,
            position: until,
            playing,
            speed,
            scope: None,
        };
        theatre.note_damage();
        theatre.set_clock();
        if playing {
            theatre.seek(from)?;
        }
        Ok(theatre)
    }

    fn run(mut self) -> Result<()> {
        self.show();
        let mut moved = Instant::now();
        loop {
            let wait = if self.playing { Duration::from_secs(1) / FRAMES } else { STILL };
            match self.engine.asked.recv_timeout(wait) {
                Ok(Ask::Quit) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(ask) => {
                    self.go_on(&mut moved)?;
                    self.obey(ask)?;
                }
                Err(RecvTimeoutError::Timeout) => self.go_on(&mut moved)?,
            }
            self.show();
        }
    }

    /// Lets as much of the journal's time pass as passed since `moved`.
    fn go_on(&mut self, moved: &mut Instant) -> Result<()> {
        let elapsed = moved.elapsed();
        *moved = Instant::now();
        if self.playing {
            let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            let target = self.position.saturating_add(elapsed.saturating_mul(self.speed.into()));
            self.seek(target)?;
            self.playing = self.position < self.until;
        }
        Ok(())
    }

    fn obey(&mut self, ask: Ask) -> Result<()> {
        match ask {
            Ask::List(scope) => self.scope = scope,
            Ask::Speed(speed) => self.speed = speed.clamp(1, 1_000),
            Ask::Play(play) => {
                if play && self.position >= self.until {
                    self.seek(self.from)?;
                }
                self.playing = play;
            }
            Ask::Step => {
                self.playing = false;
                self.step()?;
            }
            Ask::NextRestart => {
                let next = self.restarts.partition_point(|began| *began <= self.position);
                let next = self.restarts.get(next).copied().unwrap_or(self.until);
                self.seek(next)?;
            }
            Ask::PreviousRestart => {
                let before = self.restarts.partition_point(|began| *began < self.position);
                let before = before.checked_sub(1).and_then(|last| self.restarts.get(last));
                self.seek(before.copied().unwrap_or(self.from))?;
            }
            Ask::Quit => {}
        }
        Ok(())
    }

    /// On to the next event of which there is something to tell.
    fn step(&mut self) -> Result<()> {
        while self.player.correlator().poll_note().is_some() {}
        while let Some(at) = self.player.step()? {
            self.position = at.max(self.position);
            if self.player.correlator().poll_note().is_some() {
                break;
            }
        }
        self.set_clock();
        Ok(())
    }

    /// To a moment, from the beginning if it is in the past.
    fn seek(&mut self, target: BootNs) -> Result<()> {
        let target = target.clamp(self.from, self.until);
        if target < self.position {
            self.player = Player::new(Reader::open(&self.replay.file)?, config());
            self.feed = Feed::new(self.player.header(), &self.replay.selection);
            self.note_damage();
        }
        self.position = target;
        advance(&mut self.player, target)?;
        self.set_clock();
        Ok(())
    }

    fn set_clock(&mut self) {
        self.feed.set_clock(self.player.clock());
    }

    fn note_damage(&mut self) {
        let Stats { broken_lines, unknown_events, tail_cut, .. } = self.player.stats();
        for (count, what) in [
            (broken_lines, "damaged lines"),
            (unknown_events, "events of a kind that this version does not know"),
        ] {
            if count > 0 {
                self.feed.note(format!("the journal has {count} {what}"));
            }
        }
        if tail_cut {
            self.feed.note("the journal ends within a line: its writer was cut off, or still writes".into());
        }
    }

    fn show(&mut self) {
        let frame = self.frame();
        self.engine.show_surely(frame);
    }

    fn frame(&mut self) -> Frame {
        let playback = Playback {
            file: name(&self.replay),
            from: self.from,
            until: self.until,
            playing: self.playing,
            speed: self.speed,
        };
        let correlator: &Correlator = self.player.correlator();
        self.feed.frame(correlator, self.position, Source::Replay(playback), self.scope)
    }
}

/// Plays every event up to a moment.
fn advance(player: &mut Player<Reader<Input>>, target: BootNs) -> Result<(), JournalError> {
    // Their times are nearly in order: one that comes early is followed by others that are due.
    while player.peek()?.is_some_and(|at| at <= target) {
        player.step()?;
        while player.correlator().poll_note().is_some() {}
    }
    Ok(())
}

fn config() -> Config {
    Config::default()
}

fn name(replay: &Replay) -> String {
    let file = replay.file.file_name().unwrap_or(replay.file.as_os_str());
    file.to_string_lossy().into_owned()
}
