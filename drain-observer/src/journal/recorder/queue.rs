//! What lies between who takes events in and who writes them.

use super::Retention;
use super::status::{RecorderStatus, WRITE_FAILED};
use crate::event::BootNs;
use crate::journal::{Header, Segment, SegmentInfo};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// About what a header takes.
const HEADER: usize = 1 << 10;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Message {
    Begin(Box<Begin>),
    Lines(Lines),
    /// Says where the lines before it are.
    Where(SyncSender<Option<Segment>>),
}

/// A new segment.
#[derive(Debug)]
pub(super) struct Begin {
    /// Its header, but for the number, which the writer gives.
    pub(super) header: Header,
    pub(super) info: SegmentInfo,
    pub(super) start: Timestamp,
    /// The recap's lines.
    pub(super) bytes: Vec<u8>,
    pub(super) mark: Mark,
}

/// Events of the present segment.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) events: u64,
    pub(super) mark: Mark,
}

/// The time of the last event so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) at: BootNs,
    pub(super) wall_minus_boot_ns: i64,
}

impl Mark {
    pub(super) fn wall(self) -> Timestamp {
        let wall = i128::from(self.at) + i128::from(self.wall_minus_boot_ns);
        Timestamp::from_nanosecond(wall).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Message {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Begin(begin) => begin.bytes.len() + HEADER,
            Self::Lines(lines) => lines.bytes.len(),
            Self::Where(_) => 0,
        }
    }
}

/// The queue and the state that both sides share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    messages: VecDeque<Message>,
    /// What the writer is to keep from now on, where it does not know yet.
    retention: Option<Retention>,
    /// Bytes in the queue and in the writer's hands.
    pub(super) queued: usize,
    /// There is no segment to write into: lines are dropped until a segment begins that does not continue another.
    pub(super) failed: bool,
    /// Such a segment is in the queue.
    pub(super) beginning: bool,
    /// Number of the segment being written, which nobody else may touch; 0 = none.
    pub(super) current: u64,
    /// Events that could not be written, and were not told yet.
    pub(super) lost: u64,
    pub(super) status: RecorderStatus,
    closing: bool,
    ended: bool,
}

impl State {
    /// Counts events that are not in the journal. `written` of them had been counted as written.
    pub(super) fn lost_writing(&mut self, events: u64, written: u64) {
        self.lost = self.lost.saturating_add(events);
        self.status.events_written = self.status.events_written.saturating_sub(written);
        self.status.drop_events(WRITE_FAILED, events);
    }
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) enum Next {
    Write(Message),
    /// So much is to be kept from now on.
    Retain(Retention),
    /// Nothing came for as long as asked.
    Nothing,
    /// Everything is written and nothing more will come.
    End,
}

impl Queue {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in, if it fits or is alone.
    pub(super) fn push(&self, message: Message, capacity: usize) -> bool {
        let mut state = self.lock();
        let bytes = message.bytes();
        if state.queued > 0 && state.queued.saturating_add(bytes) > capacity {
            return false;
        }
        state.queued = state.queued.saturating_add(bytes);
        if let Message::Begin(begin) = &message {
            state.beginning |= !begin.info.continues;
        }
        state.messages.push_back(message);
        // Or the writer would be woken only to wait for the lock.
        drop(state);
        self.filled.notify_one();
        true
    }

    /// Has the writer keep so much, before it writes anything more.
    pub(super) fn retain(&self, retention: Retention) {
        self.lock().retention = Some(retention);
        self.filled.notify_one();
    }

    /// The next message, for which it is waited until `deadline`.
    pub(super) fn next(&self, deadline: Instant) -> Next {
        let mut state = self.lock();
        loop {
            if let Some(retention) = state.retention.take() {
                return Next::Retain(retention);
            }
            if let Some(message) = state.messages.pop_front() {
                return Next::Write(message);
            }
            if state.closing {
                return Next::End;
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Next::Nothing;
            }
            state = self.filled.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A message of so many bytes is done with.
    pub(super) fn done(&self, bytes: usize) {
        let mut state = self.lock();
        state.queued = state.queued.saturating_sub(bytes);
    }

    /// Nothing more will be put in.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.filled.notify_all();
    }

    /// Whether nothing more will be put in.
    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// The writer has ended.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.written.notify_all();
    }

    /// Waits until the writer has ended, and says whether it has.
    pub(super) fn wait_until_written(&self, limit: Duration) -> bool {
        let state = self.lock();
        let waited = self.written.wait_timeout_while(state, limit, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}
