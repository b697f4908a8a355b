//! What is lost under the most load that can be made, and whether what is lost is counted.

use super::{Bench, Found};
use crate::results::{Budget, Row, Unit};
use crate::stats::Spread;
use crate::traffic::{Done, Load, Server};
use anyhow::{Context as _, Result};
use drain_observer::event::{Event, Kind};
use drain_observer::journal::Reader;
use drain_observer_tests::observer::{self, Recording};
use std::time::Duration;

/// A ring that is too small on purpose, bytes.
const SMALL: &str = "8192";

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let mut rows = Vec::new();
    for (what, args) in [("default", &[][..]), ("--all-connections", &["--all-connections"][..])] {
        let seen = record(bench, args)?;
        let note = format!("{:.0} connections/s, {} events", seen.done.rate(), seen.events);
        let lost = Row::new(
            "loss",
            format!("lost at full churn, {what}"),
            Unit::Count,
            Spread::from(seen.lost as f64),
        );
        rows.push(lost.must(Budget::AtMost(0.0)).note(note));
    }
    let seen = record(bench, &["--all-connections", "--ring-size", SMALL])?;
    let made = seen.done.served + seen.done.failed;
    let missing = made.abs_diff(seen.connections + seen.connections_lost);
    let note = format!(
        "{made} connections made, {} recorded, {} counted as lost",
        seen.connections, seen.connections_lost
    );
    let row = Row::new(
        "loss",
        format!("unaccounted for with a ring of {SMALL} bytes"),
        Unit::Count,
        Spread::from(missing as f64),
    );
    rows.push(row.must(Budget::AtMost(0.0)).note(note));
    Ok(rows.into())
}

struct Seen {
    done: Done,
    events: u64,
    lost: u64,
    /// At the server's port.
    connections: u64,
    connections_lost: u64,
}

fn record(bench: &Bench, args: &[&str]) -> Result<Seen> {
    // A server of its own, so that nothing of a load before is under way.
    let server = Server::on_tcp(4)?;
    let crate::traffic::Place::Port(port) = *server.place() else {
        anyhow::bail!("a server on TCP has a port")
    };
    let selection = port.to_string();
    let path = bench.place.dir().join("loss.journal");
    let args = [&["--port", &selection][..], args].concat();
    let recording = Recording::start(&observer::program(), &path, &args)?;
    let done = Load::churn(Duration::from_secs(bench.pick(2, 10))).run(&server, &[])?;
    recording.finish()?;
    let mut seen = Seen { done, events: 0, lost: 0, connections: 0, connections_lost: 0 };
    for event in Reader::open(&path).context("reading the journal")? {
        let Event { event, .. } = event.context("reading the journal")?;
        seen.events += 1;
        match event {
            Kind::Connection(connection) => seen.connections += u64::from(connection.local.port == port),
            Kind::Lost(lost) => {
                seen.lost += lost.count;
                if lost.what == "connection" {
                    seen.connections_lost += lost.count;
                }
            }
            _ => {}
        }
    }
    Ok(seen)
}
