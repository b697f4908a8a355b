//! `report --explain`.

use anyhow::{Context, Result, ensure};
use drain_observer_tests::observer::{self, Journal};
use drain_observer_tests::requirements::live;

use crate::support::{expect_refusal, journal_file, run, sample};

#[test]
fn a_lost_connection_and_a_restart_are_explained() {
    live("cli::a_lost_connection_and_a_restart_are_explained", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let journal = Journal::open(&observer::program(), &path);
        let report = journal.json(&[])?;
        let explain =
            |what: &str| -> Result<String> { Ok(String::from_utf8(journal.report(&["--explain", what])?)?) };
        let connections = report["connections"].as_array().context("an array")?;
        let reset = connections
            .iter()
            .find(|one| one["outcome"] == "queue_reset")
            .context("one reset in the queue")?;
        let peer = &reset["peer"];
        let (address, port) = (peer["address"].as_str().context("an address")?, peer["port"].to_string());
        let text = explain(&format!("{address}:{port}"))?;
        in_order(
            &text,
            &["queue_reset", "found listening", "sent SIGTERM to prefork", "let go of the listening"],
        )?;
        in_order(&text, &["sent SIGTERM", "went from ESTABLISHED to CLOSE", "no process had accepted it"])?;
        assert_eq!(explain(&port)?, text);

        let id = report["restarts"][0]["id"].as_str().context("an id")?;
        let text = explain(id)?;
        in_order(&text, &["LOSSY", "+0.000000s", "sent SIGTERM", "exited with status 0", "began to listen"])?;
        ensure!(text.matches("no process had accepted it").count() == 5, "the queue's five: {text}");
        Ok(())
    });
}

#[test]
fn every_finding_is_explained_by_kernel_events() {
    live("cli::every_finding_is_explained_by_kernel_events", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let journal = Journal::open(&observer::program(), &path);
        let report = journal.json(&[])?;
        let explain =
            |what: &str| -> Result<String> { Ok(String::from_utf8(journal.report(&["--explain", what])?)?) };
        let restart = &report["restarts"][0];
        let id = restart["id"].as_str().context("an id")?;
        let findings = restart["findings"].as_array().context("an array")?;
        for finding in findings {
            let finding = finding["id"].as_str().context("an id")?;
            let text = explain(&format!("{id}/{finding}"))?;
            in_order(&text, &[&format!("{finding}: "), "in LOSSY: ", id, "what to change: ", " (pid "])?;
            for line in text.lines().filter(|line| line.contains("concluded: ")) {
                ensure!(line.contains("the old generation is gone"), "it was recorded: {line}");
            }
            assert_eq!(explain(finding)?, text, "one restart has it");
        }
        in_order(
            &explain("listener_gap")?,
            &["let go of the listening", "with a reset: nobody", "began to listen"],
        )?;
        let text = String::from_utf8(journal.report(&[])?)?;
        let first = findings.first().and_then(|finding| finding["id"].as_str()).context("a finding")?;
        ensure!(text.contains(&format!("--explain {id}/{first}")), "the report says how: {text}");
        Ok(())
    });
}

#[test]
fn what_is_not_there_is_refused() {
    live("cli::what_is_not_there_is_refused", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let path = path.to_str().context("a path in UTF-8")?;
        let explain = |what: &str| run(["report", path, "--explain", what]);
        expect_refusal(&explain("192.0.2.1:9")?, &["192.0.2.1:9", "--all-connections"])?;
        expect_refusal(&explain("0-0")?, &["no restart 0-0", "it has"])?;
        expect_refusal(&explain("signal_ignored")?, &["no finding signal_ignored", "/listener_gap"])?;
        expect_refusal(&explain("everything")?, &["ADDRESS:PORT"])?;
        expect_refusal(&run(["report", path, path, "--explain", "1"])?, &["one journal"])?;
        expect_refusal(&run(["report", "-", "--explain", "1"])?, &["file"])
    });
}

fn in_order(text: &str, parts: &[&str]) -> Result<()> {
    let mut rest = text;
    for part in parts {
        let found = rest.find(part).with_context(|| format!("`{part}` in order of {parts:?}: {text}"))?;
        rest = &rest[found + part.len()..];
    }
    Ok(())
}
