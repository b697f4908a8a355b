//! The flight recorder as a sink.

use super::Sink;
use crate::correlate::Correlator;
use crate::event::{Event, Lost};
use crate::journal::{Recorder, RecorderError, RecorderStatus, Retention, Segment, Unfinished};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Has every event recorded; segments are begun when no restart goes on, with a recap of what the correlator knows.
#[derive(Debug)]
pub struct RecorderSink {
    recorder: Recorder,
}

impl RecorderSink {
    /// Goes on with a recorder that was started.
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder }
    }

    /// Where everything that was recorded so far is ([`Recorder::locate`]).
    pub fn locate(&mut self) -> Receiver<Option<Segment>> {
        self.recorder.locate()
    }

    /// Has so much be kept from now on.
    pub fn retain(&mut self, retention: Retention) -> Result<(), RecorderError> {
        self.recorder.retain(retention)
    }

    /// Writes and syncs everything, for at most `limit`.
    pub fn finish(self, limit: Duration) -> Result<RecorderStatus, Unfinished> {
        self.recorder.finish(limit)
    }
}

impl Sink for RecorderSink {
    fn event(&mut self, event: &Event) {
        self.recorder.write(event);
    }

    fn settle(&mut self, correlator: &mut Correlator) -> Option<Lost> {
        let now = correlator.now();
        self.recorder.settle(correlator.is_restarting(), || correlator.recap(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Attached, Comm, Exited, Kind, ListenerKey, ListenerSeen, ProcessSeen, Task};
    use crate::journal::{Catalog, Clock, Header, Host, Reader, RecorderSettings, Tool, VERSION};

    const LIMIT: Duration = Duration::from_secs(20);

    fn header() -> Header {
        Header {
            version: VERSION,
            tool: Tool::this(),
            host: Host { hostname: String::new(), kernel: String::new(), boot_id: "3f2a9c01".into() },
            created_at: String::new(),
            clock: Clock { wall_minus_boot_ns: 0, hz: 250 },
            selection: Default::default(),
            all_connections: false,
            masked_peers: None,
            segment: None,
        }
    }

    fn start() -> [Kind; 3] {
        let local = crate::event::Endpoint { address: std::net::Ipv4Addr::LOCALHOST.into(), port: 8080 };
        let listener = ListenerSeen {
            unix: None,
            key: ListenerKey { netns: 1, local: local.into() },
            cookie: 7,
            inode: 7,
            queue: 0,
            limit: 128,
            holders: vec![100],
        };
        let process = ProcessSeen {
            pid: 100,
            comm: Comm::new(b"puma"),
            executable: "/usr/bin/puma".into(),
            ..ProcessSeen::default()
        };
        let attached = Attached { hooks: Vec::new(), notes: Vec::new() };
        [Kind::ListenerSeen(listener), Kind::ProcessSeen(process), Kind::Attached(attached)]
    }

    #[test]
    fn a_later_segment_alone_knows_the_services() {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = RecorderSettings { max_size: 4 << 20, ..RecorderSettings::new(dir.path().to_owned()) };
        let recorder = Recorder::start(settings, header()).expect("a recorder");
        let monitor = recorder.monitor();
        let mut sink = RecorderSink::new(recorder);
        let mut correlator = Correlator::default();
        let task = Task { pid: 9, comm: Comm::new(&[b'x'; 15]) };
        let noise = (0..12_000).map(|_| Kind::Exited(Exited { task, start: 0, status: 0, signal: 0 }));
        for (at, event) in start().into_iter().chain(noise).enumerate() {
            let event = Event { at: at as u64, event };
            sink.event(&event);
            correlator.handle(&event);
            if at % 1_000 == 0 {
                assert_eq!(sink.settle(&mut correlator), None);
            }
        }
        let live = correlator.snapshot(0);
        assert_eq!(live.services.len(), 1);
        let status = sink.finish(LIMIT).expect("a disk that works");
        assert_eq!((status.events_written, status.dropped(), status.errors), (12_003, 0, 0), "{status:?}");
        assert!(!monitor.status().failing);

        let catalog = Catalog::read(dir.path()).expect("a directory");
        let last = catalog.segments().last().expect("segments");
        assert!(last.name.sequence > 1, "{catalog:?}");
        let reader = Reader::open(&last.path).expect("a segment");
        let replayed = crate::report::replay(reader, false, |_| {}).expect("a segment");
        assert_eq!(replayed.snapshot.services[0].name, live.services[0].name);
        assert_eq!(replayed.snapshot.services[0].listeners, live.services[0].listeners);
    }
}
