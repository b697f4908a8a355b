//! Recorders on disks that are full, slow or gone, and killed ones.

mod broken;
mod killed;
mod retention;
mod small;
mod support;

use super::*;
use crate::journal::segments::Catalog;
use std::fs;
use support::{Dir, header, wait_until};

#[test]
fn segments_follow_each_other_without_a_gap() {
    let dir = Dir::new();
    let mut recorder = dir.recorder(|settings| settings.max_size = 16 << 20);
    // A MiB a segment, of lines of some 300 bytes.
    for at in 1..=12_000 {
        recorder.write(&support::event(at));
        if at % 100 == 0 {
            assert_eq!(recorder.settle(false, || support::recap(at)), None);
            dir.wait_until_quiet(&recorder);
        }
    }
    let status = recorder.finish(support::LIMIT).expect("a disk that works");
    assert_eq!((status.events_written, status.dropped(), status.errors), (12_000, 0, 0), "{status:?}");
    assert_eq!(status.synced_until, Some(12_000));
    dir.bring_in_order();
    let catalog = Catalog::read(dir.path()).expect("a directory");
    assert!(catalog.segments().len() > 2 && catalog.twins().is_empty(), "{catalog:?}");
    assert!(catalog.segments().iter().all(|segment| segment.name.compressed), "{catalog:?}");
    let stretches = dir.read();
    assert_eq!(stretches.len(), 1);
    assert!(stretches[0].0.iter().copied().eq(1..=12_000), "each event once, in order, and no recap");
    // Any of them can be read alone: then the recap is worth something.
    let alone = support::read_alone(&catalog.segments()[1]);
    assert_eq!(alone.len() as u64 - 2, alone[alone.len() - 1] - alone[2] + 1, "two events of a recap first");
}

#[test]
fn a_segment_is_not_ended_within_a_restart_until_it_is_twice_as_long() {
    let dir = Dir::new();
    let mut recorder = dir.recorder(|settings| settings.max_size = 4 << 20);
    let mut ended_at = 0;
    for at in 1..=9_000 {
        recorder.write(&support::event(at));
        if at % 50 == 0 {
            recorder.settle(true, || {
                ended_at = at;
                Vec::new()
            });
            dir.wait_until_quiet(&recorder);
            if ended_at > 0 {
                break;
            }
        }
    }
    let bytes = ended_at * support::event_length();
    assert!((2 << 20..(2 << 20) + (200 << 10)).contains(&bytes), "{bytes}");
}

#[test]
fn what_is_too_old_or_too_much_goes() {
    let dir = Dir::new();
    let old = "drain-observer-20200102T030405.006Z-00000000-1-1-20200102T030505.006Z.journal.zst";
    fs::write(dir.path().join(old), b"whatever").expect("a file");
    fs::write(dir.path().join("notes.txt"), b"not ours").expect("a file");
    let mut recorder = dir.recorder(|settings| {
        settings.max_size = 4 << 20;
        settings.max_age = Duration::from_secs(3_600);
    });
    wait_until("the old segment to go", || !dir.path().join(old).exists());
    for at in 1..=30_000 {
        recorder.write(&support::noise(at));
        if at % 50 == 0 {
            recorder.settle(false, || support::recap(at));
            dir.wait_until_quiet(&recorder);
        }
        if at % 1_000 == 0 {
            let bytes = Catalog::read(dir.path()).expect("a directory").bytes();
            assert!(bytes <= (4 << 20) + (1 << 20), "{bytes} bytes");
        }
    }
    let monitor = recorder.monitor();
    let status = recorder.finish(support::LIMIT).expect("a disk that works");
    assert_eq!((status.dropped(), status.errors), (0, 0), "{status:?}");
    assert!(status.oldest.is_some() && status.segments > 1, "{status:?}");
    assert_eq!(monitor.status().events_written, 30_000);
    assert!(dir.path().join("notes.txt").exists(), "what is not ours stays");
    let stretches = dir.read();
    assert_eq!(stretches.last().and_then(|(events, _)| events.last()), Some(&30_000), "the newest are there");
    assert_ne!(stretches[0].0[0], 1, "the oldest are not");
}

#[test]
fn one_directory_one_recorder() {
    let dir = Dir::new();
    let recorder = dir.recorder(|_| {});
    let other = Recorder::start(RecorderSettings::new(dir.path().to_owned()), header());
    let error = other.expect_err("it is taken").to_string();
    assert!(error.starts_with("another drain-observer records into"), "{error}");
    recorder.finish(support::LIMIT).expect("a disk that works");
    dir.recorder(|_| {});
    let nowhere = RecorderSettings::new("/proc/nowhere".into());
    let error = Recorder::start(nowhere, header()).expect_err("no such directory").to_string();
    assert!(error.starts_with("cannot use /proc/nowhere for the flight recorder"), "{error}");
    let small = RecorderSettings { max_size: 1, ..RecorderSettings::new(dir.path().to_owned()) };
    let error = Recorder::start(small, header()).expect_err("too small").to_string();
    assert_eq!(error, "the size of the flight recorder is 1 bytes, which is too little: give at least 4 MiB");
}

#[test]
fn others_may_not_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = Dir::new();
    let inner = dir.path().join("a/b");
    let recorder = Recorder::start(RecorderSettings::new(inner.clone()), header()).expect("a recorder");
    recorder.finish(support::LIMIT).expect("a disk that works");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o7777;
    assert_eq!(mode(&inner) & 0o027, 0);
    for file in fs::read_dir(&inner).expect("a directory") {
        assert_eq!(mode(&file.expect("a file").path()) & 0o137, 0);
    }
}
