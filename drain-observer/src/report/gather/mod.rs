//! Everything that journals tell, whichever and wherever they are: files, and the directories of flight recorders.

mod blind;
mod inputs;
#[cfg(test)]
mod tests;

pub use inputs::Inputs;

use super::{Moment, Options, Replayed, Report, Reversed, Source, Span, WallClock, build};
use crate::journal::{Break, Events as _, JournalError, Pending, Reader, SegmentInfo, Stats};
use inputs::{Input, Named};
use jiff::{SignedDuration, Timestamp};
use std::io::BufRead;
use std::path::Path;
use thiserror::Error;

/// Why journals give no report.
#[derive(Debug, Error)]
pub enum Ungathered {
    /// One of them cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The time asked for ends before it begins.
    #[error(transparent)]
    Reversed(#[from] Reversed),
}

/// Something that was observed without a break, with what is known of its place among the others.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    /// What it says.
    pub(super) replayed: Replayed,
    /// Its first segment's place, and its last one's, where a flight recorder wrote it.
    place: Option<(SegmentInfo, SegmentInfo)>,
    ended: Break,
    notes: Vec<String>,
}

/// How far reading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes of files read.
    pub read: u64,
    /// Bytes of files to read; 0 = not known.
    pub size: u64,
    /// Events of the present journal.
    pub events: u64,
}

/// Reads journals and reports them: a report for each stretch of time that was observed without a break, in the order
/// of the files, then of the directories and of time. `progress` is called now and then.
///
/// A duration before the end counts back from the newest event of all. Of a directory only what the time asked for
/// needs is read.
pub fn gather(
    inputs: Inputs,
    options: &Options,
    stdin: impl BufRead,
    mut progress: impl FnMut(&Path, Reading),
) -> Result<Vec<Report>, Ungathered> {
    let keep_all = options.connections == super::ConnectionChoice::All;
    let size = inputs.bytes();
    let mut gathered = Vec::new();
    let mut stdin = Some(stdin);
    let mut done = 0;
    for Named { path, input } in inputs.into_named() {
        match input {
            Input::Stdin => {
                let Some(stdin) = stdin.take() else { continue };
                let replayed = super::replay(Reader::new(stdin, &path)?, keep_all, |reader| {
                    progress(&path, Reading { read: 0, size: 0, events: reader.stats().events });
                })?;
                gathered.push(Gathered { replayed, place: None, ended: Break::End, notes: Vec::new() });
            }
            Input::Files { mut pending, alone } => {
                let tell = |read: u64, stats: Stats| {
                    progress(&path, Reading { read: done + read, size, events: stats.events });
                };
                play(&mut pending, alone, keep_all, tell, &mut gathered)?;
                done += pending.read();
            }
        }
    }
    let notes = blind::notes(&gathered);
    let span = resolve(options.span, &gathered);
    let options = Options { span, ..options.clone() };
    gathered.iter().zip(notes).map(|(one, blind)| one.report(&options, blind)).collect()
}

fn play(
    pending: &mut Pending,
    alone: bool,
    keep_all: bool,
    mut tell: impl FnMut(u64, Stats),
    gathered: &mut Vec<Gathered>,
) -> Result<(), JournalError> {
    let first = gathered.len();
    while let Some(mut stretch) = pending.next_stretch(alone)? {
        let began = stretch.header().segment;
        let replayed = super::replay(&mut stretch, keep_all, |stretch| {
            tell(stretch.bytes_read(), stretch.stats());
        })?;
        let (ended, last) = stretch.end();
        gathered.push(Gathered { replayed, place: began.zip(last), ended, notes: Vec::new() });
    }
    let problems = pending.take_problems();
    if let Some(one) = gathered.get_mut(first) {
        one.notes = problems;
        Ok(())
    } else {
        Err(pending.nothing(problems))
    }
}

/// A duration before the end is one before the newest event of all.
fn resolve(span: Span, gathered: &[Gathered]) -> Span {
    let newest = gathered.iter().map(|one| one.replayed.clock.timestamp(one.replayed.snapshot.at)).max();
    let resolve = |moment| match (moment, newest) {
        (Moment::BeforeEnd(ns), Some(newest)) => Moment::At(before(newest, ns)),
        (moment, _) => moment,
    };
    Span { since: span.since.map(resolve), until: span.until.map(resolve) }
}

/// So many nanoseconds before.
fn before(time: Timestamp, ns: u64) -> Timestamp {
    let duration = SignedDuration::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX));
    time.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}

impl Gathered {
    fn report(&self, options: &Options, blind: Vec<blind::Blind>) -> Result<Report, Ungathered> {
        let Replayed { header, snapshot, clock, stats } = &self.replayed;
        let source = Source { header, snapshot, clock, journal: Some(stats) };
        let mut report = build(source, options)?;
        let blind = blind.iter().filter(|blind| blind.touches(options.span)).map(ToString::to_string);
        let notes: Vec<String> = self.notes.iter().cloned().chain(blind).collect();
        report.completeness.complete &= notes.is_empty();
        report.completeness.notes.splice(0..0, notes);
        Ok(report)
    }

    fn clock(&self) -> &WallClock {
        &self.replayed.clock
    }
}
