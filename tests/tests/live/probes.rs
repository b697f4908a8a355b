//! What the probes ask of the kernel that loads them.

use std::fs;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::observer::{self, Recording};
use drain_observer_tests::ports;

use crate::support::live;

/// A quarter of what the verifier follows before it refuses a program. Older kernels follow several times as much as
/// new ones do, of the same program.
const MOST: u64 = 250_000;

#[test]
fn the_verifier_is_soon_convinced() {
    live("probes::the_verifier_is_soon_convinced", &[], || {
        let dir = tempfile::tempdir()?;
        let port = ports::free()?.to_string();
        let journal = dir.path().join("journal");
        let recording = Recording::start(&observer::program(), &journal, &["--port", &port])?;
        let followed = followed(recording.pid())?;
        recording.finish()?;
        ensure!(!followed.is_empty(), "the kernel tells of no program");
        ensure!(followed.iter().all(|&instructions| instructions <= MOST), "too much of it: {followed:?}");
        Ok(())
    });
}

/// How many instructions the verifier has followed in each program of a process.
fn followed(pid: i32) -> Result<Vec<u64>> {
    let directory = format!("/proc/{pid}/fdinfo");
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("listing {directory}"))? {
        // A descriptor may be closed by now.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("verified_insns:"));
        found.extend(line.map(|number| number.trim().parse::<u64>()).transpose().context("no number")?);
    }
    Ok(found)
}
