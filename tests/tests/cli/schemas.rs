//! What is printed as JSON fits the schema that is published for it. Reports have theirs in `output` and `gate`.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use drain_observer_tests::lines::Lines;
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::observer;
use drain_observer_tests::processes;
use drain_observer_tests::requirements::live;
use jsonschema::Validator;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LIMIT, journal_file, prefork, run, sample};

#[test]
fn lines_of_a_report() {
    live("cli::lines_of_a_report", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let path = path.to_str().context("a path in UTF-8")?;
        let lines = run(["report", path, "-o", "jsonl", "--connections", "all"])?.stdout;
        expect_lines("jsonl", &String::from_utf8(lines)?, &["summary", "restart", "connection"])
    });
}

#[test]
fn a_diagnosis() {
    live("cli::a_diagnosis", &[], || {
        let found: Value = serde_json::from_slice(&run(["doctor", "-o", "json"])?.stdout).context("JSON")?;
        ensure!(found["hooks"].as_array().is_some_and(|hooks| hooks.len() > 5), "it has hooks: {found}");
        expect_valid(&validator("doctor")?, &found)
    });
}

#[test]
fn what_is_told_while_a_service_restarts() {
    live("cli::what_is_told_while_a_service_restarts", &[], || {
        let prefork = prefork()?.workers(1);
        let mut old = prefork.start()?;
        let mut watch = Command::new(observer::program())
            .args(["watch", "-o", "json", "-P", &old.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting watch")?;
        let told = Lines::of(watch.stdout.take().context("piped")?);
        let messages = Lines::of(watch.stderr.take().context("piped")?);
        messages.wait_for("the watching", LIMIT, |line| line.starts_with("watching"))?;

        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        Load::new(old.address()).clients(1, 2).run();
        let new = prefork.start()?;
        load::expect_served(new.address())?;
        told.wait_for("the restart's end", LIMIT, |line| line.contains(r#""type":"restart_ended""#))?;
        let pid = i32::try_from(watch.id()).context("a pid")?;
        processes::send(pid, Signal::SIGINT)?;
        let lines = told.to_end(LIMIT)?;
        ensure!(watch.wait()?.success(), "it was asked to end");
        expect_lines("watch", &lines, &["restart_began", "step", "connection", "restart_ended"])
    });
}

fn expect_lines(of: &str, lines: &str, types: &[&str]) -> Result<()> {
    let validator = validator(of)?;
    let lines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let lines = lines.context("each line is JSON")?;
    lines.iter().try_for_each(|line| expect_valid(&validator, line))?;
    for wanted in types {
        ensure!(lines.iter().any(|line| line["type"] == *wanted), "no {wanted} among {} lines", lines.len());
    }
    Ok(())
}

fn expect_valid(validator: &Validator, value: &Value) -> Result<()> {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    ensure!(errors.is_empty(), "{value}: {}", errors.join("\n"));
    Ok(())
}

fn validator(of: &str) -> Result<Validator> {
    let output = run(["schema", of])?;
    ensure!(output.status.success(), "schema {of}: {}", output.status);
    let schema: Value = serde_json::from_slice(&output.stdout).context("the schema is JSON")?;
    jsonschema::validator_for(&schema).context("the schema is a JSON Schema")
}
