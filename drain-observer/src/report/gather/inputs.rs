//! What is to be read.

use super::before;
use crate::journal::{
    Between, Catalog, JournalError, Pending, RunId, Segment, SegmentName, choose, last_event,
};
use crate::report::{Moment, Span};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is to be read, in order.
#[derive(Debug, Default)]
pub struct Inputs {
    named: Vec<Named>,
    bytes: u64,
}

/// An input, and what a person calls it.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) input: Input,
}

#[derive(Debug)]
pub(super) enum Input {
    Stdin,
    Files {
        pending: Pending,
        /// A file that was named: there is no report without it.
        alone: bool,
    },
}

impl Inputs {
    /// Finds what there is to read of `files` and of the `dirs` of flight recorders. Files that are named as segments
    /// are read as their recorder would: those that continue each other as one.
    pub fn find(files: &[PathBuf], dirs: &[PathBuf], span: Span) -> Result<Self, JournalError> {
        let mut inputs = Self::default();
        let mut segments: Vec<Segment> = Vec::new();
        for path in files {
            match segment(path) {
                Some(segment) => segments.push(segment),
                None => inputs.add_file(path),
            }
        }
        if !segments.is_empty() {
            let catalog = Catalog::new(segments);
            inputs.add(catalog.segments().to_vec(), BTreeSet::new(), &catalog.segments()[0].path, true);
        }
        let catalogs = dirs.iter().map(|dir| catalog(dir)).collect::<Result<Vec<_>, _>>()?;
        inputs.add_recorded(dirs.iter().map(PathBuf::as_path).zip(catalogs).collect(), span);
        Ok(inputs)
    }

    /// Finds what there is to read of segments that a flight recorder has handed over; `of` is what messages call it.
    pub fn of_segments(segments: Vec<Segment>, of: &Path, span: Span) -> Result<Self, JournalError> {
        let segments = ended(Catalog::new(segments), of)?;
        let mut inputs = Self::default();
        inputs.add_recorded(vec![(of, segments)], span);
        Ok(inputs)
    }

    /// Bytes of all files; 0 where standard input is among them.
    pub fn bytes(&self) -> u64 {
        let stdin = self.named.iter().any(|named| matches!(named.input, Input::Stdin));
        if stdin { 0 } else { self.bytes }
    }

    pub(super) fn into_named(self) -> Vec<Named> {
        self.named
    }

    fn add_file(&mut self, path: &Path) {
        if path == Path::new("-") {
            self.named.push(Named { path: path.to_owned(), input: Input::Stdin });
            return;
        }
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        // Read alone, whatever its name would be.
        let name = SegmentName {
            start: Timestamp::UNIX_EPOCH,
            run: RunId::new("", 0),
            sequence: 0,
            end: Some(Timestamp::UNIX_EPOCH),
            compressed: false,
        };
        self.add(
            vec![Segment { path: path.to_owned(), name, bytes, handed: None }],
            BTreeSet::new(),
            path,
            true,
        );
    }

    fn add_recorded(&mut self, catalogs: Vec<(&Path, Vec<Segment>)>, span: Span) {
        let all = catalogs.iter().flat_map(|(_, segments)| segments);
        let between = between(span, all.filter_map(|segment| segment.name.end).max());
        for (dir, segments) in catalogs {
            let chosen = choose(&segments, between);
            self.add(chosen.clone(), followed(&segments, &chosen), dir, false);
        }
    }

    fn add(&mut self, segments: Vec<Segment>, followed: BTreeSet<RunId>, path: &Path, alone: bool) {
        self.bytes += segments.iter().map(|segment| segment.bytes).sum::<u64>();
        let pending = Pending::new(segments, followed);
        self.named.push(Named { path: path.to_owned(), input: Input::Files { pending, alone } });
    }
}

fn segment(path: &Path) -> Option<Segment> {
    let name = path.file_name()?.to_str().and_then(SegmentName::parse)?;
    let bytes = path.metadata().map_or(0, |metadata| metadata.len());
    Some(Segment { path: path.to_owned(), name, bytes, handed: None })
}

/// The segments of a directory.
fn catalog(dir: &Path) -> Result<Vec<Segment>, JournalError> {
    ended(Catalog::read(dir)?, dir)
}

/// The segments of a recorder. Those that nobody has closed are taken to end with their last events.
fn ended(catalog: Catalog, of: &Path) -> Result<Vec<Segment>, JournalError> {
    let mut segments = catalog.segments().to_vec();
    if segments.is_empty() {
        return Err(JournalError::NoSegments { path: of.to_owned() });
    }
    for segment in segments.iter_mut().filter(|segment| segment.name.end.is_none()) {
        // What cannot be read now is told when it is to be read.
        if let Ok(Some(end)) = last_event(segment) {
            segment.name = segment.name.closed(end);
        }
    }
    Ok(segments)
}

fn between(span: Span, newest: Option<Timestamp>) -> Between {
    let resolve = |moment| match moment {
        Moment::At(time) => Some(time),
        Moment::BeforeEnd(ns) => newest.map(|newest| before(newest, ns)),
    };
    Between { since: span.since.and_then(resolve), until: span.until.and_then(resolve) }
}

/// The runs of which something later than what was chosen is there.
fn followed(all: &[Segment], chosen: &[Segment]) -> BTreeSet<RunId> {
    let last = |segments: &[Segment], run: &RunId| {
        segments.iter().filter(|one| one.name.run == *run).map(|one| one.name.sequence).max()
    };
    let runs: BTreeSet<&RunId> = chosen.iter().map(|segment| &segment.name.run).collect();
    runs.into_iter().filter(|run| last(all, run) > last(chosen, run)).cloned().collect()
}
