//! What can go wrong with a journal, said for a person who wants to read it now.

use super::VERSION;
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why a journal cannot be read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file cannot be opened.
    #[error("cannot open the journal {path}: {error}; check the path and its permissions", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The path is a directory.
    #[error(
        "{path} is a directory; give the file that `drain-observer record --output` wrote, or --journal-dir {path} \
         if a flight recorder did",
        path = path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The file could be opened but not read to its end.
    #[error("reading the journal {path} failed: {error}; copy the file to a healthy disk and try again", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nothing is in it.
    #[error(
        "{path} is empty, so nothing was recorded: `record` writes its first line before it attaches; \
         see what it said, or whether the disk was full",
        path = path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error(
        "{path} is not a drain-observer journal (its first line is not our header); \
         give the file that `drain-observer record --output` wrote",
        path = path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The header is ours but cannot be understood.
    #[error(
        "the first line of the journal {path}, its header, is damaged or cut off ({reason}); \
         without it times and host are unknown: restore the line, or record again",
        path = path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// A later version wrote it.
    #[error(
        "{path} was written by a newer drain-observer (journal version {found}, this one reads up to {VERSION}): \
         use that version or newer",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// A flight recorder's directory cannot be looked into.
    #[error("cannot look into {path}: {error}; give the directory of a flight recorder", path = path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There are no segments.
    #[error(
        "no flight recorder has written into {path}: give the --journal-dir of `drain-observer serve`, or a copy of it",
        path = path.display()
    )]
    NoSegments {
        /// The directory.
        path: PathBuf,
    },
    /// There are segments, and none can be read.
    #[error("no segment of the flight recorder can be read{}", if problems.is_empty() { String::new() } else { format!(": {problems}") })]
    NothingReadable {
        /// Why, one after the other.
        problems: String,
    },
    /// An old segment cannot be removed.
    #[error("cannot remove the old journal {path}: {error}", path = path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Events could not be written. Writing may go on: what comes later starts on a line of its own.
#[derive(Debug, Error)]
#[error("writing the journal failed (events lost by it: {lost})")]
pub struct WriteError {
    /// Events that are not, or not wholly, in the journal because of this error.
    pub lost: u64,
    /// What the system said.
    pub source: io::Error,
}
