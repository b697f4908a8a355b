//! A disk that is really full.

use super::super::Recorder;
use super::support::{self, Dir, LIMIT, wait_until};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A disk of one MiB at a directory, where this user may mount one.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // What is still open on it goes with its last user.
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

fn record(recorder: &mut Recorder, dir: &Dir, events: std::ops::Range<u64>) {
    for at in events {
        recorder.write(&support::noise(at));
        if at % 20 == 0 {
            recorder.settle(false, || support::recap(at));
            dir.wait_until_quiet(recorder);
        }
    }
    recorder.settle(false, || support::recap(0));
    dir.wait_until_quiet(recorder);
}

#[test]
fn a_disk_filled_by_others_is_used_again_when_there_is_room() {
    let dir = Dir::new();
    let Some(_disk) = Small::mount(dir.path()) else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    let mut recorder = dir.recorder(|_| {});
    record(&mut recorder, &dir, 1..100);
    let ballast = dir.path().join("ballast");
    let full = fs::write(&ballast, vec![0; 1 << 20]).expect_err("the disk is smaller");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    record(&mut recorder, &dir, 100..300);
    let status = recorder.monitor().status();
    assert!(status.failing && status.dropped() > 0, "{status:?}");
    fs::remove_file(&ballast).expect("the ballast");
    let mut lost = None;
    wait_until("the loss to be told", || {
        lost = recorder.settle(false, || support::recap(300));
        lost.is_some()
    });
    assert_eq!(lost.expect("it was waited for").count, recorder.monitor().status().dropped());
    record(&mut recorder, &dir, 300..321);
    assert!(!recorder.monitor().status().failing);
    recorder.finish(LIMIT).expect("room enough");
    let stretches = dir.read();
    assert_eq!(stretches[0].0[..99], (1..=99).collect::<Vec<_>>(), "what was there stays readable");
    let last = &stretches.last().expect("a stretch").0;
    assert_eq!(last[..3], [300, 300, 300]);
    assert_eq!(last.last(), Some(&320));
}

#[test]
fn a_small_disk_keeps_the_newest() {
    let dir = Dir::new();
    let Some(_disk) = Small::mount(dir.path()) else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    let mut recorder = dir.recorder(|_| {});
    // Each time that it is full there is at last something closed to remove.
    for at in (0..20_000).step_by(20) {
        record(&mut recorder, &dir, at + 1..at + 21);
    }
    let status = recorder.finish(LIMIT).expect("a disk that works");
    assert!(status.bytes <= 1 << 20 && status.events_written > 1_000, "{status:?}");
}
