//! Settings of the daemon: read from a file, read again while it runs, and what the service manager is told meanwhile.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::daemon::{Daemon, report};
use drain_observer_tests::manager::Manager;
use drain_observer_tests::{http, load, sockets};
use nix::sys::signal::Signal;

use crate::serve::expect_lossy;
use crate::support::{LIMIT, busy, live, prefork, queued};

const RESTARTS: &str = "drain_observer_restarts_total";
/// An old segment, older than any age but the longest.
const OLD: &str = "drain-observer-20200102T030405.006Z-00000000-1-1-20200102T030505.006Z.journal.zst";

/// A restart under load loses connections while the settings are read again, first good ones, then broken ones: no
/// event is lost, what can change does, and what can't is said.
#[test]
fn read_again_in_the_middle_of_a_restart() {
    live("settings::read_again_in_the_middle_of_a_restart", &[], || {
        let server = prefork()?.workers(2);
        let mut old = server.start()?;
        let dir = tempfile::tempdir()?;
        let journals = dir.path().join("journals");
        fs::create_dir(&journals)?;
        fs::write(journals.join(OLD), b"whatever")?;
        let file = dir.path().join("drain-observer.toml");
        let write = |age: &str, services: u32, more: &str| {
            let text = format!(
                "journal_dir = \"{}\"\njournal_max_age = \"{age}\"\nmax_services = {services}\n\
                 all_connections = true\n{more}\n[selection]\nports = [{}]\n",
                journals.display(),
                old.port()
            );
            fs::write(&file, text).context("writing settings")
        };
        write("30000d", 200, "")?;
        let manager = Manager::at_path()?;
        let daemon = told(&manager, &file, &[])?;
        manager.wait_for("the daemon to be ready", LIMIT, |it| it == "READY=1")?;
        let (status, body) = http::get(daemon.address(), "/readyz")?;
        ensure!(status == 200, "ready, and /readyz answers {status}: {body}");
        ensure!(journals.join(OLD).exists(), "it may stay so far");

        let busy = busy(old.address(), 2, 1_500)?;
        let queued = queued(old.address(), 5)?;
        old.signal(Signal::SIGTERM)?;
        write("7d", 3, "ring_size = 65536")?;
        read_again(&daemon, &manager)?;
        daemon.wait_until_said("journal_max_age is \"7d\" from now on, and was \"30000d\"", 1)?;
        daemon.wait_until_said("max_services is 3 from now on, and was 200", 1)?;
        daemon.wait_until_said("ring_size = 65536 takes effect at the next start; in force: 8388608", 1)?;
        wait_until_gone(&journals.join(OLD))?;
        fs::write(&file, "jurnal_max_age = 7\nmax_services = 4\n")?;
        read_again(&daemon, &manager)?;
        daemon.wait_until_said("reload refused, the settings in force stay", 1)?;
        daemon.wait_until_said(
            "1:1: there is no setting `jurnal_max_age`; the nearest is `journal_max_age`",
            1,
        )?;
        old.wait_until_gone(LIMIT)?;
        sockets::wait_for_no_listener(old.port(), LIMIT)?;
        let mut truth = [busy.join(), queued.join()].concat();
        let mut new = server.start()?;
        truth.extend(new.take_probes());
        truth.extend(load::expect_served(new.address())?);
        let after = daemon.wait_for("the restart's end", |metrics| metrics.sum(RESTARTS, &[]) == 1.0)?;
        ensure!(after.sum("drain_observer_events_lost_total", &[]) == 0.0, "nothing was lost by it");
        let status = manager.wait_for("its losses to be told", LIMIT, |it| it.contains("1 restart, "))?;
        let lost = truth.iter().filter(|fate| fate.lost()).count();
        ensure!(status.starts_with("STATUS=1 listener, ") && status.contains(", journal "), "{status}");
        ensure!(status.contains(&format!(", {lost} connections lost, ")), "{lost} lost: {status}");

        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        manager.wait_for("the daemon to say that it ends", LIMIT, |it| it == "STOPPING=1")?;
        let found = report(&[&journals], &[])?;
        ensure!(found["completeness"]["lost_events"] == serde_json::json!([]), "{}", found["completeness"]);
        ensure!(found["completeness"]["complete"] == true, "{}", found["completeness"]);
        expect_lossy(&found, &truth, new.port())
    });
}

/// A sign of life comes while the event loop turns, and only then.
#[test]
fn a_watchdog_is_fed_while_it_turns() {
    live("settings::a_watchdog_is_fed_while_it_turns", &[], || {
        let server = prefork()?.start()?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("drain-observer.toml");
        fs::write(&file, format!("[selection]\nports = [{}]\n", server.port()))?;
        let manager = Manager::at_path()?;
        let journals = dir.path().join("journals");
        let journals = ["--journal-dir", journals.to_str().context("a path in UTF-8")?];
        let environment = [("NOTIFY_SOCKET", manager.name()), ("WATCHDOG_USEC", "1000000")];
        let path = file.to_str().context("a path in UTF-8")?;
        let daemon =
            Daemon::start_with("serve", &[&["--config", path], &journals[..]].concat(), &environment)?;
        let alive = || manager.wait_for("a sign of life", LIMIT, |it| it == "WATCHDOG=1");
        manager.wait_for("the daemon to be ready", LIMIT, |it| it == "READY=1")?;
        (0..4).try_for_each(|_| alive().map(drop))?;

        daemon.signal(Signal::SIGSTOP)?;
        drain_observer_tests::wait::until("the daemon to stand still", LIMIT, || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid()))?;
            Ok(stat.contains(") T ").then_some(()))
        })?;
        let told = manager.told_within(Duration::from_millis(1_500))?;
        ensure!(told.is_empty(), "while it stands still it tells {told:?}");
        daemon.signal(Signal::SIGCONT)?;
        (0..2).try_for_each(|_| alive().map(drop))?;
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    });
}

/// At an abstract name, and with a watchdog that is another process's.
#[test]
fn an_exporter_tells_an_abstract_socket() {
    live("settings::an_exporter_tells_an_abstract_socket", &[], || {
        let manager = Manager::of_name("drain-observer-tests")?;
        let environment =
            [("NOTIFY_SOCKET", manager.name()), ("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")];
        let server = prefork()?.start()?;
        let daemon = Daemon::start_with("exporter", &["-P", &server.port().to_string()], &environment)?;
        manager.wait_for("the daemon to be ready", LIMIT, |it| it == "READY=1")?;
        let status = manager.wait_for("its status", LIMIT, |it| it.starts_with("STATUS="))?;
        ensure!(status == "STATUS=1 listener, 0 restarts, 0 connections lost", "{status}");
        let told = manager.told_within(Duration::from_secs(1))?;
        ensure!(told.is_empty(), "at rest, and with nobody who waits for a sign of life: {told:?}");
        // It has no file to read, and goes on.
        read_again(&daemon, &manager)?;
        daemon.wait_until_said("settings read again (no file): no change that takes effect now", 1)?;
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        manager.wait_for("the daemon to say that it ends", LIMIT, |it| it == "STOPPING=1")?;
        Ok(())
    });
}

/// A daemon with these settings and flags that tells the manager how it does.
fn told(manager: &Manager, file: &Path, args: &[&str]) -> Result<Daemon> {
    let path = file.to_str().context("a path in UTF-8")?;
    Daemon::start_with("serve", &[&["--config", path], args].concat(), &[("NOTIFY_SOCKET", manager.name())])
}

/// Has the settings read again, and waits until that is done.
fn read_again(daemon: &Daemon, manager: &Manager) -> Result<()> {
    daemon.signal(Signal::SIGHUP)?;
    let began = manager.wait_for("the reload to begin", LIMIT, |it| it.starts_with("RELOADING=1"))?;
    let time = began.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").context("with a time")?;
    time.parse::<u64>().with_context(|| format!("{time} is a time"))?;
    manager.wait_for("the reload to end", LIMIT, |it| it == "READY=1")?;
    Ok(())
}

fn wait_until_gone(file: &Path) -> Result<()> {
    let gone = || Ok((!file.exists()).then_some(()));
    drain_observer_tests::wait::until("what is too old now to go", LIMIT, gone)
}
