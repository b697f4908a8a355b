//! Faults of kernel, host and observer, each brought about for real. Whatever happens, the observer does not panic, its
//! memory stays bounded, and what it misses is counted and said. `drain-observer/docs/faults.md` lists them all, those that
//! other tests bring about included.

mod host;
mod kernel;
mod names;
mod observer;
mod pids;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use drain_observer_tests::nuisance::Nuisance;
use drain_observer_tests::processes;
use serde_json::Value;

/// More memory than this the observer never needs, whatever comes, bytes: its ring has 8 MiB, and all that it keeps is
/// bounded.
const MEMORY: u64 = 192 << 20;

/// A nuisance of this kind.
fn nuisance(args: &[&str]) -> Result<Nuisance> {
    Nuisance::start(Path::new(env!("CARGO_BIN_EXE_nuisance")), args)
}

/// For tests with thousands of listeners, of which an observer of the whole host has room for so many: one at a time.
fn with_room_for_a_crowd() -> MutexGuard<'static, ()> {
    static ROOM: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing behind.
    ROOM.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Expects that an observer has not taken much memory so far.
fn expect_little_memory(observer: i32) -> Result<()> {
    let peak = processes::peak_memory(observer)?;
    ensure!(peak <= MEMORY, "the observer has taken {} MiB", peak >> 20);
    Ok(())
}

/// How much the report says was lost of this kind for this reason.
fn lost(report: &Value, kind: &str, reason: &str) -> u64 {
    let all = report["completeness"]["lost_events"].as_array().into_iter().flatten();
    let these = all.filter(|lost| lost["kind"] == kind && lost["reason"] == reason);
    these.filter_map(|lost| lost["count"].as_u64()).sum()
}

/// The report's restarts at all services.
fn restarts(report: &Value) -> Result<&Vec<Value>> {
    report["restarts"].as_array().context("the report has no array `restarts`")
}

/// Expects that no restart is called clean, and that the report says that it is not complete.
fn expect_incomplete(report: &Value) -> Result<()> {
    let completeness = &report["completeness"];
    let notes = completeness["notes"].as_array().map_or(0, Vec::len);
    ensure!(completeness["complete"] == false && notes > 0, "it is not said: {completeness}");
    let clean = restarts(report)?.iter().find(|restart| restart["verdict"] == "clean");
    ensure!(clean.is_none(), "called clean though events were lost: {clean:?}");
    Ok(())
}
