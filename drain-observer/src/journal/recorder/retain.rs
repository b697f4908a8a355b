//! Which segments have to go.

use super::RecorderSettings;
use super::queue::Queue;
use crate::clock;
use crate::journal::JournalError;
use crate::journal::segments::{Catalog, RunId, Segment};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::io;
use std::path::Path;

/// Removes what is too old or too much, the oldest first, and says how many bytes are left.
pub(super) fn tidy(settings: &RecorderSettings, run: &RunId, queue: &Queue) -> Result<u64, JournalError> {
    let catalog = Catalog::read(&settings.dir)?;
    let age = SignedDuration::try_from(settings.max_age).unwrap_or(SignedDuration::MAX);
    let limit = now().saturating_sub(age).unwrap_or(Timestamp::MIN);
    let mut bytes = catalog.bytes();
    let mut kept = Vec::new();
    for segment in catalog.segments() {
        let last = segment.name.end.unwrap_or(segment.name.start);
        let unwanted = last < limit || bytes > settings.max_size;
        if unwanted && !is_current(segment, run, queue) && remove(segment)? {
            bytes = bytes.saturating_sub(segment.bytes);
        } else {
            kept.push(segment);
        }
    }
    let mut state = queue.lock();
    state.status.bytes = bytes;
    state.status.segments = kept.len() as u64;
    state.status.oldest = kept.iter().map(|segment| segment.name.start).min();
    Ok(bytes)
}

/// Removes the oldest segment but the present one, and says whether there was one.
pub(super) fn remove_oldest(dir: &Path, run: &RunId, queue: &Queue) -> Result<bool, JournalError> {
    let catalog = Catalog::read(dir)?;
    for segment in catalog.twins().iter().chain(catalog.segments()) {
        if !is_current(segment, run, queue) && remove(segment)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this is the segment that is being written.
pub(super) fn is_current(segment: &Segment, run: &RunId, queue: &Queue) -> bool {
    let name = &segment.name;
    name.run == *run && name.sequence == queue.lock().current
}

/// Removes a file, and says whether it was still there.
fn remove(segment: &Segment) -> Result<bool, JournalError> {
    match fs::remove_file(&segment.path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(JournalError::Remove { path: segment.path.clone(), error }),
    }
}

fn now() -> Timestamp {
    let now = i128::from(clock::boot_ns()) + i128::from(clock::wall_minus_boot_ns());
    Timestamp::from_nanosecond(now).unwrap_or(Timestamp::UNIX_EPOCH)
}
