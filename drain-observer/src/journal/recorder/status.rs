//! How a recorder does.

use crate::event::BootNs;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Reason of events that came faster than the disk took them.
pub const QUEUE_FULL: &str = "queue_full";
/// Reason of events that the disk did not take.
pub const WRITE_FAILED: &str = "write_failed";

/// How a recorder does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecorderStatus {
    /// Bytes of all segments on disk, those of earlier recorders too.
    pub bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Wall-clock time from which on there are segments.
    pub oldest: Option<Timestamp>,
    /// Bytes written since this recorder began, before compression.
    pub bytes_written: u64,
    /// Events written since this recorder began.
    pub events_written: u64,
    /// Events dropped since this recorder began, by reason: [`QUEUE_FULL`], [`WRITE_FAILED`].
    pub events_dropped: BTreeMap<&'static str, u64>,
    /// What failed since this recorder began: each attempt to write, sync, remove or compress.
    pub errors: u64,
    /// The last of these, in words.
    pub last_error: Option<String>,
    /// Nothing can be written now.
    pub failing: bool,
    /// Bytes that wait for being written.
    pub queued_bytes: u64,
    /// Events up to this time outlive a loss of power.
    pub synced_until: Option<BootNs>,
}

impl RecorderStatus {
    /// How many events were dropped.
    pub fn dropped(&self) -> u64 {
        self.events_dropped.values().sum()
    }

    pub(super) fn drop_events(&mut self, reason: &'static str, events: u64) {
        if events > 0 {
            *self.events_dropped.entry(reason).or_default() += events;
        }
    }

    pub(super) fn error(&mut self, error: String) {
        self.errors += 1;
        if self.last_error.as_ref() != Some(&error) {
            log::warn!("flight recorder: {error}; observing goes on");
            self.last_error = Some(error);
        }
    }
}
