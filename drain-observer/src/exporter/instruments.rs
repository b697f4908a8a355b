//! The metrics that are read when they are asked for, away from the event thread.

use super::family::{Family, FamilyKind};
use super::process;
use crate::kernel::{MapFill, Meters};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counting a map's entries costs a system call each: not more often than this.
const FILLS_EVERY: Duration = Duration::from_secs(10);

/// Reads what the probes and the process cost.
#[derive(Debug)]
pub struct Instruments {
    meters: Option<Arc<Meters>>,
    fills: Option<(Instant, Vec<MapFill>)>,
}

impl Instruments {
    /// With the meters of the probes, where there are any.
    pub fn new(meters: Option<Arc<Meters>>) -> Self {
        Self { meters, fills: None }
    }

    /// What they read now.
    pub(super) fn families(&mut self) -> Vec<Family> {
        let mut families = Vec::new();
        if let Some(meters) = self.meters.clone() {
            families.extend(programs(&meters));
            families.extend(self.maps(&meters));
        }
        let mut build = gauge("drain_observer_build_info", "The version that runs; always 1.");
        build.add([("version", env!("CARGO_PKG_VERSION").into())], 1.0);
        families.push(build);
        families.extend(process::families());
        families
    }

    fn maps(&mut self, meters: &Meters) -> Vec<Family> {
        let fresh = self.fills.take().filter(|(read, _)| read.elapsed() < FILLS_EVERY);
        let (_, fills) = self.fills.insert(fresh.unwrap_or_else(|| (Instant::now(), meters.fills())));
        let mut entries = gauge("drain_observer_map_entries", "Entries of the probes' maps, about.");
        let mut capacity = gauge("drain_observer_map_capacity", "Entries that the probes' maps can have.");
        for fill in fills {
            let of = || [("map", fill.map.clone().into())];
            entries.add(of(), fill.entries as f64);
            capacity.add(of(), fill.capacity as f64);
        }
        let ring = gauge("drain_observer_ring_capacity_bytes", "Size of the ring buffer.");
        let ring = meters.ring_bytes().map(|bytes| ring.of(bytes as f64));
        [entries, capacity].into_iter().chain(ring).collect()
    }
}

fn programs(meters: &Meters) -> [Family; 3] {
    let measured = meters.runs();
    let enabled = gauge(
        "drain_observer_program_statistics_enabled",
        "Whether the kernel measures BPF programs (sysctl kernel.bpf_stats_enabled); if not, their runs are not known.",
    )
    .of(f64::from(u8::from(measured.is_some())));
    let mut runs = Family::new(
        "drain_observer_program_runs",
        FamilyKind::Counter,
        "Runs of the probes, since the kernel was told to measure.",
    );
    let mut time =
        Family::new("drain_observer_program_run_seconds", FamilyKind::Counter, "The time that these took.");
    for program in measured.into_iter().flatten() {
        let of = || [("hook", program.hook.clone().into())];
        runs.add(of(), program.runs as f64);
        time.add(of(), program.ns as f64 / 1e9);
    }
    [enabled, runs, time]
}

fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(name, FamilyKind::Gauge, help)
}
