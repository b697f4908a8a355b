//! What a kill leaves, at any moment.

use super::support::{self, Dir, LIMIT, wait_until};
use crate::journal::segments::Catalog;
use crate::journal::{Break, SegmentName};
use std::fs;
use std::path::{Path, PathBuf};

/// The bytes of a segment with five events, and the name it had while it was written.
fn segment() -> (String, Vec<u8>) {
    let dir = Dir::new();
    let mut recorder = dir.recorder(|_| {});
    (1..=5).for_each(|at| recorder.write(&support::event(at)));
    recorder.finish(LIMIT).expect("a disk that works");
    let catalog = Catalog::read(dir.path()).expect("a directory");
    let [segment] = catalog.segments() else { panic!("one segment: {catalog:?}") };
    let open = SegmentName { end: None, ..segment.name.clone() };
    (open.to_string(), fs::read(&segment.path).expect("a file"))
}

fn compressed(dir: &Path) -> Option<PathBuf> {
    let catalog = Catalog::read(dir).expect("a directory");
    catalog.segments().iter().find(|one| one.name.compressed).map(|one| one.path.clone())
}

#[test]
fn a_segment_may_be_cut_anywhere() {
    let (name, bytes) = segment();
    let header = bytes.iter().position(|byte| *byte == b'\n').expect("a header") + 1;
    for length in (0..bytes.len()).step_by(7).chain([header - 1, header, bytes.len()]) {
        let dir = Dir::new();
        fs::write(dir.path().join(&name), &bytes[..length]).expect("a file");
        let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1) as u64;
        let read: Vec<u64> = dir.read().into_iter().flat_map(|(events, _)| events).collect();
        // The newline alone may be missing.
        assert!(
            read.len() as u64 - whole <= 1 && read.iter().copied().eq(1..=read.len() as u64),
            "{length}: {read:?}"
        );
    }
}

#[test]
fn the_next_recorder_brings_in_order_what_was_left() {
    let (name, bytes) = segment();
    let line = bytes.iter().rposition(|byte| *byte == b'{').expect("an event");
    for length in [0, 20, line / 2, line + 9, bytes.len()] {
        let dir = Dir::new();
        fs::write(dir.path().join(&name), &bytes[..length]).expect("a file");
        let unfinished = dir.path().join(format!("{name}.zst.unfinished"));
        fs::write(&unfinished, b"half").expect("a file");
        let recorder = dir.recorder(|_| {});
        wait_until("the segment to be brought in order", || !dir.path().join(&name).exists());
        if length < 100 {
            assert_eq!(compressed(dir.path()), None, "nothing was in it");
        } else {
            wait_until("the segment to be compressed", || compressed(dir.path()).is_some());
        }
        assert!(!unfinished.exists());
        recorder.finish(LIMIT).expect("a disk that works");
        let events = dir.read().into_iter().map(|(events, _)| events.len()).max();
        assert!(length < 100 || events >= Some(1), "{length}: {events:?}");
    }
}

#[test]
fn of_two_forms_of_a_segment_one_is_read() {
    let (name, bytes) = segment();
    let dir = Dir::new();
    fs::write(dir.path().join(&name), &bytes).expect("a file");
    dir.bring_in_order();
    let whole = compressed(dir.path()).expect("a compressed segment");
    let plain = PathBuf::from(whole.to_str().expect("a plain path").trim_end_matches(".zst"));
    fs::write(&plain, &bytes[..bytes.len() / 2]).expect("a file");
    fs::write(dir.path().join(&name), &bytes[..9]).expect("a file");
    assert_eq!(dir.read(), [(vec![1, 2, 3, 4, 5], Break::End)]);
    dir.bring_in_order();
    assert!(!plain.exists() && !dir.path().join(&name).exists());
    assert_eq!(dir.read(), [(vec![1, 2, 3, 4, 5], Break::End)]);
}

#[test]
fn a_compressed_segment_that_is_cut_off_says_so() {
    let (name, bytes) = segment();
    let dir = Dir::new();
    fs::write(dir.path().join(&name), &bytes).expect("a file");
    dir.bring_in_order();
    let whole = compressed(dir.path()).expect("a compressed segment");
    let bytes = fs::read(&whole).expect("a file");
    for length in [bytes.len() - 1, bytes.len() - 9] {
        fs::write(&whole, &bytes[..length]).expect("a file");
        let catalog = Catalog::read(dir.path()).expect("a directory");
        let mut pending = crate::journal::Pending::new(catalog.segments().to_vec(), Default::default());
        if let Some(mut stretch) = pending.next_stretch(false).expect("no error of the disk") {
            stretch.by_ref().for_each(|event| assert!(event.is_ok()));
            let stats = crate::journal::Events::stats(&stretch);
            assert!(stats.tail_cut, "{length} of {}: {stats:?}", bytes.len());
        }
    }
}
