//! What is observed now, as frames.

use super::{Ask, Engine, Feed};
use crate::clock;
use crate::correlate::Correlator;
use crate::event::{Event, Kind, Lost};
use crate::runtime::Sink;
use crate::tui::frame::{Scope, Source};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

/// Frames follow each other by no less while something happens.
const BUSY: Duration = Duration::from_millis(100);
/// And by no more when nothing does: time goes on.
const IDLE: Duration = Duration::from_secs(1);

/// Shows frames of what is observed.
pub(super) struct Frames<'a> {
    engine: &'a Engine,
    pub(super) feed: Feed,
    scope: Option<Scope>,
    shown: Option<Instant>,
    changed: bool,
    quit: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(engine: &'a Engine, feed: Feed) -> Self {
        Self { engine, feed, scope: None, shown: None, changed: true, quit: false }
    }

    /// Whether the user has seen enough. What else the user asks for meanwhile is done.
    pub(super) fn is_quit(&mut self) -> bool {
        self.listen();
        self.quit
    }

    /// An event of which frames need to know more than the correlator.
    pub(super) fn learn(&mut self, event: &Event) {
        if let Kind::ClockSet(set) = &event.event {
            self.feed.clock_set(event.at, set.wall_minus_boot_ns);
        }
    }

    fn listen(&mut self) {
        loop {
            match self.engine.asked.try_recv() {
                Ok(Ask::List(scope)) => {
                    self.changed |= scope.is_some() && self.scope != scope;
                    self.scope = scope;
                }
                Ok(Ask::Quit) | Err(TryRecvError::Disconnected) => {
                    self.quit = true;
                    return;
                }
                Ok(_) => {}
                Err(TryRecvError::Empty) => return,
            }
        }
    }
}

impl Sink for Frames<'_> {
    fn event(&mut self, event: &Event) {
        self.learn(event);
        self.changed |= !matches!(event.event, Kind::Tick);
    }

    fn settle(&mut self, correlator: &mut Correlator) -> Option<Lost> {
        self.listen();
        // Frames tell it all; notes would only pile up.
        while correlator.poll_note().is_some() {}
        let pause = if self.changed { BUSY } else { IDLE };
        if self.quit || self.shown.is_some_and(|shown| shown.elapsed() < pause) {
            return None;
        }
        let frame = self.feed.frame(correlator, clock::boot_ns(), Source::Live, self.scope);
        if self.engine.show(frame) {
            self.changed = false;
            self.shown = Some(Instant::now());
        }
        None
    }

    fn is_done(&self) -> bool {
        self.quit
    }
}
