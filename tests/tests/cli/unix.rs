//! What the command line says of a service at a socket file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::observer::{self, Journal, Recording};
use drain_observer_tests::requirements::live;
use drain_observer_tests::sockets::unix as sockets;
use drain_observer_tests::unix::chain::Spot;
use drain_observer_tests::unix::client::UnixFate;
use drain_observer_tests::unix::fixture::{UnixClient, UnixServer};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{LIMIT, expect_refusal, run};

#[test]
fn a_report_names_the_path_and_explains_its_clients() {
    live("cli::a_report_names_the_path_and_explains_its_clients", &[], || {
        let Recorded { journal, fates, path, _dirs } = recorded()?;
        let text = journal.text()?;
        for words in
            [&path[..], "LOSSY", "queue_reset", "unanswered", "refused", "SIGTERM", "unix-client (pid "]
        {
            ensure!(text.contains(words), "`{words}` is not in the report: {text}");
        }
        let explain = |pid: i32| -> Result<String> {
            Ok(String::from_utf8(journal.report(&["--explain", &format!("pid:{pid}")])?)?)
        };
        let [unanswered, queued, refused] = &fates[..] else { anyhow::bail!("three clients: {fates:?}") };
        for (fate, outcome) in [(unanswered, "unanswered"), (queued, "queue_reset"), (refused, "refused")] {
            let text = explain(fate.pid)?;
            for words in [outcome, &path, "SIGTERM", &format!("pid {}", fate.pid)] {
                ensure!(text.contains(words), "`{words}` does not explain the {outcome}: {text}");
            }
        }
        let file = journal.path().to_str().context("a path in UTF-8")?;
        expect_refusal(&run(["report", file, "--explain", "pid:1"])?, &["pid 1"])
    });
}

#[test]
fn a_path_where_there_is_nothing_can_be_recorded() {
    live("cli::a_path_where_there_is_nothing_can_be_recorded", &[], || {
        let (spot, dir) = (Spot::new()?, tempfile::tempdir()?);
        let report = record(&spot, &dir)?.finish()?.json(&[])?;
        ensure!(report["completeness"]["complete"] == true, "{}", report["completeness"]["notes"]);
        ensure!(report["services"] == serde_json::json!([]), "{}", report["services"]);
        Ok(())
    });
}

struct Recorded {
    journal: Journal,
    /// Of a client with its request under way, one in the queue, one that came too late.
    fates: Vec<UnixFate>,
    path: String,
    _dirs: (Spot, TempDir),
}

fn recorded() -> Result<Recorded> {
    let (spot, dir) = (Spot::new()?, tempfile::tempdir()?);
    let old = server(&spot)?;
    let recording = record(&spot, &dir)?;
    let busy = client(&spot, "/sleep/9000")?;
    old.wait_for("/sleep/9000")?;
    let queued = client(&spot, "/")?;
    sockets::wait_for_queue(&spot.path(), 1, LIMIT)?;
    old.end(Signal::SIGTERM)?;
    let fates = vec![busy.fate()?, queued.fate()?, client(&spot, "/")?.fate()?];
    std::fs::remove_file(spot.path())?;
    let _new = server(&spot)?;
    client(&spot, "/")?.fate()?;
    let journal = recording.finish()?;
    let path = spot.path().display().to_string();
    Ok(Recorded { journal, fates, path, _dirs: (spot, dir) })
}

fn record(spot: &Spot, dir: &TempDir) -> Result<Recording> {
    let path = spot.path();
    let path = path.to_str().context("a path in UTF-8")?;
    Recording::start(&observer::program(), &dir.path().join("journal"), &["--path", path])
}

fn server(spot: &Spot) -> Result<UnixServer> {
    UnixServer::start(Path::new(env!("CARGO_BIN_EXE_unix-server")), &spot.path(), &[])
}

fn client(spot: &Spot, request: &str) -> Result<UnixClient> {
    UnixClient::start(Path::new(env!("CARGO_BIN_EXE_unix-client")), &spot.path(), &[request])
}
