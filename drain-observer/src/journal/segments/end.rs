//! The last event of a journal that nobody has closed.

use super::Segment;
use crate::event::{Event, Kind};
use crate::journal::line::{self, Line};
use crate::journal::{Content, JournalError};
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// What is read of the file's end: it holds a whole line, whatever precedes it.
const TAIL: u64 = 2 * line::MAX as u64 + 2;

/// Wall-clock time of the last whole event of a segment that is not compressed; none if it has no event. An error says
/// that it cannot be read, or is no journal.
pub fn last_event(segment: &Segment) -> Result<Option<Timestamp>, JournalError> {
    let clock = segment.open()?.header().clock;
    let tail = match &segment.handed {
        Some(file) => file.tail(TAIL),
        None => read_tail(&segment.path),
    };
    let tail = tail.map_err(|error| JournalError::Read { path: segment.path.clone(), error })?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = tail[..whole].split(|byte| *byte == b'\n');
    let events: Vec<Event> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let offset = events.iter().rev().find_map(|event| match event.event {
        Kind::ClockSet(set) => Some(set.wall_minus_boot_ns),
        _ => None,
    });
    let offset = offset.unwrap_or(clock.wall_minus_boot_ns);
    let last = events.iter().map(|event| event.at).max();
    Ok(last.and_then(|at| Timestamp::from_nanosecond(i128::from(at) + i128::from(offset)).ok()))
}

/// Whether a file ends within its first line, so that there can be no event in it.
pub(in crate::journal) fn is_barely_begun(segment: &Segment) -> io::Result<bool> {
    let (mut line, mut bytes) = (Vec::new(), 0);
    let file = match &segment.handed {
        Some(handed) => Content::from(handed),
        None => Content::File(File::open(&segment.path)?),
    };
    let first = line::read(&mut BufReader::new(file), &mut line, &mut bytes)?;
    Ok(matches!(first, Line::End | Line::Tail))
}

fn read_tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(tail)
}
