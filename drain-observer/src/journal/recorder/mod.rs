//! The flight recorder: journal segments in a directory, bounded by size and age. Events are taken in without ever
//! waiting for the disk: a thread writes them, another compresses what is closed. What does not fit is dropped and
//! counted, and a segment after a loss says so.

mod compress;
mod directory;
mod disk;
mod error;
mod queue;
mod retain;
mod settings;
mod status;
#[cfg(test)]
mod tests;
mod writer;

pub use directory::RecorderDirectory;
pub use error::{RecorderError, Unfinished};
pub use settings::{RecorderSettings, Retention};
pub use status::{QUEUE_FULL, RecorderStatus, WRITE_FAILED};

use super::segments::RunId;
use super::{Clock, Header, Segment, SegmentInfo};
use crate::clock;
use crate::event::{BootNs, Event, Kind, Lost};
use disk::{Disk, Files, Lock};
use jiff::Timestamp;
use queue::{Begin, Lines, Mark, Message, Queue};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Lines that are handed to the writer without waiting for [`Recorder::settle`], in bytes.
const BATCH: usize = 1 << 16;
/// First and longest wait before writing is tried again after it failed.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// Takes events in and has them written.
#[derive(Debug)]
pub struct Recorder {
    settings: RecorderSettings,
    /// What every segment's header is made from.
    header: Header,
    run: u64,
    queue: Arc<Queue>,
    batch: Vec<u8>,
    events: u64,
    mark: Mark,
    /// Bytes of events in the present segment, and when it began.
    given: u64,
    began: BootNs,
    gap: Option<Gap>,
    retry: Duration,
    /// Dropped for want of room in the queue, and not returned by `settle` yet.
    dropped: u64,
    _lock: Lock,
}

/// The state of a recorder, for who shows it.
#[derive(Clone, Debug)]
pub struct RecorderMonitor(Arc<Queue>);

/// Events are being dropped.
#[derive(Clone, Copy, Debug)]
enum Gap {
    /// Until there is room in the queue.
    QueueFull,
    /// Until writing is tried again.
    WriteFailed(Instant),
}

impl Recorder {
    /// Takes possession of the directory and begins its first segment. What an earlier recorder has left there is
    /// brought in order in the background. A disk that is full does not make this fail. `header` says what is
    /// recorded; its times are replaced.
    pub fn start(settings: RecorderSettings, header: Header) -> Result<Self, RecorderError> {
        let directory = RecorderDirectory::claim(&settings)?;
        Self::start_in(directory, settings, header)
    }

    /// As [`Recorder::start`], in a directory that is claimed already: the settings'.
    pub fn start_in(
        directory: RecorderDirectory,
        settings: RecorderSettings,
        header: Header,
    ) -> Result<Self, RecorderError> {
        Self::start_on(directory, settings, header, Box::new(Disk))
    }

    fn start_on(
        directory: RecorderDirectory,
        settings: RecorderSettings,
        header: Header,
        files: Box<dyn Files>,
    ) -> Result<Self, RecorderError> {
        let now = clock::boot_ns();
        let run = now / 1_000_000;
        let queue = Arc::new(Queue::default());
        writer::spawn(&settings, RunId::new(&header.host.boot_id, run), Arc::clone(&queue), files)?;
        let mut recorder = Self {
            settings,
            header,
            run,
            queue,
            batch: Vec::new(),
            events: 0,
            mark: Mark { at: 0, wall_minus_boot_ns: clock::wall_minus_boot_ns() },
            given: 0,
            began: now,
            gap: None,
            retry: RETRY.0,
            dropped: 0,
            _lock: directory.lock,
        };
        recorder.begin(Vec::new(), false);
        Ok(recorder)
    }

    /// Takes an event in. Never waits.
    pub fn write(&mut self, event: &Event) {
        if let Some(gap) = self.gap {
            self.drop_events(gap, 1);
            return;
        }
        let whole = self.batch.len();
        if serde_json::to_writer(&mut self.batch, event).is_err() {
            self.batch.truncate(whole);
            self.queue.lock().lost_writing(1, 0);
            return;
        }
        self.batch.push(b'\n');
        self.events += 1;
        self.mark.at = self.mark.at.max(event.at);
        if let Kind::ClockSet(set) = &event.event {
            self.mark.wall_minus_boot_ns = set.wall_minus_boot_ns;
        }
        if self.batch.len() >= BATCH {
            self.hand_over();
        }
    }

    /// Hands what was taken in to the writer, and begins a new segment where one is due: not while `busy`, unless
    /// the present one has twice its size. `recap` gives the events that say what is known now. Never waits.
    ///
    /// What was dropped is returned once there is a segment again that can hold it.
    pub fn settle(&mut self, busy: bool, recap: impl FnOnce() -> Vec<Event>) -> Option<Lost> {
        self.hand_over();
        self.notice_failure();
        if self.gap.is_some() {
            if self.may_try_again() && self.begin(recap(), false) {
                self.gap = None;
            }
            return None;
        }
        if self.is_rotation_due(busy) {
            self.begin(recap(), true);
        }
        self.tell_lost()
    }

    /// Where everything that was taken in so far is: the segment that is being written, up to its last byte then. The
    /// answer comes when the writer gets to it; `None` where nothing is being written.
    pub fn locate(&mut self) -> Receiver<Option<Segment>> {
        self.hand_over();
        let (answer, answered) = mpsc::sync_channel(1);
        if self.gap.is_some() || !self.queue.push(Message::Where(answer.clone()), self.settings.queue_bytes) {
            // There is room for one, and nobody else has it.
            let _ = answer.try_send(None);
        }
        answered
    }

    /// Has so much be kept from now on. The thread that writes hears of it soon; nothing is lost by it.
    pub fn retain(&mut self, retention: Retention) -> Result<(), RecorderError> {
        let settings = self.settings.clone().with(retention);
        settings.check()?;
        self.settings = settings;
        self.queue.retain(retention);
        Ok(())
    }

    /// How it goes.
    pub fn monitor(&self) -> RecorderMonitor {
        RecorderMonitor(Arc::clone(&self.queue))
    }

    /// Writes and syncs everything, for at most `limit`. What is not compressed yet is compressed by the next recorder.
    pub fn finish(mut self, limit: Duration) -> Result<RecorderStatus, Unfinished> {
        self.hand_over();
        self.queue.close();
        let written = self.queue.wait_until_written(limit);
        let status = self.queue.lock().status.clone();
        if written { Ok(status) } else { Err(Unfinished { dir: self.settings.dir.clone(), limit }) }
    }

    /// Queues what was taken in, or drops it.
    fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let capacity = self.batch.capacity();
        let bytes = std::mem::replace(&mut self.batch, Vec::with_capacity(capacity));
        let (length, events) = (bytes.len() as u64, std::mem::take(&mut self.events));
        let lines = Lines { bytes, events, mark: self.mark };
        if self.queue.push(Message::Lines(lines), self.settings.queue_bytes) {
            self.given += length;
        } else {
            self.gap = Some(Gap::QueueFull);
            self.drop_events(Gap::QueueFull, events);
        }
    }

    fn drop_events(&mut self, gap: Gap, events: u64) {
        let mut state = self.queue.lock();
        match gap {
            Gap::QueueFull => {
                self.dropped += events;
                state.status.drop_events(QUEUE_FULL, events);
            }
            Gap::WriteFailed(_) => state.lost_writing(events, 0),
        }
    }

    fn notice_failure(&mut self) {
        let state = self.queue.lock();
        match self.gap {
            Some(Gap::WriteFailed(_)) => {}
            // While a segment is beginning it is not known yet.
            _ if state.failed && !state.beginning => {
                self.gap = Some(Gap::WriteFailed(Instant::now() + self.retry));
                self.retry = (self.retry * 2).min(RETRY.1);
            }
            Some(Gap::QueueFull) => {}
            None if !state.beginning => self.retry = RETRY.0,
            None => {}
        }
    }

    fn may_try_again(&self) -> bool {
        match self.gap {
            Some(Gap::QueueFull) => self.queue.lock().queued <= self.settings.queue_bytes / 2,
            Some(Gap::WriteFailed(at)) => Instant::now() >= at,
            None => false,
        }
    }

    fn is_rotation_due(&self, busy: bool) -> bool {
        let size = self.settings.segment_size();
        let old = self.mark.at.saturating_sub(self.began) >= self.settings.segment_age();
        if busy { self.given >= 2 * size } else { self.given >= size || old && self.given > 0 }
    }

    /// Queues the beginning of a segment, unless there is no room.
    fn begin(&mut self, recap: Vec<Event>, continues: bool) -> bool {
        let now = clock::boot_ns();
        let wall_minus_boot_ns = clock::wall_minus_boot_ns();
        let wall = i128::from(now) + i128::from(wall_minus_boot_ns);
        let start = Timestamp::from_nanosecond(wall).unwrap_or(Timestamp::UNIX_EPOCH);
        let lines: Vec<_> = recap.iter().filter_map(|event| serde_json::to_vec(event).ok()).collect();
        let info = SegmentInfo { run: self.run, sequence: 0, recap: lines.len() as u64, continues };
        let header = Header {
            created_at: format!("{start:.9}"),
            clock: Clock { wall_minus_boot_ns, ..self.header.clock },
            segment: Some(info),
            ..self.header.clone()
        };
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            bytes.extend(line);
            bytes.push(b'\n');
        }
        let mark = Mark { at: self.mark.at, wall_minus_boot_ns };
        let message = Message::Begin(Box::new(Begin { header, info, start, bytes, mark }));
        let begun = self.queue.push(message, self.settings.queue_bytes);
        if begun {
            (self.given, self.began) = (0, now);
            self.mark = mark;
        }
        begun
    }

    /// What was lost is told when it is certain that there is a segment to tell it in.
    fn tell_lost(&mut self) -> Option<Lost> {
        let mut state = self.queue.lock();
        if state.failed || state.beginning {
            return None;
        }
        let (reason, count) = match std::mem::take(&mut self.dropped) {
            0 => (WRITE_FAILED, std::mem::take(&mut state.lost)),
            count => (QUEUE_FULL, count),
        };
        (count > 0).then(|| Lost { what: "journal".to_owned(), reason: reason.to_owned(), count })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl RecorderMonitor {
    /// How it goes now.
    pub fn status(&self) -> RecorderStatus {
        let state = self.0.lock();
        RecorderStatus { queued_bytes: state.queued as u64, failing: state.failed, ..state.status.clone() }
    }
}
