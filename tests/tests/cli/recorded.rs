//! Directories of flight recorders, made from a real journal.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::requirements::live;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{expect_refusal, journal_file, run, sample};

#[test]
fn segments_read_as_the_journal_that_they_were() {
    live("cli::segments_read_as_the_journal_that_they_were", &[], || {
        let (header, events) = lines(sample()?)?;
        let dir = tempfile::tempdir()?;
        let thirds = [0, events.len() / 3, events.len() * 2 / 3, events.len()];
        for (index, part) in thirds.windows(2).enumerate() {
            let mut part = events[part[0]..part[1]].to_vec();
            let recap = if index == 0 { 0 } else { 2 };
            if recap > 0 {
                let at = part[0]["at"].clone();
                part.insert(0, json!({"at": at, "event": {"attached": {"hooks": []}}}));
                part.insert(0, json!({"at": at, "event": "tick"}));
            }
            segment(&dir, &header, (1, index + 1, recap), &part)?;
        }
        let (_dir, file) = journal_file(sample()?)?;
        for format in ["text", "json", "jsonl"] {
            let args = ["-o", format, "--connections", "all"];
            let of_file = report(&[&[path(&file)?][..], &args].concat())?;
            let of_dir = report(&[&["--journal-dir", path(dir.path())?][..], &args].concat())?;
            ensure!(of_file == of_dir, "{format} differs:\n{of_file}\n{of_dir}");
        }
        Ok(())
    });
}

#[test]
fn a_kill_in_mid_restart() {
    live("cli::a_kill_in_mid_restart", &[], || {
        let (header, events) = lines(sample()?)?;
        let closed = events.iter().position(|event| !event["event"]["listener_closed"].is_null());
        // Before anything was lost.
        let killed = &events[..closed.context("a listener that closes")?];
        let dir = tempfile::tempdir()?;
        segment(&dir, &header, (1, 1, 0), killed)?;
        let attached = events.iter().find(|event| !event["event"]["attached"].is_null());
        let mut attached = attached.context("an attached event")?.clone();
        let last = killed.last().context("events")?["at"].as_u64().context("a time")?;
        attached["at"] = (last + 7_000_000_000).into();
        let ended = json!({"at": last + 9_000_000_000, "event": "ended"});
        segment(&dir, &header, (2, 1, 0), &[attached, ended])?;

        let found: Value =
            serde_json::from_str(&report(&["--journal-dir", path(dir.path())?, "-o", "json"])?)?;
        let notes = found["completeness"]["notes"].to_string();
        ensure!(notes.contains("nobody observed from ") && notes.contains("(7.000 s)"), "{notes}");
        ensure!(notes.contains("the observer was killed"), "{notes}");
        ensure!(found["completeness"]["complete"] == false, "{notes}");
        ensure!(found["restarts"][0]["verdict"] == "inconclusive", "{}", found["restarts"]);
        ensure!(found["journals"].as_array().is_some_and(|parts| parts.len() == 2), "{}", found["journals"]);

        let text = report(&["--journal-dir", path(dir.path())?, "--since", "1s"])?;
        ensure!(!text.contains("nobody observed"), "before the time asked for:\n{text}");
        Ok(())
    });
}

#[test]
fn services_are_selected_by_name() {
    live("cli::services_are_selected_by_name", &[], || {
        let (_dir, file) = journal_file(sample()?)?;
        let restarts = |name: &str| -> Result<usize> {
            let args = [path(&file)?, "-o", "json", "--service", name];
            let report: Value = serde_json::from_str(&report(&args)?)?;
            Ok(report["restarts"].as_array().context("an array")?.len())
        };
        let whole: Value = serde_json::from_str(&report(&[path(&file)?, "-o", "json"])?)?;
        let name = whole["restarts"][0]["service_name"].as_str().context("a name")?;
        assert_eq!(restarts(name)?, 1);
        assert_eq!(restarts(name.split(':').next().unwrap_or_default())?, 1);
        assert_eq!(restarts(&name.to_uppercase())?, 0);
        Ok(())
    });
}

#[test]
fn directories_without_a_recording() {
    live("cli::directories_without_a_recording", &[], || {
        let dir = tempfile::tempdir()?;
        let empty = path(dir.path())?;
        expect_refusal(&run(["report", "--journal-dir", empty])?, &["no flight recorder", empty])?;
        expect_refusal(
            &run(["report", "--journal-dir", "/nonexistent"])?,
            &["/nonexistent", "no such file"],
        )?;
        expect_refusal(&run(["report", empty])?, &["is a directory", "--journal-dir"])?;
        let explain = ["report", "--journal-dir", empty, "--explain", "80"];
        expect_refusal(&run(explain)?, &["cannot be used with"])
    });
}

fn report(args: &[&str]) -> Result<String> {
    let output = run([&["report"], args].concat())?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{args:?}: {}: {error}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The header and the events of a journal.
fn lines(journal: &[u8]) -> Result<(Value, Vec<Value>)> {
    let mut lines = journal.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let header = serde_json::from_slice(lines.next().context("a header")?)?;
    Ok((header, lines.map(serde_json::from_slice).collect::<Result<_, _>>()?))
}

/// Writes a segment: its run, number, and how many events are its recap.
fn segment(dir: &TempDir, header: &Value, place: (u64, usize, usize), events: &[Value]) -> Result<()> {
    let (run, sequence, recap) = place;
    let mut header = header.clone();
    header["segment"] = json!({"run": run, "sequence": sequence, "recap": recap, "continues": sequence > 1});
    let boot = header["host"]["boot_id"].as_str().context("a boot")?.get(..8).context("a whole id")?;
    let hour = run + 2 * u64::try_from(sequence)?;
    let name = format!(
        "drain-observer-20260102T{hour:02}0000.000Z-{boot}-{run}-{sequence}-20360102T000000.000Z.journal"
    );
    let text: Vec<String> = std::iter::once(&header).chain(events).map(|line| format!("{line}\n")).collect();
    fs::write(dir.path().join(name), text.concat()).context("writing a segment")
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a plain path")
}
