//! The daemon: flight recorder and metrics, before real restarts.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::daemon::{Daemon, Metrics, report};
use drain_observer_tests::disk::SmallDisk;
use drain_observer_tests::http;
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::prometheus::Prometheus;
use drain_observer_tests::servers::nginx::Nginx;
use drain_observer_tests::servers::puma::Puma;
use drain_observer_tests::truth::{Fate, LOST, compare};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LIMIT, busy, live, lossy, prefork, serve_on, steady, upstream};

const RESTARTS: &str = "drain_observer_restarts_total";
const CONNECTIONS: &str = "drain_observer_connections_total";

/// Ten restarts, five of them lossy: the metrics count what the clients saw, a real Prometheus takes them, and the
/// alert is about the service that lost something.
#[test]
fn ten_restarts_are_counted() {
    live("serve::ten_restarts_are_counted", &["puma", "nginx", "prometheus"], || {
        let upstream = upstream()?;
        let nginx = Nginx::new(upstream.address())?.start()?;
        let puma = Puma::new()?;
        let mut old = puma.start()?;
        let dir = tempfile::tempdir()?;
        let ports = [nginx.port(), old.port()].map(|port| port.to_string());
        let daemon = recording(dir.path(), &["-P", &ports[0], "-P", &ports[1]])?;
        let prometheus = Prometheus::start(daemon.address())?;
        // The alert tells an increase: there has to be a number to begin with.
        prometheus.wait_for(RESTARTS, |series| !series.is_empty())?;

        let mut truth: Vec<Fate> = Vec::new();
        for round in 1..=5 {
            let load = steady(old.address())?;
            // More than it has threads for.
            let crowd = Load::new(old.address()).get("/sleep/300").burst(40).start();
            crowd.wait_sent(40, LIMIT)?;
            old.signal(Signal::SIGTERM)?;
            old.wait_until_gone(LIMIT)?;
            old = puma.start()?;
            truth.extend(old.take_probes());
            serve_on(&load)?;
            truth.extend(load.stop());
            truth.extend(crowd.join());

            let load = steady(nginx.address())?;
            let workers = nginx.workers();
            nginx.signal(Signal::SIGHUP)?;
            nginx.wait_for_new_workers(&workers, LIMIT)?;
            serve_on(&load)?;
            truth.extend(load.stop());
            // A restart's verdict stands, and is counted, a moment after its end.
            let all = f64::from(2 * round);
            daemon.wait_for("both restarts to be counted", |metrics| metrics.sum(RESTARTS, &[]) == all)?;
        }
        truth.extend(load::expect_served(old.address())?);

        let ended = truth.len() as f64;
        let metrics =
            daemon.wait_for("all connections to be counted", |it| it.sum(CONNECTIONS, &[]) == ended)?;
        let found = report(&[dir.path()], &["--connections", "all"])?;
        // It goes on, which is all that there is to say.
        let notes = found["completeness"]["notes"].as_array().context("notes")?;
        ensure!(
            found["completeness"]["lost_events"] == serde_json::json!([]) && notes.len() == 1,
            "{notes:?}"
        );
        expect_counted(&metrics, &found, &truth, [nginx.port(), old.port()])?;
        expect_verdict(&metrics, &format!("nginx:{}", nginx.port()), "clean", 5.0)?;
        expect_verdict(&metrics, &format!("puma:{}", old.port()), "lossy", 5.0)?;

        let alerts = prometheus
            .wait_for("ALERTS{alertname=\"RestartLostConnections\",alertstate=\"firing\"}", |alerts| {
                !alerts.is_empty()
            })?;
        let about: Vec<&Value> = alerts.iter().map(|alert| &alert["metric"]["service"]).collect();
        ensure!(about == [&format!("puma:{}", old.port())], "alerts about {about:?}");
        for path in ["/healthz", "/readyz"] {
            let (status, body) = http::get(daemon.address(), path)?;
            ensure!(status == 200, "{path} answers {status}: {body}");
        }
        let said = daemon.said();
        ensure!(said.matches("LOSSY").count() == 5, "each loss is in the log:\n{said}");
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    });
}

/// Of an incident some segments ago the recorder tells all, and goes on recording.
#[test]
fn an_incident_some_segments_ago() {
    live("serve::an_incident_some_segments_ago", &[], || {
        let server = prefork()?.workers(2).outlive(std::time::Duration::from_millis(300));
        let mut old = server.start()?;
        let dir = tempfile::tempdir()?;
        let port = old.port().to_string();
        // The shortest age makes for the shortest segments.
        let daemon = recording(dir.path(), &["-P", &port, "--all-connections", "--journal-max-age", "1m"])?;
        let mut truth = lossy(&mut old)?;
        let mut new = server.start()?;
        truth.extend(new.take_probes());
        truth.extend(load::expect_served(new.address())?);
        let steady = Load::new(new.address()).clients(4, 100_000).rate(200).start();
        let segments =
            |wanted: f64| move |it: &Metrics| it.sum("drain_observer_journal_segments", &[]) >= wanted;
        daemon.wait_for("three segments", segments(3.0))?;

        let found = report(&[dir.path()], &["--since", "2m", "--service", "prefork"])?;
        expect_lossy(&found, &truth, new.port())?;
        // Far from the place where it was recorded.
        let copy = tempfile::tempdir()?;
        for file in fs::read_dir(dir.path())? {
            let file = file?;
            // It may have been compressed meanwhile, and the copy has to do with what it got.
            let _ = fs::copy(file.path(), copy.path().join(file.file_name()));
        }
        expect_lossy(&report(&[copy.path()], &[])?, &truth, new.port())?;

        daemon.wait_for("recording to go on", segments(4.0))?;
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        steady.stop();
        let found = report(&[dir.path()], &[])?;
        ensure!(found["completeness"]["complete"] == true, "{}", found["completeness"]);
        expect_lossy(&found, &truth, new.port())
    });
}

/// A daemon that is killed in the middle of a drain: what it had written is there, and the time without it is named.
#[test]
fn killed_in_mid_incident() {
    live("serve::killed_in_mid_incident", &[], || {
        let server = prefork()?.workers(2);
        let mut old = server.start()?;
        let dir = tempfile::tempdir()?;
        let port = old.port().to_string();
        let daemon = recording(dir.path(), &["-P", &port, "--journal-sync", "50ms"])?;
        let busy = busy(old.address(), 2, 4_000)?;
        old.signal(Signal::SIGTERM)?;
        let path = dir.path();
        drain_observer_tests::wait::until("the restart to be in the journal", LIMIT, || {
            let found = report(&[path], &[])?;
            Ok(found["restarts"].as_array().is_some_and(|it| !it.is_empty()).then_some(()))
        })?;
        daemon.kill()?;

        old.wait_until_gone(LIMIT)?;
        busy.join();
        let mut new = server.start()?;
        let daemon = recording(dir.path(), &["-P", &port])?;
        let mut truth = lossy(&mut new)?;
        let mut newer = server.start()?;
        truth.extend(newer.take_probes());
        truth.extend(load::expect_served(newer.address())?);
        daemon.wait_for("the second restart's end", |metrics| metrics.sum(RESTARTS, &[]) == 1.0)?;

        let found = report(&[path], &[])?;
        let notes = found["completeness"]["notes"].to_string();
        ensure!(
            notes.contains("nobody observed from") && notes.contains("the observer was killed"),
            "{notes}"
        );
        let restarts = found["restarts"].as_array().context("restarts")?;
        ensure!(restarts.len() == 2, "{restarts:?}");
        ensure!(restarts[0]["verdict"] == "inconclusive", "its end was not seen: {}", restarts[0]);
        ensure!(restarts[0]["cause"]["signal"]["name"] == "SIGTERM", "{}", restarts[0]["cause"]);
        ensure!(restarts[1]["verdict"] == "lossy", "{}", restarts[1]);
        let comparison = compare(&found, &truth, new.port())?;
        ensure!(comparison.agrees(), "{comparison:?}");
        Ok(())
    });
}

/// A disk that is full: observing and metrics go on, the loss is counted, and room is used when there is some again.
#[test]
fn a_full_disk() {
    live("serve::a_full_disk", &[], || {
        let server = prefork()?.workers(2).outlive(std::time::Duration::from_millis(300));
        let mut old = server.start()?;
        let disk = SmallDisk::new("4m")?;
        let port = old.port().to_string();
        let args = ["-P", &port, "--all-connections", "--journal-sync", "50ms"];
        let daemon = recording(disk.path(), &args)?;
        let filler = disk.fill()?;
        let load = Load::new(old.address()).clients(4, 100_000).rate(400).start();
        let full = daemon.wait_for("what can't be written to be counted", |metrics| {
            metrics.sum("drain_observer_journal_writing", &[]) == 0.0
                && metrics.sum("drain_observer_journal_events_dropped_total", &[]) > 0.0
        })?;
        let served = full.sum(CONNECTIONS, &[("outcome", "served")]);
        daemon.wait_for("metrics to go on", |metrics| {
            metrics.sum(CONNECTIONS, &[("outcome", "served")]) > served + 100.0
        })?;
        fs::remove_file(filler)?;
        daemon.wait_for("room to be used", |metrics| {
            metrics.sum("drain_observer_journal_writing", &[]) == 1.0
        })?;
        load.stop();

        let mut truth = lossy(&mut old)?;
        let mut new = server.start()?;
        truth.extend(new.take_probes());
        truth.extend(load::expect_served(new.address())?);
        let after = daemon.wait_for("the restart's end", |metrics| metrics.sum(RESTARTS, &[]) == 1.0)?;
        let lost = after.sum("drain_observer_events_lost_total", &[("kind", "journal")]);
        ensure!(lost > 0.0, "the loss is in the metrics");
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        let found = report(&[disk.path()], &[])?;
        ensure!(found["completeness"]["complete"] == false, "{}", found["completeness"]);
        expect_lossy(&found, &truth, new.port())
    });
}

fn recording(dir: &Path, args: &[&str]) -> Result<Daemon> {
    let path = dir.to_str().context("a path in UTF-8")?;
    Daemon::start("serve", &[&["--journal-dir", path], args].concat())
}

pub(crate) fn expect_lossy(found: &Value, truth: &[Fate], port: u16) -> Result<()> {
    let restarts = found["restarts"].as_array().context("restarts")?;
    ensure!(restarts.len() == 1 && restarts[0]["verdict"] == "lossy", "{restarts:?}");
    let comparison = compare(found, truth, port)?;
    ensure!(comparison.agrees() && comparison.matched.len() >= 5, "{comparison:?}");
    Ok(())
}

/// Metrics, the recorder's report and the clients have seen the same.
fn expect_counted(metrics: &Metrics, found: &Value, truth: &[Fate], ports: [u16; 2]) -> Result<()> {
    let mut lost = 0.0;
    for outcome in LOST {
        let mut expected = 0;
        for port in ports {
            let comparison = compare(found, truth, port)?;
            ensure!(comparison.agrees(), "port {port}: {comparison:?}");
            expected += comparison.outcomes().get(outcome).copied().unwrap_or(0);
        }
        let counted = metrics.sum(CONNECTIONS, &[("outcome", outcome)]);
        ensure!(counted == expected as f64, "{outcome}: {counted} counted, {expected} seen by clients");
        lost += counted;
    }
    let lost_by_clients = truth.iter().filter(|fate| fate.lost()).count();
    ensure!(lost == lost_by_clients as f64, "{lost} lost, {lost_by_clients} by clients");
    ensure!(lost > 0.0, "something was lost");
    Ok(())
}

fn expect_verdict(metrics: &Metrics, service: &str, verdict: &str, count: f64) -> Result<()> {
    let counted = metrics.sum(RESTARTS, &[("service", service), ("verdict", verdict)]);
    ensure!(counted == count, "{service}: {counted} restarts {verdict}, not {count}");
    Ok(())
}
