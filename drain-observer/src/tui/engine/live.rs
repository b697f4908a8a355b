//! The engine on this host's events.

use super::frames::Frames;
use super::{Engine, Feed};
use crate::correlate::{Config, Correlator};
use crate::event::BootNs;
use crate::journal::Header;
use crate::runtime::{Observer, Observing, observe};
use anyhow::{Context as _, Result};

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
    let mut sink = Frames::new(engine, Feed::new(&live.header, &live.header.selection));
    observe(observer, start.events, &mut correlator, &mut sink, std::future::pending(), None).await?;
    Ok(())
}
