//! Many clients, and such as read slowly.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::daemon::report;
use drain_observer_tests::load::Load;
use drain_observer_tests::processes;
use drain_observer_tests::truth::compare;
use nix::sys::signal::Signal;

use super::person::{OnCall, watching};
use crate::support::{LIMIT, busy, live, prefork, queued};

const CLIENTS: &str = "drain_observer_socket_clients";
const ENDED: &str = "drain_observer_socket_clients_ended_total";
/// Bytes that the daemon may take for clients that read nothing, whatever their number.
const MOST: u64 = 40 << 20;

/// Two hundred clients that ask for everything and read nothing are dropped and counted. The daemon's memory stays
/// bounded, it misses nothing, and one that does read is told everything.
#[test]
fn two_hundred_slow_readers() {
    live("socket::two_hundred_slow_readers", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(300));
        let mut old = prefork.start()?;
        let on_call = OnCall::start(&["-P", &old.port().to_string(), "--all-connections"])?;
        let before = processes::peak_memory(on_call.daemon.pid())?;
        let slow: Vec<UnixStream> = (0..200).map(|_| asks(&on_call.socket())).collect::<Result<_>>()?;
        let watch = watching(on_call.member("watch", &[]))?;
        on_call.daemon.wait_for("all to be there", |metrics| metrics.sum(CLIENTS, &[]) == 201.0)?;
        // What the kernel takes for each of them is soon full.
        let mut truth = Load::new(old.address()).clients(4, 6_000).run();
        on_call.daemon.wait_for("the slow ones to be dropped", |metrics| {
            metrics.sum(ENDED, &[("how", "slow")]) == 200.0 && metrics.sum(CLIENTS, &[]) == 1.0
        })?;

        let busy = busy(old.address(), 2, 1_500)?;
        let waiting = queued(old.address(), 5)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        truth.extend([busy.join(), waiting.join()].concat());
        let mut new = prefork.start()?;
        truth.extend(new.take_probes());
        truth.extend(Load::new(new.address()).run());
        watch.lines.wait_for("the restart's end", LIMIT, |line| line.contains("LOSSY"))?;

        let metrics = on_call.daemon.metrics()?;
        ensure!(metrics.sum("drain_observer_events_lost_total", &[]) == 0.0, "no event is lost");
        ensure!(
            metrics.sum("drain_observer_journal_events_dropped_total", &[]) == 0.0,
            "none to the journal"
        );
        let after = processes::peak_memory(on_call.daemon.pid())?;
        ensure!(after - before < MOST, "{before} bytes before, {after} at most");
        let found = report(&[&on_call.journal()], &["--connections", "all"])?;
        let comparison = compare(&found, &truth, new.port())?;
        ensure!(comparison.agrees() && comparison.matched.len() == 5, "{comparison:?}");
        drop(slow);
        Ok(())
    });
}

/// A client that asks for what happens, and never reads an answer.
fn asks(socket: &Path) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(socket).context("connecting to the daemon")?;
    let tool = r#""tool":{"name":"drain-observer","version":"0.1.0"}"#;
    writeln!(stream, r#"{{"drain_observer_socket":1,{tool},"ask":{{"live":{{"history":true}}}}}}"#)?;
    Ok(stream)
}

/// More than there are places for are told so.
#[test]
fn more_clients_than_places() {
    live("socket::more_clients_than_places", &[], || {
        let on_call = OnCall::start(&["-P", "9"])?;
        let all: Vec<UnixStream> = (0..256).map(|_| asks(&on_call.socket())).collect::<Result<_>>()?;
        on_call.daemon.wait_for("all to be there", |metrics| metrics.sum(CLIENTS, &[]) == 256.0)?;
        let (code, _, error) = super::person::said(on_call.member("watch", &[]))?;
        ensure!(code == Some(2) && error.contains("256 clients are there already"), "{error}");
        drop(all);
        on_call.daemon.wait_for("room again", |metrics| metrics.sum(CLIENTS, &[]) == 0.0)?;
        let watch = watching(on_call.member("watch", &[]))?;
        drop(watch);
        Ok(())
    });
}
