//! The last event of a journal that nobody has closed.

use crate::event::{Event, Kind};
use crate::journal::line::{self, Line};
use crate::journal::{JournalError, Reader};
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// What is read of the file's end: it holds a whole line, whatever precedes it.
const TAIL: u64 = 2 * line::MAX as u64 + 2;

/// Wall-clock time of the last whole event of a journal that is not compressed; none if it has no event. An error says
/// that it cannot be read, or is no journal.
pub fn last_event(path: &Path) -> Result<Option<Timestamp>, JournalError> {
    let clock = Reader::open(path)?.header().clock;
    let tail = read_tail(path).map_err(|error| JournalError::Read { path: path.to_owned(), error })?;
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
pub(in crate::journal) fn is_barely_begun(path: &Path) -> io::Result<bool> {
    let (mut line, mut bytes) = (Vec::new(), 0);
    let first = line::read(&mut BufReader::new(File::open(path)?), &mut line, &mut bytes)?;
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
