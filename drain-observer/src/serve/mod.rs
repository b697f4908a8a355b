//! The daemon: the flight recorder and the metrics on one stream of events.

mod control;
mod daemon;
mod herald;
mod notify;

use crate::correlate::{Config, Correlator};
use crate::event::BootNs;
use crate::exporter::{Instruments, Metrics, Publisher, Server};
use crate::journal::{Header, Recorder, RecorderDirectory, RecorderSettings, RecorderStatus};
use crate::privilege::Privileges;
use crate::runtime::{Observer, Observing, RecorderSink, Start, Summary, observe};
use crate::socket::{Bound, SocketSettings, SocketStatus, teller};
use anyhow::Result;
pub use control::{Control, Reload, Tuning};
use daemon::Daemon;
pub use notify::Notify;
use std::net::SocketAddr;
use std::path::Path;
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
    /// How to observe.
    pub how: Observing,
    /// The flight recorder, if there is to be one.
    pub recorder: Option<RecorderSettings>,
    /// Where metrics are served.
    pub listen: SocketAddr,
    /// Names of services that metrics may have.
    pub max_services: usize,
    /// Where people on call are answered, if they are to be.
    pub socket: Option<SocketSettings>,
    /// What is given up when everything is in place.
    pub privileges: Privileges,
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
    /// Where people on call are answered.
    pub socket: Option<&'a Path>,
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
/// Fails where the probes, the recorder's directory or the address cannot be had, and where privileges cannot be given
/// up; not when the disk is full.
pub async fn serve(plan: &Plan, control: Control, began: impl FnOnce(Began<'_>)) -> Result<Done> {
    let config = Config { hz: plan.header.clock.hz, survey_every: Some(SURVEY), ..Config::default() };
    let publisher = Publisher::new(Metrics::new(&plan.header, &config, plan.max_services));
    let published = publisher.published();
    // First what fails soonest and leaves nothing behind; then what takes privileges.
    let directory = plan.recorder.as_ref().map(RecorderDirectory::claim).transpose()?;
    let listener = Server::listen(plan.listen)?;
    let bound = plan.socket.as_ref().map(Bound::new).transpose()?;
    let (observer, start) = Observer::start(&plan.how, &plan.header)?;
    if let Some((user, group)) = plan.privileges.owner() {
        directory.as_ref().map(|directory| directory.give_to(user, group)).transpose()?;
        bound.as_ref().map(|bound| bound.give_to(user, group)).transpose()?;
    }
    // Before anything that starts a thread: each has what the one has that starts it.
    plan.privileges.give_up()?;
    let recorder = directory
        .zip(plan.recorder.clone())
        .map(|(directory, settings)| Recorder::start_in(directory, settings, plan.header.clone()));
    let recorder = recorder.transpose()?;
    let monitor = recorder.as_ref().map(Recorder::monitor);
    let server = Server::start(listener, published, Instruments::new(Some(observer.meters())))?;
    let (tellers, asker) = teller();
    let status = Arc::new(SocketStatus::default());
    let dir = plan.recorder.as_ref().map(|settings| settings.dir.clone());
    let answers = |bound: Bound| bound.serve(asker, plan.header.clone(), dir, status.clone());
    let answering = bound.map(answers).transpose()?;
    let clients = answering.is_some().then(|| (tellers, status.clone()));

    let mut correlator = Correlator::new(config);
    let (told, tunings) = mpsc::channel();
    let notify = Arc::clone(&control.notify);
    let recording = recorder.map(RecorderSink::new).zip(monitor.clone());
    let mut daemon = Daemon::new(&plan.header, publisher, recording, clients, tunings, &notify);
    began(Began {
        start: &start,
        metrics: server.address(),
        recorder: plan.recorder.as_ref().zip(monitor.map(|monitor| monitor.status())),
        socket: plan.socket.as_ref().map(|settings| settings.path.as_path()),
    });
    let end = control.until_stopped(told);
    let summary = observe(observer, start.events, &mut correlator, &mut daemon, end, None).await?;
    // Clients get the last events when no more can come.
    let recorded = daemon.finish(FINISH_WITHIN);
    drop(answering);
    Ok(Done { summary, recorded })
}
