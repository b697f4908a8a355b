//! Names, catalogs and choices.

use super::*;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::path::PathBuf;

fn at(minutes: i64) -> Timestamp {
    let begin: Timestamp = "2026-01-02T03:00:00Z".parse().expect("a time");
    begin + SignedDuration::from_mins(minutes)
}

/// A segment from one minute to another; open if it has no end.
fn segment(run: u64, sequence: u64, from: i64, to: Option<i64>) -> Segment {
    let run = RunId::new("3f2a9c01-77aa", run);
    let name = SegmentName { start: at(from), run, sequence, end: to.map(at), compressed: to.is_some() };
    Segment { path: PathBuf::from(name.to_string()), name, bytes: 10, handed: None }
}

fn chosen(segments: &[Segment], since: Option<i64>, until: Option<i64>) -> Vec<(u64, u64)> {
    let chosen = choose(segments, Between { since: since.map(at), until: until.map(at) });
    chosen.iter().map(|one| (one.name.run.run, one.name.sequence)).collect()
}

#[test]
fn names_say_what_is_in_them() {
    let name = "drain-observer-20260102T030405.006Z-3f2a9c01-81234-7-20260102T040405.007Z.journal.zst";
    let parsed = SegmentName::parse(name).expect("our own name");
    assert_eq!(parsed.start, "2026-01-02T03:04:05.006Z".parse().expect("a time"));
    assert_eq!(parsed.end, Some("2026-01-02T04:04:05.007Z".parse().expect("a time")));
    assert_eq!(
        (parsed.run, parsed.sequence, parsed.compressed),
        (RunId::new("3f2a-9c01-ff", 81_234), 7, true)
    );
    let open = SegmentName::parse("drain-observer-20260102T030405.006Z-3f2a9c01-81234-7.journal");
    let open = open.expect("an open segment");
    let end = "2026-01-02T04:04:05.006000001Z".parse().expect("a time");
    assert_eq!(open.closed(end).compressed().to_string(), name, "an end is rounded up");
    assert_eq!(open.closed(Timestamp::UNIX_EPOCH).end, Some(open.start), "the clock was set back");
    for foreign in [
        "",
        "drain-observer.lock",
        "drain-observer-20260102T030405.006Z-3f2a9c01-81234-7.journal.zst.unfinished",
        "drain-observer-20260102T030405.006Z-3f2a9c01-81234-07.journal",
        "drain-observer-20260102T030405.006Z-3F2A9C01-81234-7.journal",
        "drain-observer-20260102T030405Z-3f2a9c01-81234-7.journal",
        "drain-observer-2026-01-02T03:04:05.006Z-3f2a9c01-81234-7.journal",
        "drain-observer-20260102T030405.006Z-3f2a9c01-81234-7-.journal",
        "drain-observer-20260102T030405.006Z-3f2a9c01-81234-7-20260102T040405.006Z-1.journal",
        "drain-observer-20261302T030405.006Z-3f2a9c01-81234-7.journal",
    ] {
        assert_eq!(SegmentName::parse(foreign), None, "{foreign}");
    }
}

#[test]
fn each_segment_is_in_a_catalog_once() {
    let whole = segment(1, 2, 10, Some(20));
    let mut plain = whole.clone();
    plain.name.compressed = false;
    plain.path = plain.name.to_string().into();
    let open = segment(1, 2, 10, None);
    // A later run, whose clock was set back.
    let later = segment(7, 1, 5, None);
    let catalog = Catalog::new(vec![
        open.clone(),
        later.clone(),
        plain.clone(),
        whole.clone(),
        segment(1, 1, 0, Some(9)),
    ]);
    assert_eq!(catalog.segments(), [segment(1, 1, 0, Some(9)), whole.clone(), later]);
    assert_eq!(catalog.twins(), [plain, open.clone()]);
    assert_eq!((catalog.bytes(), catalog.find(&open.name)), (50, Some(&whole)));
}

#[test]
fn only_what_is_needed_is_read() {
    let hour = |index: i64| segment(1, index as u64 + 1, index * 60, Some(index * 60 + 60));
    let mut segments: Vec<_> = (0..5).map(hour).collect();
    segments.push(segment(9, 1, 303, None));
    assert_eq!(chosen(&segments, None, None).len(), 6);
    assert_eq!(chosen(&segments, Some(255), None), [(1, 4), (1, 5), (9, 1)], "with the one before");
    assert_eq!(
        chosen(&segments, Some(245), None),
        [(1, 3), (1, 4), (1, 5), (9, 1)],
        "with ten minutes before"
    );
    assert_eq!(chosen(&segments, Some(90), Some(100)), [(1, 1), (1, 2)]);
    assert_eq!(chosen(&segments, Some(90), Some(115)), [(1, 1), (1, 2), (1, 3)], "with ten minutes after");
    assert_eq!(chosen(&segments[..5], Some(1_000), None), [(1, 5)], "nothing is so new: the nearest");
    assert_eq!(chosen(&segments, None, Some(-100)), [(1, 1)], "nothing is so old: the nearest");
    assert_eq!(chosen(&[], None, None), []);
}

proptest! {
    #[test]
    fn names_are_read_as_they_are_written(
        start in -1_000_000_000_000_i64..4_000_000_000_000, boot in "[0-9a-f-]{0,36}", run: u64, sequence: u64,
        lasts in proptest::option::of(0_i64..1_000_000_000), compressed: bool,
    ) {
        let start = Timestamp::from_millisecond(start).expect("a time");
        let end = lasts.map(|lasts| start + SignedDuration::from_millis(lasts));
        let name = SegmentName { start, run: RunId::new(&boot, run), sequence, end, compressed };
        prop_assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn any_name_can_be_asked(name in "(drain-observer-)?[0-9TZ.a-f-]{0,80}(\\.journal)?(\\.zst)?") {
        if let Some(parsed) = SegmentName::parse(&name) {
            prop_assert_eq!(parsed.to_string(), name);
        }
    }
}
