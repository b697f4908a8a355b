//! The correlator alone, and reports on journals.

use super::{Bench, Found};
use crate::replay::{bytes_kept, correlate, report, write_journal};
use crate::results::{Budget, Row, Unit};
use crate::stats::Spread;
use anyhow::Result;

const SERVICES: u16 = 100;
const MB: u64 = 1_000_000;

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let events = bench.pick(300_000, 1_000_000);
    let rates: Vec<f64> = (0..bench.pick(3, 7)).map(|_| 1.0 / correlate(SERVICES, events)).collect();
    let mut rows = vec![
        Row::new("replay", "events correlated on one core", Unit::PerSecond, Spread::of(&rates))
            .must(Budget::AtLeast(1e6))
            .note(format!("{SERVICES} services, restarted in turn")),
        Row::new(
            "replay",
            "memory for each connection that is kept",
            Unit::Bytes,
            Spread::from(bytes_kept(90_000)),
        ),
    ];
    let path = bench.place.dir().join("replay.journal");
    let size = bench.pick(10, 50);
    let events = write_journal(&path, SERVICES, size * MB)?;
    let reports = (0..bench.pick(3, 5)).map(|_| report(&path)).collect::<Result<Vec<_>>>()?;
    let rates: Vec<f64> = reports.iter().map(|reported| events as f64 / reported.cpu).collect();
    let memory: Vec<f64> = reports.iter().map(|reported| reported.memory).collect();
    let what = format!("report of {size} MB");
    rows.push(
        Row::new(
            "replay",
            format!("{what}: events read, correlated and told"),
            Unit::PerSecond,
            Spread::of(&rates),
        )
        .note(format!("{events} events")),
    );
    rows.push(Row::new("replay", format!("{what}: RSS"), Unit::Bytes, Spread::of(&memory)));
    std::fs::remove_file(&path)?;
    Ok(rows.into())
}
