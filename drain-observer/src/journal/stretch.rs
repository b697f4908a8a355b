//! Segments that continue each other, read as one journal.

use super::segments::is_barely_begun;
use super::{
    Baseline, Catalog, Events, Header, Input, JournalError, Reader, RunId, Segment, SegmentInfo, Stats,
};
use crate::event::Event;
use std::collections::{BTreeSet, VecDeque};
use std::io;

/// Segments that are to be read, in the order of a [`Catalog`].
#[derive(Debug, Default)]
pub struct Pending {
    segments: VecDeque<Segment>,
    /// Runs of which there is more than was asked for.
    followed: BTreeSet<RunId>,
    /// Opened already: it did not continue what was read before.
    opened: Option<Box<(Segment, Reader<Input>)>>,
    /// Bytes of files that are read.
    read: u64,
    problems: Vec<String>,
}

/// Why a [`Stretch`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// There is nothing more of this run.
    End,
    /// These segments are missing.
    Missing {
        /// The number of the first of them.
        first: u64,
        /// The number of the last of them.
        last: u64,
    },
    /// The recorder had to drop what came next.
    NotWritten,
    /// The segment was cut off or is damaged.
    Damaged,
}

/// Segments of one run that continue each other, as one journal: the recaps are left out of all but the first, and what
/// the kernel has counted is counted from the first on.
#[derive(Debug)]
pub struct Stretch<'a> {
    pending: &'a mut Pending,
    header: Header,
    segment: Segment,
    reader: Reader<Input>,
    info: Option<SegmentInfo>,
    /// Lines of a recap that are not for the reader of the segments before.
    recap: u64,
    /// What the segments before came to, and events that were left out.
    before: Stats,
    left_out: u64,
    /// What the kernel had counted before the stretch: its first segment's recap says it.
    counted: Baseline,
    first_recap: u64,
    ended: Option<Break>,
}

impl Pending {
    /// `followed` names the runs that go on after these segments.
    pub fn new(segments: Vec<Segment>, followed: BTreeSet<RunId>) -> Self {
        Self { segments: segments.into(), followed, ..Self::default() }
    }

    /// Bytes of the files that were read to their ends.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// What could not be read at all, in words.
    pub fn take_problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// The next stretch; none at the end. A single segment that cannot be read is an error; one among others is a
    /// problem.
    pub fn next_stretch(&mut self, alone: bool) -> Result<Option<Stretch<'_>>, JournalError> {
        let (segment, reader) = loop {
            if let Some(opened) = self.opened.take() {
                break *opened;
            }
            let Some(segment) = self.segments.pop_front() else { return Ok(None) };
            match open(&segment) {
                Ok(reader) => break (segment, reader),
                Err(error) if alone => return Err(error),
                Err(error) => self.skip(&segment, &error),
            }
        };
        let header = reader.header().clone();
        let info = header.segment;
        Ok(Some(Stretch {
            pending: self,
            header,
            segment,
            reader,
            info,
            recap: 0,
            before: Stats::default(),
            left_out: 0,
            counted: Baseline::default(),
            first_recap: info.map_or(0, |info| info.recap),
            ended: None,
        }))
    }

    /// The error of having found nothing at all, with the problems that were the reason.
    pub fn nothing(&self, problems: Vec<String>) -> JournalError {
        JournalError::NothingReadable { problems: problems.join("; ") }
    }

    fn skip(&mut self, segment: &Segment, error: &JournalError) {
        self.read += segment.bytes;
        // What was killed when it began has nothing in it.
        let nothing = segment.name.end.is_none() && is_barely_begun(segment).unwrap_or(false);
        if !nothing {
            self.problems.push(format!("a segment was left out: {error}"));
        }
    }
}

impl Stretch<'_> {
    /// Bytes of all files that were read so far, those before this stretch too.
    pub fn bytes_read(&self) -> u64 {
        self.pending.read + if self.ended.is_none() { self.reader.bytes_read() } else { 0 }
    }

    /// What the kernel had counted before it.
    pub fn baseline(&self) -> &Baseline {
        &self.counted
    }

    /// Why it ended, once it has; and the last segment's place in its run.
    pub fn end(&self) -> (Break, Option<SegmentInfo>) {
        (self.ended.unwrap_or(Break::End), self.info)
    }

    /// Goes on with the next segment, if it continues this one.
    fn go_on(&mut self) -> bool {
        self.pending.read += self.segment.bytes;
        let end = loop {
            let same_run = |next: &Segment| next.name.run == self.segment.name.run;
            let Some(info) = self.info.filter(|_| self.pending.segments.front().is_some_and(same_run)) else {
                break Break::End;
            };
            if self.is_cut() {
                break Break::Damaged;
            }
            let Some(next) = self.pending.segments.pop_front() else { break Break::End };
            match open(&next) {
                Err(error) => self.pending.skip(&next, &error),
                Ok(reader) => match reader.header().segment {
                    Some(place) if place.sequence == info.sequence + 1 && place.continues => {
                        self.enter(next, reader, place);
                        return true;
                    }
                    place => {
                        self.pending.opened = Some(Box::new((next, reader)));
                        let sequence = place.map_or(0, |place| place.sequence);
                        break if sequence > info.sequence + 1 {
                            Break::Missing { first: info.sequence + 1, last: sequence - 1 }
                        } else {
                            Break::NotWritten
                        };
                    }
                },
            }
        };
        self.ended = Some(end);
        false
    }

    fn enter(&mut self, next: Segment, reader: Reader<Input>, place: SegmentInfo) {
        self.before = self.stats();
        (self.left_out, self.recap, self.first_recap) = (0, place.recap, 0);
        (self.segment, self.reader, self.info) = (next, reader, Some(place));
    }

    fn is_cut(&self) -> bool {
        self.reader.stats().tail_cut || self.reader.is_damaged()
    }

    /// Whether the last line read is one of the segment's first ones.
    fn is_within(&self, lines: u64) -> bool {
        let Stats { events, broken_lines, unknown_events, .. } = self.reader.stats();
        events + broken_lines + unknown_events <= lines
    }

    /// What the kernel had counted when the stretch began was not within it.
    fn count_from_here(&mut self, event: &mut Event) {
        if self.is_within(self.first_recap) {
            self.counted.learn(event);
        }
        self.counted.leave_out(event);
    }
}

impl Events for Stretch<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn stats(&self) -> Stats {
        let (before, now) = (self.before, self.reader.stats());
        let goes_on =
            self.ended == Some(Break::End) && self.pending.followed.contains(&self.segment.name.run);
        Stats {
            events: before.events + now.events - self.left_out,
            bytes: before.bytes + now.bytes,
            broken_lines: before.broken_lines + now.broken_lines,
            unknown_events: before.unknown_events + now.unknown_events,
            tail_cut: self.is_cut(),
            followed: goes_on,
        }
    }
}

impl Iterator for Stretch<'_> {
    type Item = Result<Event, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ended.is_none() {
            match self.reader.next() {
                Some(Ok(_)) if self.is_within(self.recap) => self.left_out += 1,
                Some(Ok(mut event)) => {
                    self.count_from_here(&mut event);
                    return Some(Ok(event));
                }
                Some(Err(error)) => {
                    self.ended = Some(Break::Damaged);
                    return Some(Err(error));
                }
                None => {
                    self.go_on();
                }
            }
        }
        None
    }
}

/// Opens a segment, also under the name that its recorder has meanwhile given it.
fn open(segment: &Segment) -> Result<Reader<Input>, JournalError> {
    match segment.open() {
        Err(JournalError::Open { path, error }) if error.kind() == io::ErrorKind::NotFound => {
            let catalog = path.parent().and_then(|dir| Catalog::read(dir).ok());
            match catalog.as_ref().and_then(|catalog| catalog.find(&segment.name)) {
                Some(found) => Reader::open(&found.path),
                None => Err(JournalError::Open { path, error }),
            }
        }
        other => other,
    }
}
