//! Whether an event costs the same however much there is: open connections, services, journal.

use super::programs::{Measuring, each, fresh, runs};
use super::{Bench, Extent, Found};
use crate::crowd::Crowd;
use crate::replay::{correlate, report, write_journal};
use crate::results::{Budget, Curve, Row, Unit};
use crate::stats::Spread;
use crate::traffic::{Load, Server};
use crate::usage::Process;
use anyhow::{Context as _, Result};
use drain_observer_tests::daemon::{Daemon, Metrics};
use std::time::Duration;

const MB: u64 = 1_000_000;

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let mut curves = open_connections(bench)?;
    curves.push(services(bench));
    curves.push(journal(bench)?);
    let rows = curves.iter().map(row).collect();
    Ok(Found { rows, curves })
}

fn row(curve: &Curve) -> Row {
    let costs: Vec<String> = curve
        .points
        .iter()
        .map(|(size, cost)| {
            format!("{} {}", crate::table::size(*size, curve.unit), crate::table::nanoseconds(*cost))
        })
        .collect();
    Row::new("growth", &curve.what, Unit::Ratio, curve.growth().map(Spread::from))
        .must(Budget::AtMost(Curve::ALLOWED))
        .note(costs.join(", "))
}

/// The probe's and the daemon's cost for an event, with the same load beside more and more open connections.
fn open_connections(bench: &Bench) -> Result<Vec<Curve>> {
    let _measuring = Measuring::begin()?;
    let (mut probe, mut daemon) = (Vec::new(), Vec::new());
    for open in [1_000, 10_000, bench.pick(30_000, 100_000)] {
        let costs = beside(bench, open).with_context(|| format!("with {open} open connections"))?;
        let median = |side: usize| {
            let costs: Vec<f64> = costs.iter().map(|cost| cost[side]).collect();
            Spread::of(&costs).map(|spread| (f64::from(open), spread.median))
        };
        probe.extend(median(0));
        daemon.extend(median(1));
    }
    Ok(vec![
        Curve { what: "probe of connections, by open connections".into(), points: probe, unit: Unit::Count },
        Curve { what: "daemon for an event, by open connections".into(), points: daemon, unit: Unit::Count },
    ])
}

/// ns for a call of the main probe, and ns of the daemon for an event, several times.
fn beside(bench: &Bench, open: u32) -> Result<Vec<[f64; 2]>> {
    let journals = bench.place.dir().join("growth");
    let dir = journals.to_str().context("the directory's name is no UTF-8; set TMPDIR")?;
    let daemon = Daemon::start("serve", &["--journal-dir", dir, "--all-connections"])?;
    // After the daemon, so that the probes have seen each of them come.
    let _crowd = Crowd::gather(10, open)?;
    let server = Server::on_tcp(4)?;
    let mut costs = Vec::new();
    for _ in 0..bench.pick(2, 4) {
        let (metrics, used) = (fresh(&daemon)?, Process::now(daemon.pid())?);
        Load::churn(Duration::from_secs(bench.pick(2, 4))).rate(5_000).run(&server, &[])?;
        // Before fresh metrics, which are asked for until they come: answering costs the daemon.
        let used_after = Process::now(daemon.pid())?;
        let after = fresh(&daemon)?;
        let calls = each(&runs(&metrics), &runs(&after));
        let probe = calls.iter().find(|(hook, _)| *hook == "inet_sock_set_state").map(|(_, ns)| *ns);
        let events = |metrics: &Metrics| metrics.sum("drain_observer_events_total", &[]);
        let handled = events(&after) - events(&metrics);
        let cost = (used_after.cpu - used.cpu) / handled * 1e9;
        costs.push([probe.context("the probe of connections did not run")?, cost]);
    }
    daemon.stop()?;
    Ok(costs)
}

fn services(bench: &Bench) -> Curve {
    let sizes = [10_u16, 100, 1_000];
    let rounds = bench.pick(3, 7);
    let mut costs = vec![Vec::new(); sizes.len()];
    for _ in 0..rounds {
        for (services, costs) in sizes.iter().zip(&mut costs) {
            costs.push(correlate(*services, bench.pick(200_000, 500_000)) * 1e9);
        }
    }
    let point = |(services, costs): (&u16, &Vec<f64>)| {
        Spread::of(costs).map(|spread| (f64::from(*services), spread.median))
    };
    let points = sizes.iter().zip(&costs).filter_map(point).collect();
    Curve { what: "correlator for an event, by services".into(), points, unit: Unit::Count }
}

/// What `report` takes for an event, without what it takes for none.
fn journal(bench: &Bench) -> Result<Curve> {
    let mut sizes = vec![(1, 20), (10, 5)];
    if bench.extent != Extent::Quick {
        sizes.push((100, 3));
    }
    if bench.extent == Extent::Long {
        sizes.push((1_000, 1));
    }
    let path = bench.place.dir().join("growth.journal");
    let median = |times: usize| -> Result<f64> {
        let spent = (0..times).map(|_| Ok(report(&path)?.cpu)).collect::<Result<Vec<f64>>>()?;
        Ok(Spread::of(&spent).map_or(0.0, |spread| spread.median))
    };
    write_journal(&path, 10, 1)?;
    let nothing = median(20)?;
    let mut points = Vec::new();
    for (size, times) in sizes {
        let events = write_journal(&path, 10, size * MB)?;
        points.push(((size * MB) as f64, (median(times)? - nothing).max(0.0) / events as f64 * 1e9));
    }
    std::fs::remove_file(&path).context("removing the journal")?;
    Ok(Curve { what: "report for an event, by journal".into(), points, unit: Unit::Bytes })
}
