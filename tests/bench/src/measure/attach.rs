//! How long it takes from the start until everything is in place.

use super::Bench;
use crate::crowd::Crowd;
use crate::results::{Budget, Row, Unit};
use crate::stats::Spread;
use crate::usage::Process;
use anyhow::Result;
use drain_observer_tests::observer::{self, Recording};
use std::time::Instant;

const SERVICES: u16 = 1_000;

pub(super) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let empty = start_times(bench)?;
    let _crowd = Crowd::gather(SERVICES, 0)?;
    let crowded = start_times(bench)?;
    let row = |what: String, taken: &[Taken], of: fn(&Taken) -> f64| {
        let values: Vec<f64> = taken.iter().map(of).collect();
        Row::new("crowd", what, Unit::Seconds, Spread::of(&values))
    };
    let more = format!("with {SERVICES} services more");
    Ok(vec![
        row("start until it records".into(), &empty, |taken| taken.time),
        row("start until it records: CPU".into(), &empty, |taken| taken.cpu),
        row(format!("the same {more}"), &crowded, |taken| taken.time).must(Budget::AtMost(0.5)),
        row(format!("the same {more}: CPU"), &crowded, |taken| taken.cpu)
            .note("what it takes where nothing else wants to run"),
    ])
}

/// What a start took, seconds.
struct Taken {
    time: f64,
    cpu: f64,
}

fn start_times(bench: &Bench) -> Result<Vec<Taken>> {
    let journal = bench.place.dir().join("attach.journal");
    let start = |_| {
        let began = Instant::now();
        let recording = Recording::start(&observer::program(), &journal, &[])?;
        let taken = Taken { time: began.elapsed().as_secs_f64(), cpu: Process::now(recording.pid())?.cpu };
        recording.finish()?;
        Ok(taken)
    };
    (0..bench.pick(3, 7)).map(start).collect()
}
