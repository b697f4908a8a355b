//! How long it takes from the start until everything is in place.

use super::Bench;
use crate::crowd::Crowd;
use crate::results::{Budget, Row, Unit};
use crate::stats::Spread;
use anyhow::Result;
use drain_observer_tests::observer::{self, Recording};
use std::time::Instant;

const SERVICES: u16 = 1_000;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let empty = start_times(bench)?;
    let _crowd = Crowd::gather(SERVICES, 0)?;
    let crowded = start_times(bench)?;
    Ok(vec![
        Row::new("crowd", "start until it records", Unit::Seconds, Spread::of(&empty)),
        Row::new(
            "crowd",
            format!("the same with {SERVICES} services more"),
            Unit::Seconds,
            Spread::of(&crowded),
        )
        .must(Budget::AtMost(0.5)),
    ])
}

fn start_times(bench: &Bench) -> Result<Vec<f64>> {
    let journal = bench.place.dir().join("attach.journal");
    let start = |_| {
        let began = Instant::now();
        let recording = Recording::start(&observer::program(), &journal, &[])?;
        let took = began.elapsed().as_secs_f64();
        recording.finish()?;
        Ok(took)
    };
    (0..bench.pick(3, 7)).map(start).collect()
}
