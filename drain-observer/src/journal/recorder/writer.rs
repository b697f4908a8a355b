//! The thread that writes.

use super::compress::{self, Waker};
use super::disk::{Files, SegmentFile, is_full, sync_directory};
use super::queue::{Begin, Lines, Mark, Message, Next, Queue};
use super::retain;
use super::{RecorderError, RecorderSettings};
use crate::journal::segments::{RunId, SegmentName};
use crate::journal::{Handed, Header, Segment, SegmentInfo};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked what is too old.
const TIDY: Duration = Duration::from_secs(60);
/// Room that there has to be, besides what is known to be needed, before writing is tried again.
const SPARE: u64 = 256 << 10;

/// Starts the threads of a recorder.
pub(super) fn spawn(
    settings: &RecorderSettings,
    run: RunId,
    queue: Arc<Queue>,
    files: Box<dyn Files>,
) -> Result<(), RecorderError> {
    let compressor = compress::spawn(settings.dir.clone(), run.clone(), Arc::clone(&queue))?;
    let now = Instant::now();
    let writer = Writer {
        settings: settings.clone(),
        run,
        queue,
        files,
        compressor,
        sequence: 0,
        open: None,
        others: 0,
        tidy: now,
    };
    thread::Builder::new().name("recorder".into()).spawn(move || writer.run())?;
    Ok(())
}

struct Writer {
    settings: RecorderSettings,
    run: RunId,
    queue: Arc<Queue>,
    files: Box<dyn Files>,
    compressor: Waker,
    /// Of the last segment that began.
    sequence: u64,
    open: Option<Open>,
    /// Bytes in other files than the open one, as of the last look.
    others: u64,
    /// When to look next what is too old.
    tidy: Instant,
}

/// The segment being written.
struct Open {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    name: SegmentName,
    bytes: u64,
    mark: Mark,
    /// Since when something was written that is not synced, and how many events.
    unsynced: Option<Instant>,
    unsynced_events: u64,
}

impl Writer {
    fn run(mut self) {
        loop {
            match self.queue.next(self.deadline()) {
                Next::Write(message) => {
                    let bytes = message.bytes();
                    match message {
                        Message::Begin(begin) => self.begin(*begin),
                        Message::Lines(lines) => self.lines(lines),
                        // Whoever asked may have gone.
                        Message::Where(asked) => drop(asked.try_send(self.position())),
                    }
                    self.queue.done(bytes);
                }
                Next::Retain(retention) => {
                    self.settings = self.settings.clone().with(retention);
                    self.tidy = Instant::now();
                }
                Next::Nothing => {}
                Next::End => break,
            }
            let now = Instant::now();
            if self.sync_due().is_some_and(|due| due <= now) {
                self.sync();
            }
            if self.tidy <= now || self.bytes() > self.settings.max_size {
                self.tidy = now + TIDY;
                self.tidy();
            }
        }
        // What is closed now the next recorder compresses: this one is to end soon.
        self.close();
        self.compressor.end();
        self.queue.end();
    }

    fn deadline(&self) -> Instant {
        self.sync_due().map_or(self.tidy, |due| due.min(self.tidy))
    }

    fn sync_due(&self) -> Option<Instant> {
        self.open.as_ref()?.unsynced.map(|since| since + self.settings.sync_interval)
    }

    fn bytes(&self) -> u64 {
        self.others.saturating_add(self.open.as_ref().map_or(0, |open| open.bytes))
    }

    fn begin(&mut self, begin: Begin) {
        let fresh = !begin.info.continues;
        if !fresh && self.open.is_none() {
            // What it continues is not there: a fresh one will come.
            return;
        }
        if self.close() {
            self.compressor.wake();
        }
        let created = self.create(begin, fresh);
        if created.is_ok() {
            self.sequence += 1;
        }
        let mut state = self.queue.lock();
        state.beginning &= !fresh;
        match created {
            Ok(open) => {
                self.open = Some(open);
                state.failed = false;
            }
            Err(error) => {
                state.failed = true;
                state.current = 0;
                let dir = self.settings.dir.display();
                state.status.error(format!("cannot begin a journal in {dir}: {error}"));
            }
        }
        drop(state);
        self.tidy = Instant::now();
    }

    fn create(&mut self, begin: Begin, fresh: bool) -> io::Result<Open> {
        let Begin { header, info, start, bytes, mark } = begin;
        let sequence = self.sequence + 1;
        let header = Header { segment: Some(SegmentInfo { sequence, ..info }), ..header };
        let mut text = serde_json::to_vec(&header)?;
        text.push(b'\n');
        text.extend(bytes);
        // A segment that can take no more than its own beginning helps nobody.
        let needed = text.len() as u64 + SPARE;
        while fresh && self.files.room(&self.settings.dir).is_ok_and(|room| room < needed) {
            if !self.make_room() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let name = SegmentName { start, run: self.run.clone(), sequence, end: None, compressed: false };
        let path = self.settings.dir.join(name.to_string());
        self.queue.lock().current = sequence;
        let file = loop {
            match self.files.create(&path) {
                Err(error) if is_full(&error) && self.make_room() => {}
                other => break other?,
            }
        };
        let mut open = Open { file, path, name, bytes: 0, mark, unsynced: None, unsynced_events: 0 };
        let (_, result) = self.append(&mut open, &text);
        // Its name has to outlive a loss of power as what is in it.
        match result.and_then(|()| sync_directory(&self.settings.dir)) {
            Ok(()) => Ok(open),
            Err(error) => {
                let _ = std::fs::remove_file(&open.path);
                Err(error)
            }
        }
    }

    fn lines(&mut self, lines: Lines) {
        let Some(mut open) = self.open.take() else {
            self.queue.lock().lost_writing(lines.events, 0);
            return;
        };
        let (written, result) = self.append(&mut open, &lines.bytes);
        let whole = lines.bytes[..written].iter().filter(|byte| **byte == b'\n').count() as u64;
        let whole = whole.min(lines.events);
        if result.is_ok() {
            open.mark = lines.mark;
        }
        open.unsynced_events += whole;
        let mut state = self.queue.lock();
        state.status.events_written += whole;
        state.status.bytes = self.others.saturating_add(open.bytes);
        self.open = Some(open);
        if let Err(error) = result {
            state.lost_writing(lines.events - whole, 0);
            drop(state);
            self.fail("writing", &error);
        }
    }

    /// The present segment as far as it is written. None where nothing is being written.
    fn position(&self) -> Option<Segment> {
        let Open { path, name, bytes, .. } = self.open.as_ref()?;
        let file = File::open(path).ok()?;
        let handed = Some(Handed::new(file, *bytes));
        Some(Segment { path: path.clone(), name: name.clone(), bytes: *bytes, handed })
    }

    /// Writes, making room where there is none, and says how much was written.
    fn append(&self, open: &mut Open, bytes: &[u8]) -> (usize, io::Result<()>) {
        let (written, result) = self.write(open, bytes);
        self.queue.lock().status.bytes_written += written as u64;
        (written, result)
    }

    fn write(&self, open: &mut Open, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < bytes.len() {
            match open.file.write(&bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(taken) => {
                    let taken = taken.min(bytes.len() - written);
                    written += taken;
                    open.bytes += taken as u64;
                    open.unsynced.get_or_insert_with(Instant::now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) && self.make_room() => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// Removes the oldest segment, if there is one besides that which is being written.
    fn make_room(&self) -> bool {
        match retain::remove_oldest(&self.settings.dir, &self.run, &self.queue) {
            Ok(removed) => removed,
            Err(error) => {
                self.queue.lock().status.error(error.to_string());
                false
            }
        }
    }

    fn sync(&mut self) {
        let Some(open) = &mut self.open else { return };
        open.unsynced = None;
        let events = std::mem::take(&mut open.unsynced_events);
        match open.file.sync() {
            Ok(()) => self.queue.lock().status.synced_until = Some(open.mark.at),
            Err(error) => {
                // What the kernel could not write it may have thrown away.
                self.queue.lock().lost_writing(events, events);
                self.fail("syncing", &error);
            }
        }
    }

    /// From here on the segment cannot be trusted: it is closed, and what comes is dropped until a fresh one begins.
    fn fail(&mut self, doing: &str, error: &io::Error) {
        if let Some(open) = self.open.take() {
            let mut state = self.queue.lock();
            state.status.error(format!("{doing} {} failed: {error}", open.path.display()));
            state.failed = true;
            drop(state);
            self.rename(&open);
        }
        self.queue.lock().current = 0;
        self.compressor.wake();
    }

    /// Ends the segment in good order, and says whether there was one.
    fn close(&mut self) -> bool {
        if self.open.as_ref().is_some_and(|open| open.unsynced.is_some()) {
            self.sync();
        }
        let Some(open) = self.open.take() else { return false };
        self.rename(&open);
        self.queue.lock().current = 0;
        true
    }

    fn rename(&self, open: &Open) {
        let closed = self.settings.dir.join(open.name.closed(open.mark.wall()).to_string());
        let renamed = std::fs::rename(&open.path, &closed).and_then(|()| sync_directory(&self.settings.dir));
        if let Err(error) = renamed {
            let path = open.path.display();
            self.queue
                .lock()
                .status
                .error(format!("cannot give {path} the name of a closed segment: {error}"));
        }
    }

    fn tidy(&mut self) {
        match retain::tidy(&self.settings, &self.run, &self.queue) {
            Ok(bytes) => self.others = bytes.saturating_sub(self.open.as_ref().map_or(0, |open| open.bytes)),
            Err(error) => self.queue.lock().status.error(error.to_string()),
        }
        self.compressor.wake();
    }
}
