//! Reading a journal, whatever has happened to it.

use super::{
    Events, Header, Input, JournalError, VERSION,
    line::{self, Line},
};
use crate::event::Event;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::{
    io::{BufRead, Read as _},
    path::{Path, PathBuf},
};

/// What reading a journal found besides its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events read.
    pub events: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Lines that are not whole, too long or not ours.
    pub broken_lines: u64,
    /// Events of a kind or shape that this version does not know.
    pub unknown_events: u64,
    /// The file ends within a line: its writer was cut off, or is still writing.
    pub tail_cut: bool,
    /// What follows is there, and was not asked for.
    pub followed: bool,
}

/// Reads a journal: its header at once, then its events as an iterator. An error ends the iteration; lines that
/// cannot be understood do not, they are counted in [`Reader::stats`].
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    path: PathBuf,
    header: Header,
    stats: Stats,
    line: Vec<u8>,
    ended: bool,
}

impl Reader<Input> {
    /// Opens a journal file, compressed or not.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::new(Input::open(path)?, path)
    }

    /// Bytes of the file, as it is on the disk, that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.input.position()
    }

    /// Whether a compressed file could not be read to its end.
    pub(super) fn is_damaged(&self) -> bool {
        self.input.damage().is_some()
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the header. `path` is what errors call the input.
    pub fn new(mut input: R, path: &Path) -> Result<Self, JournalError> {
        let path = path.to_owned();
        let mut stats = Stats::default();
        let mut line = Vec::new();
        // What has no end of line at all, as a device, is not read to its end.
        let mut start = (&mut input).take(line::MAX as u64 + 1);
        let first = match line::read(&mut start, &mut line, &mut stats.bytes) {
            Ok(first) => first,
            Err(error) => return Err(JournalError::Read { path, error }),
        };
        if first == Line::End {
            return Err(JournalError::Empty { path });
        }
        let header = parse_header(&line, &path)?;
        Ok(Self { input, path, header, stats, line, ended: false })
    }

    /// The journal's first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was found so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The event of the line in the buffer, if it has one.
    fn parse_event(&mut self, whole: bool) -> Option<Event> {
        match serde_json::from_slice(&self.line) {
            Ok(event) => {
                self.stats.events += 1;
                return Some(event);
            }
            Err(_) if self.line.iter().all(u8::is_ascii_whitespace) => {}
            Err(_) if !whole => self.stats.tail_cut = true,
            Err(_) if serde_json::from_slice::<AnyEvent>(&self.line).is_ok() => {
                self.stats.unknown_events += 1
            }
            Err(_) => self.stats.broken_lines += 1,
        }
        None
    }
}

impl<R: BufRead> Events for Reader<R> {
    fn header(&self) -> &Header {
        self.header()
    }

    fn stats(&self) -> Stats {
        self.stats
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let event = match line::read(&mut self.input, &mut self.line, &mut self.stats.bytes) {
                Ok(Line::Whole) => self.parse_event(true),
                Ok(Line::Tail) => self.parse_event(false),
                Ok(Line::TooLong) => {
                    self.stats.broken_lines += 1;
                    None
                }
                Ok(Line::End) => {
                    self.ended = true;
                    None
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(JournalError::Read { path: self.path.clone(), error }));
                }
            };
            if let Some(event) = event {
                return Some(Ok(event));
            }
        }
        None
    }
}

/// Has the shape of an event, of whatever kind.
#[derive(Deserialize)]
struct AnyEvent {
    #[serde(rename = "at")]
    _at: IgnoredAny,
    #[serde(rename = "event")]
    _event: IgnoredAny,
}

fn parse_header(line: &[u8], path: &Path) -> Result<Header, JournalError> {
    const MARK: &[u8] = b"\"drain_observer_journal\"";

    /// The mark alone, so that a newer header's other fields do not matter.
    #[derive(Deserialize)]
    struct Mark {
        drain_observer_journal: u64,
    }

    match serde_json::from_slice(line) {
        Ok(Mark { drain_observer_journal: found }) if found > VERSION => {
            return Err(JournalError::Newer { path: path.to_owned(), found });
        }
        Ok(_) => {}
        Err(_) if !line.windows(MARK.len()).any(|window| window == MARK) => {
            return Err(JournalError::Foreign { path: path.to_owned() });
        }
        Err(error) => return Err(JournalError::Header { path: path.to_owned(), reason: error.to_string() }),
    }
    serde_json::from_slice(line)
        .map_err(|error| JournalError::Header { path: path.to_owned(), reason: error.to_string() })
}
