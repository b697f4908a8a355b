//! What a recorder is told.

use super::RecorderError;
use crate::event::BootNs;
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// What a recorder is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderSettings {
    /// The directory of its segments, made where it does not exist, and nobody else's.
    pub dir: PathBuf,
    /// Bytes that all segments together may take: at least 4 MiB. Exceeded at most by what is being written at once,
    /// and for a moment by what is being compressed.
    pub max_size: u64,
    /// Segments whose last event is older are removed: at least one minute.
    pub max_age: Duration,
    /// What was written is on the disk, whatever happens, after this time: at least 10 ms.
    pub sync_interval: Duration,
    /// Bytes that may wait for being written.
    pub queue_bytes: usize,
}

/// How much is kept and how soon it is safe: what can be changed while a recorder runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// As [`RecorderSettings::max_size`].
    pub max_size: u64,
    /// As [`RecorderSettings::max_age`].
    pub max_age: Duration,
    /// As [`RecorderSettings::sync_interval`].
    pub sync_interval: Duration,
}

impl RecorderSettings {
    /// The least [`RecorderSettings::max_size`].
    pub const LEAST_SIZE: u64 = 4 * MIB;
    /// The least [`RecorderSettings::max_age`].
    pub const LEAST_AGE: Duration = Duration::from_secs(60);
    /// The least [`RecorderSettings::sync_interval`].
    pub const LEAST_SYNC_INTERVAL: Duration = Duration::from_millis(10);

    /// The default, in this directory.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            max_size: 256 * MIB,
            max_age: Duration::from_secs(7 * 24 * 3_600),
            sync_interval: Duration::from_secs(1),
            queue_bytes: 8 << 20,
        }
    }

    /// How much is kept.
    pub fn retention(&self) -> Retention {
        let Self { max_size, max_age, sync_interval, .. } = *self;
        Retention { max_size, max_age, sync_interval }
    }

    /// The same with so much kept.
    #[must_use]
    pub fn with(self, retention: Retention) -> Self {
        let Retention { max_size, max_age, sync_interval } = retention;
        Self { max_size, max_age, sync_interval, ..self }
    }

    /// Bytes after which a segment is closed.
    pub fn segment_size(&self) -> u64 {
        (self.max_size / 16).clamp(MIB, 16 * MIB)
    }

    /// Nanoseconds after which a segment is closed, so that age can remove it.
    pub(super) fn segment_age(&self) -> BootNs {
        BootNs::try_from((self.max_age / 16).as_nanos()).unwrap_or(BootNs::MAX)
    }

    pub(super) fn check(&self) -> Result<(), RecorderError> {
        let wrong = |what, least, given| Err(RecorderError::TooLittle { what, least, given });
        if self.max_size < Self::LEAST_SIZE {
            return wrong("size of the flight recorder", "4 MiB", format!("{} bytes", self.max_size));
        }
        if self.max_age < Self::LEAST_AGE {
            return wrong("age of its segments", "1m", format!("{:?}", self.max_age));
        }
        if self.sync_interval < Self::LEAST_SYNC_INTERVAL {
            return wrong("sync interval", "10ms", format!("{:?}", self.sync_interval));
        }
        Ok(())
    }
}
