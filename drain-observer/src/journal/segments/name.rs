//! What a segment's file name says.

use jiff::Timestamp;
use std::fmt;

const PREFIX: &str = "drain-observer-";
const SUFFIX: &str = ".journal";
const COMPRESSED: &str = ".zst";
const TIME: &str = "%Y%m%dT%H%M%S.%3fZ";
/// Characters of the boot id in a name.
const BOOT: usize = 8;
/// No file name is longer.
const MAX: usize = 255;

/// From the recorder's start to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// First eight characters of the kernel's id of the boot.
    pub boot: String,
    /// Milliseconds from boot to the recorder's start.
    pub run: u64,
}

/// The name of a segment's file, as
/// `drain-observer-20260102T030405.006Z-3f2a9c01-81234-7-20260102T040405.006Z.journal.zst`: beginning, boot, run,
/// number, end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentName {
    /// Wall-clock time of its beginning, to the millisecond, rounded down.
    pub start: Timestamp,
    /// Which run of which recorder wrote it.
    pub run: RunId,
    /// Its number in this run, from 1 on.
    pub sequence: u64,
    /// Wall-clock time of its last event, to the millisecond, rounded up; none = it was not closed.
    pub end: Option<Timestamp>,
    /// It is compressed with zstd.
    pub compressed: bool,
}

impl RunId {
    /// A run that began so many milliseconds after this boot.
    pub fn new(boot_id: &str, run: u64) -> Self {
        let boot = boot_id.chars().filter(char::is_ascii_alphanumeric).take(BOOT);
        let boot: String = boot.map(|char| char.to_ascii_lowercase()).collect();
        Self { boot: if boot.is_empty() { "unknown".into() } else { boot }, run }
    }
}

impl SegmentName {
    /// Reads a file name; none if it is not exactly one that [`fmt::Display`] writes.
    pub fn parse(name: &str) -> Option<Self> {
        if name.len() > MAX {
            return None;
        }
        let rest = name.strip_prefix(PREFIX)?;
        let (rest, compressed) = match rest.strip_suffix(COMPRESSED) {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let mut parts = rest.strip_suffix(SUFFIX)?.split('-');
        let start = parts.next()?.parse().ok()?;
        let run = RunId { boot: parts.next()?.to_owned(), run: parts.next()?.parse().ok()? };
        let sequence = parts.next()?.parse().ok()?;
        let end = match parts.next() {
            Some(end) => Some(end.parse().ok()?),
            None => None,
        };
        let parsed = Self { start, run, sequence, end, compressed };
        let plain = parsed.run.boot.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        // Two names for one segment would make it two.
        (plain && parsed.to_string() == name).then_some(parsed)
    }

    /// The name once the segment's last event is known. `end` is rounded up.
    pub fn closed(&self, end: Timestamp) -> Self {
        let part = end.as_nanosecond().rem_euclid(MILLISECOND);
        let up = if part == 0 { 0 } else { MILLISECOND - part };
        let end = Timestamp::from_nanosecond(end.as_nanosecond() + up).unwrap_or(Timestamp::MAX);
        Self { end: Some(end.max(self.start)), ..self.clone() }
    }

    /// The name once it is compressed.
    pub fn compressed(&self) -> Self {
        Self { compressed: true, ..self.clone() }
    }
}

const MILLISECOND: i128 = 1_000_000;

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, run: RunId { boot, run }, sequence, end, compressed } = self;
        write!(f, "{PREFIX}{}-{boot}-{run}-{sequence}", start.strftime(TIME))?;
        if let Some(end) = end {
            write!(f, "-{}", end.strftime(TIME))?;
        }
        write!(f, "{SUFFIX}{}", if *compressed { COMPRESSED } else { "" })
    }
}
