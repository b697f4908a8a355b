//! Journals that nobody wrote by observing: times that jump, numbers at their ends, lines and files without end.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::observer;
use drain_observer_tests::requirements::live;
use nix::sys::resource::{Resource, setrlimit};
use serde_json::Value;

use crate::support::{journal_file, sample};

const HOUR: i64 = 3_600_000_000_000;

/// A machine that sleeps in the middle of a restart: its clock since boot goes on, so that the restart takes hours, and
/// loses what it lost.
#[test]
fn a_machine_that_sleeps_during_a_restart() {
    live("cli::a_machine_that_sleeps_during_a_restart", &[], || {
        let whole = report(sample()?)?;
        let found = report(&jumped(8 * HOUR, |_| true)?)?;
        ensure!(found["completeness"]["complete"] == true, "{}", found["completeness"]);
        ensure!(outcomes(&found)? == outcomes(&whole)?, "{:?}", outcomes(&found)?);
        let restart = &found["restarts"][0];
        let took = restart["durations"]["total"].as_f64().context("a duration")?;
        ensure!(restart["verdict"] == "lossy" && took > 8.0 * 3_600.0, "{restart}");
        Ok(())
    });
}

/// Times that cannot be: they go back by hours, or one event is from the end of time. Every connection is still told
/// once, no time is negative, nothing is called clean, and the report says that something is wrong.
#[test]
fn times_that_jump() {
    live("cli::times_that_jump", &[], || {
        let whole = outcomes(&report(sample()?)?)?;
        let late = |event: &Value| !event["event"]["listener_opened"].is_null();
        for (case, journal) in [
            ("back by an hour and more", jumped(-2 * HOUR, |_| true)?),
            ("to the end of time and back", at_the_end_of_time(sample()?)?),
            ("one event, back", jumped(-2 * HOUR, late)?),
            ("one event, forth", jumped(900_000 * HOUR, late)?),
        ] {
            let found = report(&journal).with_context(|| case.to_owned())?;
            let told: usize = outcomes(&found)?.len();
            ensure!(told == whole.len(), "{case}: {told} connections of {}", whole.len());
            ensure!(found["completeness"]["complete"] == false, "{case}: {}", found["completeness"]);
            let restarts = found["restarts"].as_array().context("an array")?;
            for restart in restarts {
                ensure!(restart["verdict"] != "clean", "{case}: {restart}");
                let times = restart["durations"].as_object().context("an object")?;
                ensure!(
                    times.values().all(|time| time.as_f64().is_some_and(|time| time >= 0.0)),
                    "{case}: {times:?}"
                );
            }
        }
        Ok(())
    });
}

/// A line without end, and very many lines that say nothing: they take little memory.
#[test]
fn lines_and_files_without_end() {
    /// What the observer may have of addresses; more than it ever needs here, and less than the line.
    const MEMORY: u64 = 512 << 20;
    const LINE: u64 = 1 << 30;
    live("cli::lines_and_files_without_end", &[], || {
        let (_dir, path) = journal_file(sample()?)?;
        let mut journal = File::options().append(true).open(&path)?;
        // A hole in the file is read as zeroes.
        let end = journal.metadata()?.len() + LINE;
        journal.set_len(end)?;
        journal.write_all(b"\n")?;
        for _ in 0..20_000 {
            journal.write_all(b"{\"at\":1,\"event\":{\"nonsense\":[[[[]]]]}}\n")?;
        }
        let mut command = Command::new(observer::program());
        command.args(["report", "-o", "json"]).arg(&path);
        // SAFETY: between fork and exec the closure only calls setrlimit(2), which is async-signal-safe.
        unsafe { command.pre_exec(|| Ok(setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY)?)) };
        let found = parsed(&observer::bounded(command)?)?;
        let health = &found["completeness"]["journal"];
        ensure!(found["completeness"]["complete"] == false, "{}", found["completeness"]);
        ensure!(health["broken_lines"] == 1 && health["unknown_events"] == 20_000, "{health}");
        Ok(())
    });
}

/// Whatever number a journal holds is replaced, one after the other, by the highest and the lowest that there are.
#[test]
fn numbers_at_their_ends() {
    live("cli::numbers_at_their_ends", &[], || {
        let text = std::str::from_utf8(sample()?)?;
        for number in ["18446744073709551615", "0", "-1", "1e999", "99999999999999999999999999"] {
            let lines = text.lines().enumerate().map(|(index, line)| match index {
                // Without a header there is no journal.
                0 => format!("{line}\n"),
                _ => format!("{}\n", with_numbers(line, number)),
            });
            let found = report(lines.collect::<String>().as_bytes()).with_context(|| number.to_owned())?;
            let restarts = found["restarts"].as_array().context("an array")?;
            ensure!(restarts.iter().all(|restart| restart["verdict"] != "clean"), "{number}: {restarts:?}");
        }
        Ok(())
    });
}

/// Every third number of a line in place of itself, which ones depends on the line.
fn with_numbers(line: &str, number: &str) -> String {
    let mut changed = String::new();
    let mut rest = line;
    let mut count = line.len();
    while let Some(start) = rest.find(|char: char| char.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) =
            from.split_at(from.find(|char: char| !char.is_ascii_digit()).unwrap_or(from.len()));
        count += 1;
        let is_number = before.ends_with(':') && count.is_multiple_of(3);
        changed.extend([before, if is_number { number } else { digits }]);
        rest = after;
    }
    changed + rest
}

/// The sample, in which times from the close of the listener on are moved, of the events that are chosen.
fn jumped(by: i64, chosen: impl Fn(&Value) -> bool) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(sample()?)?;
    let (header, events) = text.split_once('\n').context("a header")?;
    let events = events.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let closed = events.iter().position(|event| !event["event"]["listener_closed"].is_null());
    let closed = closed.context("a listener that closes")?;
    let from = events[closed]["at"].as_u64().context("a time")?;
    let mut journal = format!("{header}\n");
    for mut event in events {
        if chosen(&event) {
            move_times(&mut event, from, by);
        }
        journal += &format!("{event}\n");
    }
    Ok(journal.into_bytes())
}

/// Moves what is a time in the hour after `from`, at any depth.
fn move_times(value: &mut Value, from: u64, by: i64) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| move_times(value, from, by)),
        Value::Object(values) => values.values_mut().for_each(|value| move_times(value, from, by)),
        Value::Number(number) => {
            let time = number.as_u64().filter(|time| (from..from + HOUR.unsigned_abs()).contains(time));
            if let Some(time) = time {
                *value = time.saturating_add_signed(by).into();
            }
        }
        _ => {}
    }
}

/// With an event from the end of time in the middle.
fn at_the_end_of_time(journal: &[u8]) -> Result<Vec<u8>> {
    let middle = journal.len() / 2;
    let end = middle + journal[middle..].iter().position(|byte| *byte == b'\n').context("a line's end")? + 1;
    let event = format!("{{\"at\":{},\"event\":\"tick\"}}\n", u64::MAX);
    Ok([&journal[..end], event.as_bytes(), &journal[end..]].concat())
}

/// What the report says of a journal, the same each time, in every form.
fn report(journal: &[u8]) -> Result<Value> {
    let (_dir, path) = journal_file(journal)?;
    let printed = |form: &str| {
        let mut command = Command::new(observer::program());
        command.args(["report", "--connections", "all", "-o", form]).arg(&path);
        observer::bounded(command)
    };
    for form in ["text", "jsonl"] {
        let output = printed(form)?;
        ensure!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let (once, again) = (printed("json")?, printed("json")?);
    ensure!(once.stdout == again.stdout, "it differs from time to time");
    parsed(&once)
}

fn parsed(output: &std::process::Output) -> Result<Value> {
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "report ended with {}: {error}", output.status);
    serde_json::from_slice(&output.stdout).context("reading the JSON report")
}

/// What became of each connection, in the order of their clients' ports.
fn outcomes(report: &Value) -> Result<Vec<(u64, String)>> {
    let connections = report["connections"].as_array().context("an array")?;
    let one = |connection: &Value| {
        let port = connection["peer"]["port"].as_u64().context("a port")?;
        Ok((port, connection["outcome"].to_string()))
    };
    let mut all = connections.iter().map(one).collect::<Result<Vec<_>>>()?;
    all.sort();
    Ok(all)
}
