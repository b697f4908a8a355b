//! The engine on this host's events.

use super::{Ask, Engine, Feed};
use crate::clock;
use crate::correlate::{Config, Correlator};
use crate::event::{BootNs, Event, Kind, Lost};
use crate::journal::Header;
use crate::runtime::{Observer, Observing, Sink, observe};
use crate::tui::frame::{Scope, Source};
use anyhow::{Context as _, Result};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

/// Frames follow each other by no less while something happens.
const BUSY: Duration = Duration::from_millis(100);
/// And by no more when nothing does: time goes on.
const IDLE: Duration = Duration::from_secs(1);

/// How often it is looked what services have open.
const SURVEY: BootNs = 1_000_000_000;

/// What to observe.
#[derive(Debug)]
pub struct Live {
    /// What a journal made now would begin with; its selection is what is shown.
    pub header: Header,
    /// How to observe.
    pub how: Observing,
}

/// Observes until asked to end.
pub fn run(live: &Live, engine: Engine) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .context("cannot set up waiting for events")
        .and_then(|runtime| runtime.block_on(observe_for(live, &engine)));
    engine.end(result);
}

async fn observe_for(live: &Live, engine: &Engine) -> Result<()> {
    engine.tell("attaching the probes ..".to_owned());
    let (observer, start) = Observer::start(&live.how, &live.header)?;
    let config = Config { hz: live.header.clock.hz, survey_every: Some(SURVEY), ..Config::default() };
    let mut correlator = Correlator::new(config);
    let mut sink = Frames {
        engine,
        feed: Feed::new(&live.header, &live.header.selection),
        scope: None,
        shown: None,
        changed: true,
        quit: false,
    };
    observe(observer, start.events, &mut correlator, &mut sink, std::future::pending(), None).await?;
    Ok(())
}

/// Shows frames of what is observed.
struct Frames<'a> {
    engine: &'a Engine,
    feed: Feed,
    scope: Option<Scope>,
    shown: Option<Instant>,
    changed: bool,
    quit: bool,
}

impl Frames<'_> {
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
        if let Kind::ClockSet(set) = &event.event {
            self.feed.clock_set(event.at, set.wall_minus_boot_ns);
        }
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
