//! The measurements, each of which gives rows for the table.

mod attach;
mod growth;
mod latency;
mod loss;
mod memory;
mod programs;
mod replay;
mod steady;
mod throughput;

use crate::companions::Workplace;
use crate::results::{Curve, Row};
use anyhow::Result;
use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Roughly, in less than three minutes.
    Quick,
    /// In less than twenty.
    Normal,
    /// With journals of up to 1 GB.
    Long,
}

/// What every measurement works with.
#[derive(Debug)]
pub(crate) struct Bench {
    /// How much.
    pub(crate) extent: Extent,
    /// Where files and tools are.
    pub(crate) place: Workplace,
}

/// What a measurement found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// For the table.
    pub(crate) rows: Vec<Row>,
    /// For the picture.
    pub(crate) curves: Vec<Curve>,
}

/// A measurement: its name for `--only`, what it is, and how it is done.
pub(crate) struct Measurement {
    /// One word.
    pub(crate) name: &'static str,
    /// In a few.
    pub(crate) what: &'static str,
    /// Does it.
    pub(crate) run: fn(&Bench) -> Result<Found>,
}

/// All of them, in the order in which they are done.
pub(crate) const ALL: [Measurement; 11] = [
    // First: loads leave connections behind that the kernel remembers for a minute, and looks go through all of them.
    Measurement { name: "steady", what: "the daemon at rest and under load", run: steady::run },
    Measurement { name: "churn", what: "one request a connection", run: throughput::churn },
    Measurement { name: "keepalive", what: "twenty requests a connection", run: throughput::keepalive },
    Measurement { name: "unix", what: "unix stream sockets", run: throughput::unix },
    Measurement { name: "peers", what: "other tools, one request a connection", run: throughput::peers },
    Measurement { name: "programs", what: "time in each BPF program", run: programs::run },
    Measurement { name: "latency", what: "processes and signals", run: latency::run },
    Measurement { name: "loss", what: "events lost", run: loss::run },
    Measurement { name: "replay", what: "the correlator, and reports", run: replay::run },
    Measurement { name: "crowd", what: "memory and start on a crowded host", run: crowd },
    Measurement { name: "growth", what: "cost against size", run: growth::run },
];

impl Bench {
    /// One of two values, by the extent.
    fn pick<T>(&self, quick: T, normal: T) -> T {
        if self.extent == Extent::Quick { quick } else { normal }
    }

    /// How long one load lasts.
    fn span(&self) -> Duration {
        Duration::from_millis(self.pick(400, 600))
    }
}

impl From<Vec<Row>> for Found {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, curves: Vec::new() }
    }
}

fn crowd(bench: &Bench) -> Result<Found> {
    let mut rows = memory::run(bench)?;
    rows.extend(attach::run(bench)?);
    Ok(rows.into())
}
