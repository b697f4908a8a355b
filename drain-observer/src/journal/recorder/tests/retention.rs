//! A recorder that is told, while it records, to keep less or more.

use super::*;

#[test]
fn less_is_kept_from_then_on_and_nothing_is_lost() {
    let dir = Dir::new();
    let old =
        dir.path().join("drain-observer-20200102T030405.006Z-00000000-1-1-20200102T030505.006Z.journal.zst");
    fs::write(&old, b"whatever").expect("a file");
    let mut recorder = dir.recorder(|settings| settings.max_size = 64 << 20);
    let settle = |recorder: &mut Recorder, at: u64| {
        assert_eq!(recorder.settle(false, || support::recap(at)), None);
        dir.wait_until_quiet(recorder);
    };
    let bytes = || Catalog::read(dir.path()).expect("a directory").bytes();
    // Of what can't be compressed, in segments of 4 MiB.
    let mut at = 0;
    while bytes() < 12 << 20 {
        at += 1;
        recorder.write(&support::noise(at));
        if at % 100 == 0 {
            settle(&mut recorder, at);
        }
        assert!(at < 1_000_000, "{} bytes", bytes());
    }
    assert!(old.exists(), "so far it may stay");
    let less = Retention {
        max_size: 4 << 20,
        max_age: Duration::from_secs(3_600),
        sync_interval: Duration::from_millis(20),
    };
    recorder.retain(less).expect("enough");
    // Without anything to be written.
    wait_until("what is too old to go", || !old.exists());
    // The present one was to be longer than those are to be from now on.
    settle(&mut recorder, at);
    wait_until("what is too much to go", || bytes() <= (4 << 20) + (1 << 20));
    recorder.write(&support::event(at + 1));
    let status = recorder.finish(support::LIMIT).expect("a disk that works");
    assert_eq!((status.events_written, status.dropped(), status.errors), (at + 1, 0, 0), "{status:?}");
    let stretches = dir.read();
    assert_eq!(
        stretches.last().and_then(|(events, _)| events.last()),
        Some(&(at + 1)),
        "the newest are there"
    );
}

#[test]
fn too_little_is_refused_and_changes_nothing() {
    let dir = Dir::new();
    let mut recorder = dir.recorder(|_| {});
    let before = recorder.settings.clone();
    let nothing = Retention { max_size: 1, ..before.retention() };
    assert!(matches!(recorder.retain(nothing), Err(RecorderError::TooLittle { .. })));
    assert_eq!(recorder.settings, before);
    let more = Retention { max_size: 1 << 30, ..before.retention() };
    recorder.retain(more).expect("enough");
    assert_eq!(recorder.settings.retention(), more);
    recorder.finish(support::LIMIT).expect("a disk that works");
}
