//! The daemon: the flight recorder and the metrics on one stream of events.

mod control;
mod daemon;
mod herald;
mod notify;

use crate::correlate::{Config, Correlator};
use crate::event::BootNs;
use crate::exporter::{Instruments, Metrics, Publisher, Server};
use crate::journal::{Header, Recorder, RecorderSettings, RecorderStatus};
use crate::kernel::Settings;
use crate::runtime::{Observer, RecorderSink, Start, Summary, observe};
use anyhow::Result;
pub use control::{Control, Reload, Tuning};
use daemon::Daemon;
pub use notify::Notify;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// How often it is looked what services have open while no restart goes on.
const SURVEY: BootNs = 10_000_000_000;
/// A recorder that is told to end is given up after this time: systemd and people wait for little longer.
const FINISH_WITHIN: Duration = Duration::from_millis(1_500);

/// What a daemon is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What a journal made now would begin with; its selection is what metrics are about.
    pub header: Header,
    /// How the kernel side is set up.
    pub kernel: Settings,
    /// The flight recorder, if there is to be one.
    pub recorder: Option<RecorderSettings>,
    /// Where metrics are served.
    pub listen: SocketAddr,
    /// Names of services that metrics may have.
    pub max_services: usize,
}

/// What there is when everything is in place.
#[derive(Debug)]
pub struct Began<'a> {
    /// What was found and attached.
    pub start: &'a Start,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// How the recorder does, and where.
    pub recorder: Option<(&'a RecorderSettings, RecorderStatus)>,
}

/// What there was.
#[derive(Debug)]
pub struct Done {
    /// What was observed.
    pub summary: Summary,
    /// What the recorder wrote, or why it could not.
    pub recorded: Option<Result<RecorderStatus>>,
}

/// Observes until `control` says to stop; `began` is called when everything is in place.
///
/// Fails where the probes, the recorder's directory or the address cannot be had; not when the disk is full.
pub async fn serve(plan: &Plan, control: Control, began: impl FnOnce(Began<'_>)) -> Result<Done> {
    let config = Config { hz: plan.header.clock.hz, survey_every: Some(SURVEY), ..Config::default() };
    let publisher = Publisher::new(Metrics::new(&plan.header, &config, plan.max_services));
    let published = publisher.published();
    // First what fails soonest and leaves nothing behind.
    let recorder = plan.recorder.clone().map(|settings| Recorder::start(settings, plan.header.clone()));
    let recorder = recorder.transpose()?;
    let monitor = recorder.as_ref().map(Recorder::monitor);
    let (observer, start) = Observer::start(&plan.kernel, &plan.header)?;
    let instruments = Instruments::new(Some(observer.meters()));
    let server = Server::start(plan.listen, published, instruments)?;

    let mut correlator = Correlator::new(config);
    let (told, tunings) = mpsc::channel();
    let notify = Arc::clone(&control.notify);
    let recording = recorder.map(RecorderSink::new).zip(monitor.clone());
    let mut daemon = Daemon::new(&plan.header, publisher, recording, tunings, &notify);
    began(Began {
        start: &start,
        metrics: server.address(),
        recorder: plan.recorder.as_ref().zip(monitor.map(|monitor| monitor.status())),
    });
    let end = control.until_stopped(told);
    let summary = observe(observer, start.events, &mut correlator, &mut daemon, end, None).await?;
    let recorded = daemon.finish(FINISH_WITHIN);
    Ok(Done { summary, recorded })
}
