//! Where the daemon's events go.

use crate::clock;
use crate::correlate::{Correlator, Note};
use crate::event::{BootNs, Event, Kind, Lost};
use crate::exporter::{ClientStatus, JournalStatus, Publisher};
use crate::journal::{Header, RecorderMonitor, RecorderStatus};
use crate::report::model::LiveLine;
use crate::report::{Live, write_live};
use crate::runtime::{RecorderSink, Sink};
use crate::selection::Selection;
use crate::socket::{SocketStatus, Teller};
use anyhow::Result;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Has every event recorded and counted, and says which restarts there were.
#[derive(Debug)]
pub(super) struct Daemon {
    recorder: Option<RecorderSink>,
    monitor: Option<RecorderMonitor>,
    publisher: Publisher,
    clients: Option<(Teller, Arc<SocketStatus>)>,
    live: Live,
}

impl Daemon {
    pub(super) fn new(
        header: &Header,
        publisher: Publisher,
        recorder: Option<RecorderSink>,
        monitor: Option<RecorderMonitor>,
        clients: Option<(Teller, Arc<SocketStatus>)>,
    ) -> Self {
        Self { recorder, monitor, publisher, clients, live: Live::new(header, &Selection::default()) }
    }

    /// Has the recorder write and sync everything, for at most `limit`.
    pub(super) fn finish(self, limit: Duration) -> Option<Result<RecorderStatus>> {
        Some(self.recorder?.finish(limit).map_err(Into::into))
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

impl Sink for Daemon {
    fn event(&mut self, event: &Event) {
        if let Kind::ClockSet(set) = &event.event {
            self.live.clock().set(event.at, set.wall_minus_boot_ns);
        }
        if let Some(recorder) = &mut self.recorder {
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
        self.log_restarts(correlator);
        if let Some(monitor) = &self.monitor {
            self.publisher.journal(journal(&monitor.status()));
        }
        if let Some((teller, status)) = &mut self.clients {
            teller.settle(correlator, self.recorder.as_mut());
            self.publisher.clients(clients(status));
        }
        self.publisher.turned(correlator);
        self.recorder.as_mut()?.settle(correlator)
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
