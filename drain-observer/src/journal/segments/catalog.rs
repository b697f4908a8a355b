//! The segments of a directory.

use super::{RunId, SegmentName};
use crate::journal::{Handed, Input, JournalError, Reader};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A segment's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The file.
    pub path: PathBuf,
    /// What its name says.
    pub name: SegmentName,
    /// Its size in bytes.
    pub bytes: u64,
    /// The file itself, where whoever reads it may not open it; `path` is then for messages.
    pub handed: Option<Handed>,
}

impl Segment {
    /// Opens it.
    pub fn open(&self) -> Result<Reader<Input>, JournalError> {
        match &self.handed {
            Some(file) => Reader::new(Input::handed(file, &self.path)?, &self.path),
            None => Reader::open(&self.path),
        }
    }
}

/// The segments that were in a directory at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    segments: Vec<Segment>,
    twins: Vec<Segment>,
}

impl Catalog {
    /// Looks into a directory. Files that are no segments do not matter.
    pub fn read(dir: &Path) -> Result<Self, JournalError> {
        let cannot_list = |error| JournalError::List { path: dir.to_owned(), error };
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(cannot_list)? {
            let entry = entry.map_err(cannot_list)?;
            let Some(name) = entry.file_name().to_str().and_then(SegmentName::parse) else { continue };
            let bytes = match entry.metadata() {
                Ok(metadata) if metadata.is_file() => metadata.len(),
                Ok(_) => continue,
                // Gone meanwhile, or under another name.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(cannot_list(error)),
            };
            files.push(Segment { path: entry.path(), name, bytes, handed: None });
        }
        Ok(Self::new(files))
    }

    /// Segments in the order of their runs' beginnings, and of their numbers within a run.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Further files of segments that are there in a better form: what a kill leaves while a segment is renamed or
    /// compressed.
    pub fn twins(&self) -> &[Segment] {
        &self.twins
    }

    /// Bytes in all files.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().chain(&self.twins).map(|segment| segment.bytes).sum()
    }

    /// The same segment under the name that it has now.
    pub fn find(&self, name: &SegmentName) -> Option<&Segment> {
        self.segments.iter().find(|one| one.name.run == name.run && one.name.sequence == name.sequence)
    }

    /// From files that were found.
    pub fn new(mut files: Vec<Segment>) -> Self {
        // Of several files of one segment the compressed one is whole, and a closed one at least as good as an open one.
        files.sort_by(|a, b| {
            let key = |one: &Segment| (one.name.run.clone(), one.name.sequence);
            let best = |one: &Segment| (!one.name.compressed, one.name.end.is_none());
            (key(a), best(a), &a.path).cmp(&(key(b), best(b), &b.path))
        });
        let mut catalog = Self::default();
        for file in files {
            let same =
                |one: &Segment| one.name.run == file.name.run && one.name.sequence == file.name.sequence;
            let list = if catalog.segments.last().is_some_and(same) {
                &mut catalog.twins
            } else {
                &mut catalog.segments
            };
            list.push(file);
        }
        let mut began: BTreeMap<RunId, _> = BTreeMap::new();
        for Segment { name, .. } in &catalog.segments {
            let first = began.entry(name.run.clone()).or_insert(name.start);
            *first = name.start.min(*first);
        }
        catalog.segments.sort_by(|a, b| {
            let key =
                |one: &Segment| (began.get(&one.name.run).copied(), one.name.run.clone(), one.name.sequence);
            key(a).cmp(&key(b))
        });
        catalog
    }
}
