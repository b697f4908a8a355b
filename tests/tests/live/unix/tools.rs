//! What watch, gate and the daemon say of a restart at a socket file.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use drain_observer_tests::daemon::Daemon;
use drain_observer_tests::lines::Lines;
use drain_observer_tests::observer;
use drain_observer_tests::processes::{self, Guarded};
use drain_observer_tests::truth::LOST;
use drain_observer_tests::unix::fates::expect_agreement;
use drain_observer_tests::unix::findings::Findings;
use nix::sys::signal::Signal;

use super::stage::Stage;
use crate::gate::Gate;
use crate::support::{LIMIT, live};

#[test]
fn a_gate_fails_where_connections_were_lost() {
    live("unix::tools::a_gate_fails_where_connections_were_lost", &[], || {
        let mut stage = Stage::new("unix-gate-lossy")?;
        let old = stage.server(&[])?;
        let script = format!("echo ready; read go; kill -TERM {}", old.pid());
        let mut gate = Gate::run(&["--path", stage.place(), "--require-restart"], &script)?;
        gate.wait_for_line("ready")?;
        stage.busy(&old, 9_000, &[])?;
        stage.queued(3, &["/"])?;
        gate.tell("go")?;
        old.wait_for_end()?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(1, &["/"])?;
        let said = gate.finish()?;
        said.expect(1, "FAIL: 4 connections were lost, 0 may be")?;
        said.expect(1, "3 queue_reset")?;
        said.expect(1, stage.place())
    });
}

#[test]
fn a_gate_passes_where_none_was() {
    live("unix::tools::a_gate_passes_where_none_was", &[], || {
        let mut stage = Stage::new("unix-gate-clean")?;
        let old = stage.server(&[])?;
        let script = format!("echo ready; read go; kill -TERM {}", old.pid());
        let mut gate = Gate::run(&["--path", stage.place(), "--require-restart"], &script)?;
        gate.wait_for_line("ready")?;
        stage.ask(3, &["/"])?;
        gate.tell("go")?;
        old.wait_for_end()?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(3, &["/"])?;
        gate.finish()?.expect(0, "PASS: 1 restart")
    });
}

#[test]
fn watch_tells_of_a_loss() {
    live("unix::tools::watch_tells_of_a_loss", &[], || {
        let mut stage = Stage::new("unix-watch")?;
        let old = stage.server(&[])?;
        let mut command = Command::new(observer::program());
        command.args(["watch", "--standalone", "--path", stage.place()]).stdin(Stdio::null());
        let mut watch = Guarded(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
        let lines = Lines::of(watch.0.stdout.take().context("standard output was piped")?);
        let notices = Lines::of(watch.0.stderr.take().context("standard error was piped")?);
        notices.wait_for("watch to say that it watches", LIMIT, |_| true)?;
        let pid = old.pid();
        stage.busy(&old, 9_000, &[])?;
        stage.queued(2, &["/"])?;
        old.end(Signal::SIGTERM)?;
        stage.wait()?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(1, &["/"])?;
        lines.wait_for("the verdict", LIMIT, |line| line.contains("LOSSY"))?;
        let watching = i32::try_from(watch.0.id())?;
        processes::send(watching, Signal::SIGINT)?;
        processes::wait_for_exit(watching, LIMIT)?;
        let said = lines.to_end(LIMIT)?;
        for words in ["SIGTERM", &pid.to_string(), "app.sock", "3 connections lost"] {
            ensure!(said.contains(words), "`{words}` is not in:\n{said}");
        }
        Ok(())
    });
}

#[test]
fn the_daemon_counts_what_its_recorder_reports() {
    live("unix::tools::the_daemon_counts_what_its_recorder_reports", &[], || {
        let mut stage = Stage::new("unix-serve")?;
        let old = stage.server(&[])?;
        let dir = tempfile::tempdir().context("making a directory for journals")?;
        let journals = dir.path().to_str().context("a path in UTF-8")?;
        let args = ["--journal-dir", journals, "--path", stage.place(), "--all-connections"];
        let daemon = Daemon::start("serve", &args)?;
        stage.ask(3, &["/"])?;
        stage.busy(&old, 9_000, &[])?;
        stage.queued(4, &["/"])?;
        old.end(Signal::SIGTERM)?;
        stage.wait()?;
        stage.ask(2, &["/"])?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(3, &["/"])?;
        let metrics = daemon.wait_for("the restart to be counted", |metrics| {
            metrics.sum("drain_observer_restarts_total", &[("verdict", "lossy")]) == 1.0
        })?;
        ensure!(daemon.said().contains("LOSSY"), "the loss is in the log:\n{}", daemon.said());
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        let found = drain_observer_tests::daemon::report(&[dir.path()], &["--connections", "all"])?;
        let service = found["services"][0]["name"].as_str().context("a service")?.to_owned();
        let mut findings = Findings::made("unix-serve", found);
        expect_agreement(&mut findings, stage.place(), stage.fates())?;
        let outcomes = findings.outcomes(stage.place())?;
        for outcome in LOST {
            let of = [("service", service.as_str()), ("outcome", outcome)];
            let counted = metrics.sum("drain_observer_connections_total", &of);
            let expected = outcomes.get(outcome).copied().unwrap_or(0);
            ensure!(counted == expected as f64, "{outcome}: {counted} counted, {expected} reported");
        }
        ensure!(outcomes.get("queue_reset") == Some(&4), "{outcomes:?}");
        Ok(())
    });
}
