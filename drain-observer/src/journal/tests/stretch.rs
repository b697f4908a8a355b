//! Segments made by hand, and read as stretches.

use super::super::*;
use super::header;
use crate::event::{Attached, BootNs, CountedBy, Counts, Event, Kind};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Writes a segment whose recap is the first `recap` of its events.
pub(crate) fn write_segment(dir: &Path, header: &Header, info: SegmentInfo, events: &[Event]) -> PathBuf {
    let wall = |at: BootNs| {
        let wall = i128::from(at) + i128::from(header.clock.wall_minus_boot_ns);
        Timestamp::from_nanosecond(wall).expect("a time")
    };
    let start = wall(events.iter().map(|event| event.at).min().expect("an event"));
    let start = Timestamp::from_millisecond(start.as_millisecond()).expect("a time");
    let run = RunId::new(&header.host.boot_id, info.run);
    let name = SegmentName { start, run, sequence: info.sequence, end: None, compressed: false };
    let name = name.closed(wall(events.iter().map(|event| event.at).max().expect("an event")));
    let path = dir.join(name.to_string());
    let header = Header { segment: Some(info), ..header.clone() };
    let mut writer = Writer::new(File::create(&path).expect("a file"), &header).expect("room");
    events.iter().for_each(|event| writer.write(event).expect("room"));
    path
}

/// Sequence, events of the recap, and whether it continues the segment before.
pub(crate) fn info(run: u64, sequence: u64, recap: u64, continues: bool) -> SegmentInfo {
    SegmentInfo { run, sequence, recap, continues }
}

pub(crate) fn tick(at: BootNs) -> Event {
    Event { at, event: Kind::Tick }
}

pub(crate) fn attached(at: BootNs) -> Event {
    Event { at, event: Kind::Attached(Attached { hooks: Vec::new(), notes: Vec::new() }) }
}

fn counts(at: BootNs, port: u16, served: u64) -> Event {
    let counts =
        Counts { of: CountedBy::Port { netns: 1, port }, established: served, served, idle_closed: 0 };
    Event { at, event: Kind::Counts(counts) }
}

fn stretches(dir: &Path) -> Vec<(Vec<Event>, Break, Stats)> {
    let catalog = Catalog::read(dir).expect("a directory");
    let mut pending = Pending::new(catalog.segments().to_vec(), BTreeSet::new());
    let mut stretches = Vec::new();
    while let Some(mut stretch) = pending.next_stretch(false).expect("segments") {
        let events = stretch.by_ref().map(|event| event.expect("an event")).collect();
        stretches.push((events, stretch.end().0, stretch.stats()));
    }
    assert_eq!(pending.read(), catalog.bytes());
    stretches
}

#[test]
fn a_run_is_one_stretch_as_long_as_nothing_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let segment = |sequence, recap, continues, events: &[Event]| {
        write_segment(dir.path(), &header(), info(7, sequence, recap, continues), events)
    };
    segment(1, 0, false, &[attached(1), tick(2)]);
    segment(2, 2, true, &[tick(3), attached(3), tick(4)]);
    let third = segment(3, 1, true, &[attached(5), tick(6)]);
    segment(4, 1, false, &[attached(7), tick(8)]);
    segment(6, 1, true, &[attached(9), tick(10)]);
    let found = stretches(dir.path());
    let ends: Vec<_> = found.iter().map(|(events, end, _)| (events.len(), *end)).collect();
    let missing = Break::Missing { first: 5, last: 5 };
    assert_eq!(ends, [(4, Break::NotWritten), (2, missing), (2, Break::End)]);
    assert_eq!(found[0].0, [attached(1), tick(2), tick(4), tick(6)]);
    assert_eq!(found[0].2.events, 4);

    let bytes = fs::read(&third).expect("a file");
    fs::write(&third, &bytes[..bytes.len() - 5]).expect("a file");
    let found = stretches(dir.path());
    assert_eq!((found[0].1, found[0].2.tail_cut), (Break::Damaged, true));
    fs::write(&third, b"\0\0\0\0\n").expect("a file");
    let catalog = Catalog::read(dir.path()).expect("a directory");
    let mut pending = Pending::new(catalog.segments().to_vec(), BTreeSet::new());
    let mut stretch = pending.next_stretch(false).expect("segments").expect("a stretch");
    assert_eq!(stretch.by_ref().count(), 3);
    assert_eq!(stretch.end().0, Break::Missing { first: 3, last: 3 });
    drop(stretch);
    let problems = pending.take_problems();
    assert!(problems[0].contains("is not a drain-observer journal"), "{problems:?}");
}

#[test]
fn what_the_kernel_counted_before_is_not_counted_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let segment = |sequence, recap, events: &[Event]| {
        write_segment(dir.path(), &header(), info(7, sequence, recap, true), events);
    };
    segment(4, 2, &[counts(1, 80, 100), attached(1), counts(2, 80, 130), counts(2, 81, 5)]);
    segment(5, 3, &[counts(3, 80, 130), counts(3, 81, 5), attached(3), counts(4, 80, 150), counts(4, 81, 7)]);
    let expected = [
        counts(1, 80, 0),
        attached(1),
        counts(2, 80, 30),
        counts(2, 81, 5),
        counts(4, 80, 50),
        counts(4, 81, 7),
    ];
    assert_eq!(stretches(dir.path())[0].0, expected);
}

#[test]
fn a_segment_is_found_under_its_new_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let closed = write_segment(dir.path(), &header(), info(7, 1, 0, false), &[attached(1), tick(2)]);
    let segment = Catalog::read(dir.path()).expect("a directory").segments()[0].clone();
    let name = SegmentName { end: None, ..segment.name.clone() };
    let before = Segment { path: dir.path().join(name.to_string()), name, ..segment };
    let mut pending = Pending::new(vec![before.clone()], BTreeSet::new());
    assert_eq!(pending.next_stretch(false).expect("segments").expect("a stretch").count(), 2);
    fs::remove_file(closed).expect("a file");
    let mut pending = Pending::new(vec![before], BTreeSet::new());
    assert!(pending.next_stretch(false).expect("no error").is_none());
    assert_eq!(pending.take_problems().len(), 1, "it was removed");
}
