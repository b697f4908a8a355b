//! Disks that are full, slow or broken.

use super::super::{QUEUE_FULL, Recorder, WRITE_FAILED};
use super::support::{self, Bad, Dir, LIMIT, wait_until};
use crate::event::{Event, Kind, Lost};
use crate::journal::Break;
use std::sync::atomic::Ordering;

/// Settles until something lost is told, as the runtime does: what is told is written too.
fn told(recorder: &mut Recorder, at: u64) -> Lost {
    let mut told = None;
    wait_until("the loss to be told", || {
        told = recorder.settle(false, || support::recap(at));
        told.is_some()
    });
    let lost = told.expect("it was waited for");
    recorder.write(&Event { at, event: Kind::Lost(lost.clone()) });
    lost
}

#[test]
fn a_full_disk_is_told_and_used_again() {
    let dir = Dir::new();
    let disk = Bad::default();
    let mut recorder = dir.recorder_on(Box::new(disk.clone()), |_| {});
    recorder.write(&support::event(1));
    recorder.settle(false, Vec::new);
    dir.wait_until_quiet(&recorder);
    // Room for one line and a half.
    disk.room.store(support::event_length() * 3 / 2, Ordering::SeqCst);
    (2..=4).for_each(|at| recorder.write(&support::event(at)));
    recorder.settle(false, Vec::new);
    wait_until("the disk to be full", || recorder.monitor().status().failing);
    recorder.write(&support::event(5));
    assert_eq!(recorder.settle(false, Vec::new), None, "there is nothing to tell it in");
    recorder.write(&support::event(6));
    dir.wait_until_quiet(&recorder);
    let status = recorder.monitor().status();
    assert_eq!((status.events_written, status.events_dropped.get(WRITE_FAILED)), (2, Some(&4)), "{status:?}");
    assert!(status.last_error.expect("an error").contains("no storage space"), "in words");
    disk.room.store(u64::MAX, Ordering::SeqCst);
    let lost = told(&mut recorder, 7);
    assert_eq!((lost.what.as_str(), lost.reason.as_str(), lost.count), ("journal", WRITE_FAILED, 4));
    recorder.write(&support::event(8));
    assert_eq!(recorder.settle(false, Vec::new), None, "it is told once");
    let status = recorder.finish(LIMIT).expect("a disk that works");
    assert_eq!((status.events_written, status.dropped()), (4, 4), "{status:?}");
    let stretches = dir.read();
    assert_eq!(stretches[0], (vec![1, 2], Break::Damaged), "half a line is there, too");
    assert_eq!(stretches[1].0, [7, 7, 7, 8], "a recap, the loss, and what came then");
}

#[test]
fn a_disk_that_is_full_from_the_beginning() {
    let dir = Dir::new();
    let disk = Bad::default();
    disk.room.store(0, Ordering::SeqCst);
    let mut recorder = dir.recorder_on(Box::new(disk.clone()), |_| {});
    recorder.write(&support::event(1));
    recorder.settle(false, Vec::new);
    wait_until("the disk to be full", || recorder.monitor().status().failing);
    disk.room.store(1 << 30, Ordering::SeqCst);
    assert_eq!(told(&mut recorder, 3).count, 1);
    recorder.finish(LIMIT).expect("a disk that works");
    assert_eq!(dir.read(), [(vec![3, 3, 3], Break::End)]);
}

#[test]
fn the_oldest_segments_make_room() {
    let dir = Dir::new();
    let old =
        dir.path().join("drain-observer-20260102T030405.006Z-00000000-1-1-20260102T030505.006Z.journal.zst");
    std::fs::write(&old, b"whatever").expect("a file");
    let disk = Bad::default();
    let mut recorder = dir.recorder_on(Box::new(disk.clone()), |_| {});
    recorder.write(&support::event(1));
    recorder.settle(false, Vec::new);
    dir.wait_until_quiet(&recorder);
    assert!(old.exists());
    disk.room.store(0, Ordering::SeqCst);
    recorder.write(&support::event(2));
    recorder.settle(false, Vec::new);
    wait_until("room to be made", || !old.exists());
    drop(recorder);
}

#[test]
fn a_slow_disk_delays_nobody() {
    let dir = Dir::new();
    let disk = Bad::default();
    let mut recorder = dir.recorder_on(Box::new(disk.clone()), |settings| settings.queue_bytes = 200_000);
    recorder.settle(false, Vec::new);
    dir.wait_until_quiet(&recorder);
    disk.held_up.store(true, Ordering::SeqCst);
    for at in 1..=2_000 {
        recorder.write(&support::event(at));
    }
    assert_eq!(recorder.settle(false, Vec::new), None);
    let status = recorder.monitor().status();
    let dropped = *status.events_dropped.get(QUEUE_FULL).expect("some were dropped");
    assert!(dropped > 1_000 && status.queued_bytes <= 200_000, "{status:?}");
    disk.held_up.store(false, Ordering::SeqCst);
    let lost = told(&mut recorder, 3_000);
    assert_eq!((lost.reason.as_str(), lost.count), (QUEUE_FULL, dropped));
    recorder.finish(LIMIT).expect("a disk that works");
    let stretches = dir.read();
    assert_eq!(stretches[0].1, Break::NotWritten);
    assert_eq!(stretches[0].0.len() as u64, 2_000 - dropped);
    assert_eq!(stretches[1].0, [3_000; 3]);
}

#[test]
fn a_disk_that_hangs_is_given_up() {
    let dir = Dir::new();
    let disk = Bad::default();
    let mut recorder = dir.recorder_on(Box::new(disk.clone()), |_| {});
    dir.wait_until_quiet(&recorder);
    disk.held_up.store(true, Ordering::SeqCst);
    recorder.write(&support::event(1));
    let error = recorder.finish(std::time::Duration::from_millis(50)).expect_err("it hangs").to_string();
    assert!(error.contains("within 50ms"), "{error}");
    disk.held_up.store(false, Ordering::SeqCst);
}

#[test]
fn what_cannot_be_synced_is_lost() {
    let dir = Dir::new();
    let disk = Bad::default();
    let mut recorder = dir.recorder_on(Box::new(disk.clone()), |_| {});
    disk.sync_fails.store(true, Ordering::SeqCst);
    (1..=3).for_each(|at| recorder.write(&support::event(at)));
    recorder.settle(false, Vec::new);
    wait_until("the sync to fail", || recorder.monitor().status().failing);
    disk.sync_fails.store(false, Ordering::SeqCst);
    assert_eq!(told(&mut recorder, 4).count, 3);
    let status = recorder.finish(LIMIT).expect("a disk that works");
    assert!(status.last_error.expect("an error").contains("bad sector"), "in words");
    assert_eq!(status.events_written, 1, "the loss");
}
