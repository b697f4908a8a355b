//! Where the daemon's events go.

use super::control::Tuning;
use super::herald::Herald;
use super::notify::Notify;
use crate::clock;
use crate::correlate::{Correlator, Note};
use crate::event::{BootNs, Event, Kind, Lost};
use crate::exporter::{ClientStatus, Gist, JournalStatus, Publisher};
use crate::journal::{Header, RecorderMonitor, RecorderStatus};
use crate::report::model::LiveLine;
use crate::report::words::plural;
use crate::report::{Live, write_live};
use crate::runtime::{RecorderSink, Sink};
use crate::selection::Selection;
use crate::socket::{SocketStatus, Teller};
use anyhow::Result;
use bytesize::ByteSize;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Has every event recorded and counted, and says which restarts there were.
#[derive(Debug)]
pub(super) struct Daemon<'a> {
    recorder: Option<(RecorderSink, RecorderMonitor)>,
    publisher: Publisher,
    clients: Option<(Teller, Arc<SocketStatus>)>,
    live: Live,
    /// What became of reading the settings again.
    tunings: Receiver<Option<Tuning>>,
    herald: Herald<'a>,
}

impl<'a> Daemon<'a> {
    pub(super) fn new(
        header: &Header,
        publisher: Publisher,
        recorder: Option<(RecorderSink, RecorderMonitor)>,
        clients: Option<(Teller, Arc<SocketStatus>)>,
        tunings: Receiver<Option<Tuning>>,
        notify: &'a Notify,
    ) -> Self {
        let live = Live::new(header, &Selection::default());
        Self { recorder, publisher, clients, live, tunings, herald: Herald::new(notify) }
    }

    /// Has the recorder write and sync everything, for at most `limit`.
    pub(super) fn finish(self, limit: Duration) -> Option<Result<RecorderStatus>> {
        let (recorder, _) = self.recorder?;
        Some(recorder.finish(limit).map_err(Into::into))
    }

    /// Does as the settings say that were read again.
    fn tune(&mut self) {
        while let Ok(tuning) = self.tunings.try_recv() {
            if let Some(Tuning { max_services, retention }) = tuning {
                self.publisher.set_max_services(max_services);
                if let Some(((recorder, _), retention)) = self.recorder.as_mut().zip(retention)
                    && let Err(error) = recorder.retain(retention)
                {
                    log::warn!("{error}; the flight recorder keeps what it kept");
                }
            }
            self.herald.ready();
        }
    }

    /// A line on stderr for each restart that ended: a log is read long after, by people who look for that.
    fn log_restarts(&self, correlator: &mut Correlator) {
        let ended = |note: &Note| matches!(note, Note::RestartEnded(_));
        let notes: Vec<Note> = std::iter::from_fn(|| correlator.poll_note()).filter(ended).collect();
        if notes.is_empty() {
            return;
        }
        for line in self.live.lines(&notes, &correlator.overview(clock::boot_ns())) {
            if let LiveLine::RestartEnded(_) = &line {
                // Nobody may be listening.
                let _ = write_live(&line, io::stderr());
            }
        }
    }
}

impl Sink for Daemon<'_> {
    fn event(&mut self, event: &Event) {
        if let Kind::ClockSet(set) = &event.event {
            self.live.clock().set(event.at, set.wall_minus_boot_ns);
        }
        if let Some((recorder, _)) = &mut self.recorder {
            recorder.event(event);
        }
        self.publisher.event(event);
        if let Some((teller, _)) = &mut self.clients {
            teller.event(event);
        }
    }

    fn up_to(&mut self, now: BootNs) {
        if let Some((teller, _)) = &mut self.clients {
            teller.up_to(now);
        }
    }

    fn settle(&mut self, correlator: &mut Correlator) -> Option<Lost> {
        self.tune();
        self.log_restarts(correlator);
        let recorded = self.recorder.as_ref().map(|(_, monitor)| monitor.status());
        if let Some(recorded) = &recorded {
            self.publisher.journal(journal(recorded));
        }
        if let Some((teller, status)) = &mut self.clients {
            teller.settle(correlator, self.recorder.as_mut().map(|(recorder, _)| recorder));
            self.publisher.clients(clients(status));
        }
        self.publisher.turned(correlator);
        let publisher = &self.publisher;
        self.herald.turned(clock::boot_ns(), || status(publisher.gist(), recorded.as_ref()));
        self.recorder.as_mut()?.0.settle(correlator)
    }
}

fn clients(status: &SocketStatus) -> ClientStatus {
    ClientStatus {
        connected: status.clients(),
        served: status.served(),
        refused: status.refused(),
        dropped: status.dropped(),
    }
}

fn journal(status: &RecorderStatus) -> JournalStatus {
    JournalStatus {
        bytes_written: status.bytes_written,
        bytes_on_disk: status.bytes,
        segments: status.segments,
        events_dropped: status.dropped(),
        errors: status.errors,
        is_writing: !status.failing,
    }
}

/// How things are, on one line, for who asks the service manager.
fn status(gist: Gist, recorded: Option<&RecorderStatus>) -> String {
    let Gist { listeners, restarts, going_on, lost } = gist;
    let listeners_word = plural(listeners as u64, "listener", "listeners");
    let mut parts = vec![format!("{listeners} {listeners_word}")];
    parts.push(format!("{restarts} {}", plural(restarts, "restart", "restarts")));
    if going_on > 0 {
        parts.push(format!("{going_on} going on"));
    }
    parts.push(format!("{lost} {} lost", plural(lost, "connection", "connections")));
    match recorded {
        Some(recorded) if recorded.failing => parts.push("NOT recording".to_owned()),
        Some(recorded) => parts.push(format!("journal {}", ByteSize(recorded.bytes).display().iec())),
        None => {}
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_one_line() {
        assert_eq!(status(Gist::default(), None), "0 listeners, 0 restarts, 0 connections lost");
        let gist = Gist { listeners: 8, restarts: 1, going_on: 1, lost: 354 };
        let mut recorded = RecorderStatus { bytes: 12_900_000, ..RecorderStatus::default() };
        assert_eq!(
            status(gist, Some(&recorded)),
            "8 listeners, 1 restart, 1 going on, 354 connections lost, journal 12.3 MiB"
        );
        recorded.failing = true;
        assert!(status(gist, Some(&recorded)).ends_with("lost, NOT recording"));
    }
}
