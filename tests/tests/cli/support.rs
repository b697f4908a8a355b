//! What the command-line tests share.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::observer::{self, Recording};
use drain_observer_tests::servers::prefork::Prefork;
use drain_observer_tests::sockets;
use drain_observer_tests::wait::sleep;
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// Longest wait for any single thing.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// Runs the observer to its end.
pub(crate) fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<Output> {
    observer::run(&observer::program(), args)
}

/// Expects exit code 2 and a message that says what is wrong, in one piece and without a panic.
pub(crate) fn expect_refusal(output: &Output, words: &[&str]) -> Result<()> {
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(2), "expected exit code 2, got {}: {message}", output.status);
    ensure!(!message.contains("panicked"), "it panicked: {message}");
    ensure!(!message.contains("stack backtrace"), "it shows a backtrace: {message}");
    ensure!(!message.trim().is_empty(), "it says nothing");
    for word in words {
        let said = message.to_lowercase().contains(&word.to_lowercase());
        ensure!(said, "`{word}` is not in the message: {message}");
    }
    Ok(())
}

/// The fixture server.
pub(crate) fn prefork() -> Result<Prefork<'static>> {
    Prefork::new(Path::new(env!("CARGO_BIN_EXE_prefork")))
}

/// The bytes of a journal of one restart that lost connections in every common way; recorded once.
pub(crate) fn sample() -> Result<&'static [u8]> {
    static SAMPLE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let sample = SAMPLE.get_or_init(|| record_sample().map_err(|error| format!("{error:#}")));
    sample.as_deref().map_err(|error| anyhow::anyhow!("recording the sample journal: {error}"))
}

/// The sample, or a changed copy of it, as a file in a directory of its own.
pub(crate) fn journal_file(bytes: &[u8]) -> Result<(TempDir, PathBuf)> {
    let dir = tempfile::tempdir().context("making a directory")?;
    let path = dir.path().join("journal");
    fs::write(&path, bytes).context("writing a journal")?;
    Ok((dir, path))
}

fn record_sample() -> Result<Vec<u8>> {
    let prefork = prefork()?.workers(1).outlive(Duration::from_millis(200));
    let mut old = prefork.start()?;
    let dir = tempfile::tempdir().context("making a directory")?;
    let path = dir.path().join("journal");
    let recording = Recording::start(
        &observer::program(),
        &path,
        &["--port", &old.port().to_string(), "--all-connections"],
    )?;
    load::expect_served(old.address())?;
    let busy = Load::new(old.address()).get(&sleep(2_500)).start();
    busy.wait_sent(1, LIMIT)?;
    sockets::wait_for_queue(old.port(), 0, LIMIT)?;
    let queued = Load::new(old.address()).burst(5).start();
    sockets::wait_for_queue(old.port(), 5, LIMIT)?;
    old.signal(Signal::SIGTERM)?;
    old.wait_for_exit(LIMIT)?;
    Load::new(old.address()).clients(1, 2).run();
    let new = prefork.start()?;
    busy.join();
    queued.join();
    let journal = recording.finish()?;
    drop(new);
    fs::read(journal.path()).context("reading the journal")
}
