//! Directories of flight recorders, reported.

use super::*;
use crate::event::{BootNs, Event, Kind};
use crate::journal::Header;
use crate::journal::tests::stretch::{attached, info, tick, write_segment};
use crate::report::fixture;
use std::path::PathBuf;
use tempfile::TempDir;

const SECOND: BootNs = 1_000_000_000;
const HOUR: BootNs = 3_600 * SECOND;

/// A directory with three runs on `web-1`: one of three segments of an hour each, with the second, killed; one that was
/// stopped; one after the next boot.
fn recorded() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let header = fixture::header();
    let segment = |sequence: u64, recap, events: &[Event]| {
        write_segment(dir.path(), &header, info(1, sequence, recap, sequence > 1), events);
    };
    segment(1, 0, &[attached(HOUR), tick(2 * HOUR)]);
    segment(2, 1, &[attached(2 * HOUR), tick(3 * HOUR)]);
    segment(3, 1, &[attached(3 * HOUR), tick(4 * HOUR)]);
    let second = [attached(4 * HOUR + 12 * SECOND), Event { at: 5 * HOUR, event: Kind::Ended }];
    write_segment(dir.path(), &header, info(2, 1, 0, false), &second);
    let rebooted = boot(&header, 6 * HOUR);
    let third = [attached(SECOND), Event { at: HOUR, event: Kind::Ended }];
    write_segment(dir.path(), &rebooted, info(1, 1, 0, false), &third);
    dir
}

/// The next boot, which began `later`.
fn boot(header: &Header, later: BootNs) -> Header {
    let mut header = header.clone();
    header.host.boot_id = "bbbbbbbb-0000-4000-8000-000000000002".into();
    header.clock.wall_minus_boot_ns += i64::try_from(later).expect("a time");
    header
}

fn reports(dirs: &[&TempDir], since: Option<&str>, until: Option<&str>) -> Vec<Report> {
    let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.path().to_owned()).collect();
    let parse = |text: Option<&str>| text.map(|text| text.parse().expect("a moment"));
    let span = Span { since: parse(since), until: parse(until) };
    let inputs = Inputs::find(&[], &dirs, span).expect("directories");
    let options = Options { span, ..Options::default() };
    gather(inputs, &options, std::io::empty(), |_, _| {}).expect("reports")
}

fn notes(report: &Report) -> String {
    report.completeness.notes.join("\n")
}

#[test]
fn the_time_that_nobody_observed_is_named() {
    let dir = recorded();
    let reports = reports(&[&dir], None, None);
    assert_eq!(reports.len(), 3);
    assert_eq!(reports[0].completeness.journal.expect("a journal").events, 4, "no recap is counted");
    assert!(
        notes(&reports[0]).starts_with("the recording did not end in good order"),
        "{}",
        notes(&reports[0])
    );
    let seconds = |report: &Report| notes(report).split(['(', ')']).nth(1).map(str::to_owned);
    assert_eq!(seconds(&reports[1]).as_deref(), Some("12.000 s"));
    assert!(notes(&reports[1]).starts_with("nobody observed from 20"), "{}", notes(&reports[1]));
    assert!(notes(&reports[1]).ends_with("the observer was killed"), "{}", notes(&reports[1]));
    assert_eq!(seconds(&reports[2]).as_deref(), Some("3601.000 s"));
    assert!(notes(&reports[2]).ends_with("the observer was stopped"), "{}", notes(&reports[2]));
    assert!(reports.iter().all(|report| !report.completeness.complete));
    let merged = crate::report::merge(reports).expect("a report");
    assert!(notes(&merged).contains("web-1: nobody observed"), "{}", notes(&merged));
}

#[test]
fn a_segment_that_is_missing_is_named() {
    let dir = recorded();
    let second = std::fs::read_dir(dir.path()).expect("a directory").flatten();
    let mut second = second.filter(|file| file.file_name().to_string_lossy().contains("-1-2-"));
    std::fs::remove_file(second.next().expect("the second segment").path()).expect("a file");
    let reports = reports(&[&dir], None, None);
    assert_eq!(reports.len(), 4);
    let note = notes(&reports[1]);
    assert!(note.contains("(3600.000 s) is not known: segment 2 of the recording is missing"), "{note}");
    assert!(!reports[1].completeness.complete);
}

#[test]
fn time_counts_back_from_the_newest_event_of_all() {
    let (old, new) = (recorded(), TempDir::new().expect("a directory"));
    let mut header = boot(&fixture::header(), 6 * HOUR);
    header.host.hostname = "web-2".into();
    write_segment(new.path(), &header, info(1, 1, 0, false), &[attached(HOUR), tick(2 * HOUR)]);
    let reports = reports(&[&old, &new], Some("90m"), None);
    assert_eq!(reports.len(), 2, "the third run, and the other host");
    assert_eq!(reports[0].window.from_boot_ns, HOUR / 2);
    assert_eq!(notes(&reports[0]), "", "what is blind before does not matter");
    assert_eq!(reports[1].host.hostname, "web-2");
    assert_eq!((reports[1].window.from_boot_ns, reports[1].window.until_boot_ns), (HOUR, 2 * HOUR));
    // Nothing of the other host is so new: its report says so.
    let reports = self::reports(&[&old, &new], Some("10m"), None);
    assert_eq!(reports.len(), 2);
    assert!(notes(&reports[0]).contains("lies outside the time observed"), "{}", notes(&reports[0]));
}

#[test]
fn what_comes_after_the_time_asked_for_is_not_missed() {
    let dir = recorded();
    // In the first segment, long before its end.
    let until = reports(&[&dir], None, None)[0].window.from.to_string();
    let reports = reports(&[&dir], None, Some(&until));
    assert_eq!((reports.len(), notes(&reports[0]).as_str()), (1, ""));
    assert!(reports[0].completeness.complete);
    assert_eq!(reports[0].completeness.journal.expect("a journal").events, 2, "the first segment");
}

#[test]
fn segments_can_be_named_one_by_one() {
    let dir = recorded();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.path()).expect("a directory").flatten().map(|file| file.path()).collect();
    files.sort();
    files.reverse();
    let gather_files = |files: &[PathBuf]| {
        let inputs = Inputs::find(files, &[], Span::default()).expect("files");
        gather(inputs, &Options::default(), std::io::empty(), |_, _| {}).expect("reports")
    };
    assert_eq!(gather_files(&files), reports(&[&dir], None, None));
    let one = gather_files(&files[files.len() - 2..files.len() - 1]);
    assert_eq!(one[0].completeness.journal.expect("a journal").events, 2, "one alone, with its recap");
}

#[test]
fn a_directory_without_segments_is_refused() {
    let dir = TempDir::new().expect("a directory");
    let find =
        |dir: PathBuf| Inputs::find(&[], &[dir], Span::default()).expect_err("no segments").to_string();
    assert!(find(dir.path().to_owned()).starts_with("no flight recorder has written into"));
    assert!(find("/nonexistent".into()).starts_with("cannot look into /nonexistent: No such file"));
}
