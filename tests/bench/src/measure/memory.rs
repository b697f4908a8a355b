//! What the daemon takes of memory where very much is open.

use super::Bench;
use super::programs::fresh;
use crate::crowd::Crowd;
use crate::results::{Budget, Row, Unit};
use crate::stats::Spread;
use crate::usage::Memory;
use anyhow::{Context as _, Result};
use drain_observer_tests::daemon::Daemon;
use std::thread;
use std::time::{Duration, Instant};

const SERVICES: u16 = 1_000;
const CONNECTIONS: u32 = 100_000;
const LIMIT: f64 = 64.0 * 1024.0 * 1024.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let connections = bench.pick(CONNECTIONS / 4, CONNECTIONS);
    let journals = bench.place.dir().join("memory");
    let args = ["--journal-dir", journals.to_str().context("the directory's name is no UTF-8; set TMPDIR")?];
    let crowd = Crowd::gather(SERVICES, connections)?;
    let daemon = Daemon::start("serve", &args)?;
    let services = fresh(&daemon)?.sum("drain_observer_services", &[]);
    // Long enough for it to look at what is open more than once.
    let watched = watch(daemon.pid(), Duration::from_secs(bench.pick(11, 25)))?;
    let peak = Memory::of(daemon.pid())?.peak;
    drop(crowd);
    // All at once: the most that can happen to it.
    let after = watch(daemon.pid(), Duration::from_secs(bench.pick(2, 5)))?;
    let end = Memory::of(daemon.pid())?.peak;
    let stopped = daemon.stop()?;
    anyhow::ensure!(stopped.success(), "the daemon ended with {stopped}");
    let what = format!("serve with {connections} open connections, {SERVICES} services");
    let note = format!("its metrics name {services:.0} services");
    Ok(vec![
        Row::new("crowd", format!("{what}: RSS"), Unit::Bytes, watched).note(note),
        Row::new("crowd", "the same, the highest since it was started", Unit::Bytes, Spread::from(peak))
            .must(Budget::AtMost(LIMIT)),
        Row::new("crowd", "the same after all of them were killed at once: RSS", Unit::Bytes, after),
        Row::new("crowd", "the highest, their end included", Unit::Bytes, Spread::from(end)),
    ])
}

/// Memory of a process, ten times a second.
fn watch(pid: i32, time: Duration) -> Result<Option<Spread>> {
    let end = Instant::now() + time;
    let mut seen = Vec::new();
    while Instant::now() < end {
        seen.push(Memory::of(pid)?.now);
        thread::sleep(Duration::from_millis(100));
    }
    Ok(Spread::of(&seen))
}
