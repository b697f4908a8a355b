//! A directory for a recorder, events, and reading them back.

use super::super::disk::{Disk, Files, SegmentFile};
use super::super::{Recorder, RecorderDirectory, RecorderSettings};
use crate::event::{Attached, BootNs, Event, Executed, Kind, Task};
use crate::journal::segments::{Catalog, Segment};
use crate::journal::{Break, Clock, Header, Host, Pending, Reader, Tool, VERSION};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(super) const LIMIT: Duration = Duration::from_secs(20);

pub(super) struct Dir(tempfile::TempDir);

impl Dir {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn recorder(&self, change: impl FnOnce(&mut RecorderSettings)) -> Recorder {
        self.recorder_on(Box::new(Disk), change)
    }

    pub(super) fn recorder_on(
        &self,
        files: Box<dyn Files>,
        change: impl FnOnce(&mut RecorderSettings),
    ) -> Recorder {
        let mut settings = RecorderSettings::new(self.path().to_owned());
        settings.sync_interval = Duration::from_millis(10);
        settings.max_age = Duration::from_secs(200 * 365 * 86_400);
        change(&mut settings);
        let directory = RecorderDirectory::claim(&settings).expect("a directory");
        Recorder::start_on(directory, settings, header(), files).expect("a recorder")
    }

    /// Waits until nothing is left to be written.
    pub(super) fn wait_until_quiet(&self, recorder: &Recorder) {
        wait_until("the queue to be empty", || recorder.monitor().status().queued_bytes == 0);
    }

    /// Lets a recorder look after what an earlier one has left.
    pub(super) fn bring_in_order(&self) {
        let catalog = || Catalog::read(self.path()).expect("a directory");
        let runs: BTreeSet<_> = catalog().segments().iter().map(|segment| segment.name.run.clone()).collect();
        let recorder = self.recorder(|_| {});
        self.wait_until_quiet(&recorder);
        wait_until("everything to be compressed", || {
            let catalog = catalog();
            let mut left = catalog.segments().iter().filter(|segment| runs.contains(&segment.name.run));
            left.all(|segment| segment.name.compressed) && catalog.twins().is_empty()
        });
        recorder.finish(LIMIT).expect("a disk that works");
        // Its own, with nothing in it.
        let catalog = catalog();
        for own in catalog.segments().iter().filter(|segment| !runs.contains(&segment.name.run)) {
            std::fs::remove_file(&own.path).expect("a file");
        }
    }

    /// The times of the events of each stretch, and how it ended.
    pub(super) fn read(&self) -> Vec<(Vec<BootNs>, Break)> {
        let catalog = Catalog::read(self.path()).expect("a directory");
        let mut pending = Pending::new(catalog.segments().to_vec(), BTreeSet::new());
        let mut stretches = Vec::new();
        while let Some(mut stretch) = pending.next_stretch(false).expect("segments can be read") {
            let events = stretch.by_ref().map(|event| event.expect("an event").at).collect();
            stretches.push((events, stretch.end().0));
        }
        assert_eq!(pending.take_problems(), Vec::<String>::new());
        stretches
    }
}

pub(super) fn read_alone(segment: &Segment) -> Vec<BootNs> {
    let reader = Reader::open(&segment.path).expect("a segment");
    reader.map(|event| event.expect("an event").at).collect()
}

pub(super) fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is() {
        assert!(Instant::now() < deadline, "waited for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn header() -> Header {
    Header {
        version: VERSION,
        tool: Tool::this(),
        host: Host { hostname: "web-1".into(), kernel: "6.18.0".into(), boot_id: "3f2a9c01-77aa".into() },
        created_at: String::new(),
        clock: Clock { wall_minus_boot_ns: 0, hz: 250 },
        selection: Default::default(),
        all_connections: false,
        masked_peers: None,
        segment: None,
    }
}

pub(super) fn event(at: BootNs) -> Event {
    with_path(at, "x".repeat(200))
}

/// An event that cannot be compressed much.
pub(super) fn noise(at: BootNs) -> Event {
    let mut state = at;
    let digit = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + u8::try_from(state >> 58).expect("six bits"))
    };
    with_path(at, (0..900).map(digit).filter(|char| *char != '"').collect())
}

fn with_path(at: BootNs, file: String) -> Event {
    let task = Task { pid: 1, comm: crate::event::Comm::new(b"puma") };
    Event { at, event: Kind::Executed(Executed { task, start: 0, file }) }
}

pub(super) fn event_length() -> BootNs {
    serde_json::to_vec(&event(5_000)).expect("JSON").len() as BootNs + 1
}

pub(super) fn recap(at: BootNs) -> Vec<Event> {
    let attached = Attached { hooks: Vec::new(), notes: Vec::new() };
    vec![Event { at, event: Kind::Tick }, Event { at, event: Kind::Attached(attached) }]
}

/// A disk that can be filled, broken and held up.
#[derive(Clone, Default)]
pub(super) struct Bad(Arc<Faults>);

pub(super) struct Faults {
    pub(super) room: AtomicU64,
    pub(super) held_up: AtomicBool,
    pub(super) sync_fails: AtomicBool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            room: AtomicU64::new(u64::MAX),
            held_up: AtomicBool::new(false),
            sync_fails: AtomicBool::new(false),
        }
    }
}

impl std::ops::Deref for Bad {
    type Target = Faults;

    fn deref(&self) -> &Faults {
        &self.0
    }
}

impl Files for Bad {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(BadFile { file: Disk.create(path)?, disk: self.clone() }))
    }

    fn room(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.room.load(Ordering::SeqCst))
    }
}

struct BadFile {
    file: Box<dyn SegmentFile>,
    disk: Bad,
}

impl Write for BadFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        wait_until("the disk to go on", || !self.disk.held_up.load(Ordering::SeqCst));
        let room = self.disk.room.load(Ordering::SeqCst);
        let length = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if length == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if room != u64::MAX {
            self.disk.room.store(room - length as u64, Ordering::SeqCst);
        }
        self.file.write(&bytes[..length])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SegmentFile for BadFile {
    fn sync(&mut self) -> io::Result<()> {
        if self.disk.sync_fails.load(Ordering::SeqCst) { Err(io::Error::other("bad sector")) } else { Ok(()) }
    }
}
