//! Journals that are damaged, from another version, or read twice.

use anyhow::{Context, Result};
use drain_observer_tests::observer::{self, Journal};
use drain_observer_tests::requirements::live;
use serde_json::Value;

use crate::support::{expect_refusal, journal_file, run, sample};

#[test]
fn a_tail_that_was_cut_off() {
    live("cli::a_tail_that_was_cut_off", &[], || {
        let sample = sample()?;
        for keep in [sample.len() - 7, sample.len() / 2] {
            let (_dir, path) = journal_file(&sample[..keep])?;
            let report = Journal::open(&observer::program(), &path).json(&[])?;
            assert_eq!(report["completeness"]["complete"], false, "{keep} bytes: {}", report["completeness"]);
            let notes = report["completeness"]["notes"].as_array().context("an array")?;
            assert!(!notes.is_empty(), "the report says what is missing");
            let restarts = report["restarts"].as_array().context("an array")?;
            assert!(restarts.iter().all(|restart| restart["verdict"] != "clean"), "{restarts:?}");
        }
        Ok(())
    });
}

#[test]
fn a_damaged_middle() {
    live("cli::a_damaged_middle", &[], || {
        let mut bytes = sample()?.to_vec();
        let start = bytes.len() / 2;
        bytes[start..start + 40].fill(b'#');
        let (_dir, path) = journal_file(&bytes)?;
        let output = run([std::ffi::OsStr::new("report"), path.as_os_str(), "-o".as_ref(), "json".as_ref()])?;
        // Either refused with a reason, or read with the gap told: never passed over.
        if output.status.success() {
            let report: Value = serde_json::from_slice(&output.stdout)?;
            assert_eq!(report["completeness"]["complete"], false);
            return Ok(());
        }
        expect_refusal(&output, &["line"])
    });
}

#[test]
fn a_journal_of_a_newer_schema() {
    live("cli::a_journal_of_a_newer_schema", &[], || {
        let (_dir, path) = journal_file(&with_version(sample()?, 999)?)?;
        expect_refusal(&run(["report", path.to_str().context("a plain path")?])?, &["999", "newer"])
    });
}

#[test]
fn the_same_report_twice() {
    live("cli::the_same_report_twice", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let journal = Journal::open(&observer::program(), &path);
        for format in ["text", "json", "jsonl"] {
            let args = ["-o", format, "--connections", "all"];
            assert!(journal.report(&args)? == journal.report(&args)?, "{format} differs");
        }
        Ok(())
    });
}

/// The journal with another version number in its header.
fn with_version(journal: &[u8], version: u64) -> Result<Vec<u8>> {
    let end = journal.iter().position(|byte| *byte == b'\n').context("a header line")?;
    let mut header: Value = serde_json::from_slice(&journal[..end]).context("the header is JSON")?;
    let number = header.get_mut("drain_observer_journal").context("the header says its version")?;
    *number = version.into();
    let mut changed = serde_json::to_vec(&header)?;
    changed.extend_from_slice(&journal[end..]);
    Ok(changed)
}
