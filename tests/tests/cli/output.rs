//! What the output promises.

use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use drain_observer_tests::observer::{self, Journal};
use drain_observer_tests::requirements::live;
use serde_json::Value;

use crate::support::{journal_file, run, sample};

#[test]
fn every_report_fits_the_published_schema() {
    live("cli::every_report_fits_the_published_schema", &[], || {
        let output = run(["schema"])?;
        assert!(output.status.success());
        let schema: Value = serde_json::from_slice(&output.stdout).context("the schema is JSON")?;
        let validator = jsonschema::validator_for(&schema).context("the schema is a JSON Schema")?;

        let (_dir, path) = journal_file(sample()?)?;
        let journal = Journal::open(&observer::program(), &path);
        for connections in ["lost", "all", "none"] {
            let report = journal.json(&["--connections", connections])?;
            let errors: Vec<String> = validator
                .iter_errors(&report)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            ensure!(errors.is_empty(), "--connections {connections}: {}", errors.join("\n"));
        }
        let nonsense = serde_json::json!({"schema_version": "one"});
        assert!(!validator.is_valid(&nonsense), "a schema that takes everything says nothing");
        Ok(())
    });
}

#[test]
fn connections_are_chosen_by_their_fate() {
    live("cli::connections_are_chosen_by_their_fate", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let journal = Journal::open(&observer::program(), &path);
        let count = |which: &str| -> Result<(usize, usize)> {
            let report = journal.json(&["--connections", which])?;
            let connections = report["connections"].as_array().context("an array")?.clone();
            let lost = connections.iter().filter(|connection| connection["lost"] == true).count();
            Ok((connections.len(), lost))
        };
        // Five reset in the queue, two refused; the served ones only when asked for.
        assert_eq!(count("lost")?, (7, 7));
        assert_eq!(count("none")?, (0, 0));
        let (all, lost) = count("all")?;
        assert!(all >= 9 && lost == 7, "{all} connections, {lost} lost");
        Ok(())
    });
}

#[test]
fn times_and_names_are_as_documented() {
    live("cli::times_and_names_are_as_documented", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let report = Journal::open(&observer::program(), &path).json(&[])?;
        assert_eq!(report["schema_version"], 1);
        assert_eq!(report["tool"]["name"], "drain-observer");
        let restart = &report["restarts"][0];
        assert_eq!(restart["cause"]["signal"]["name"], "SIGTERM");
        assert_eq!(restart["cause"]["signal"]["number"], 15);
        let started = restart["started_at"].as_str().context("a time")?;
        // RFC 3339, UTC, nanoseconds: 2026-01-02T03:04:05.123456789Z
        assert!(started.len() == 30 && started.ends_with('Z') && &started[10..11] == "T", "{started}");
        Ok(())
    });
}

#[test]
fn text_without_colour_and_with_the_story() {
    live("cli::text_without_colour_and_with_the_story", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let text = Journal::open(&observer::program(), &path).text()?;
        assert!(!text.contains('\u{1b}'), "NO_COLOR is set, and it is no terminal");
        for word in ["lossy", "sigterm", "prefork", "5 queue_reset", "2 refused"] {
            assert!(text.to_lowercase().contains(word), "`{word}` is not in the report:\n{text}");
        }
        Ok(())
    });
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    live("cli::a_reader_that_leaves_early_is_no_error", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let mut child = Command::new(observer::program())
            .args(["report", "-o", "json", "--connections", "all"])
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().context("piped")?.read_to_string(&mut said)?;
        let status = child.wait()?;
        assert!(status.success() && said.is_empty(), "{status}: {said}");
        Ok(())
    });
}
