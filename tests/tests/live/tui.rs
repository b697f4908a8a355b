//! The live screens in a real terminal, before a real restart.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use drain_observer_tests::terminal::Terminal;
use drain_observer_tests::truth::{Ending, Fate};
use drain_observer_tests::{load, observer, processes};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, busy, live, prefork, queued};

#[test]
fn a_restart_on_the_screen() {
    live("tui::a_restart_on_the_screen", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(500));
        let mut old = prefork.start()?;
        let mut screen = start(old.port())?;
        screen.wait_for(&["serving", "live", "all hooks in place", "none seen"])?;

        // At the signal: who did what to whom.
        let busy = busy(old.address(), 2, 4_000)?;
        let queued = queued(old.address(), 6)?;
        old.signal(Signal::SIGTERM)?;
        let cause = format!("(pid {}) to prefork (pid {})", std::process::id(), old.started());
        screen.wait_for(&["UNDER WAY", "SIGTERM from", &cause])?;

        // While it drains: what is still there.
        screen.wait_for(&["UNDER WAY", "old generation still there, with 2 connections", "lost: 0"])?;

        // At the end: what was lost, and why.
        old.wait_for_exit(LIMIT)?;
        screen.wait_for(&["6  queue_reset"])?;
        let new = prefork.start()?;
        load::expect_served(new.address())?;
        screen.wait_for(&["LOSSY", "6 connections lost", "listener_outlived_workers", "replace"])?;
        ensure!(!busy.join().iter().any(Fate::lost), "what was under way is answered");
        let queued = queued.join();
        ensure!(
            queued.len() == 6 && queued.iter().all(|fate| matches!(fate.ending, Ending::Reset(_))),
            "what waited is reset: {queued:?}"
        );

        screen.types("\r")?;
        screen.wait_for(&["Connections lost or of unknown fate", ": 6  by end", "queue_reset"])?;
        screen.resize(80, 24)?;
        screen.wait_for(&[": 6  by end", "? help  q quit"])?;

        screen.types("\x1a")?;
        screen.wait_until_stopped()?;
        screen.wait_until_restored()?;
        processes::send(screen.pid(), Signal::SIGCONT)?;
        screen.wait_for(&[": 6  by end", "? help  q quit"])?;

        processes::send(screen.pid(), Signal::SIGTERM)?;
        ends_well(screen)
    });
}

#[test]
fn the_terminal_is_given_back() {
    live("tui::the_terminal_is_given_back", &[], || {
        let server = prefork()?.workers(1).start()?;
        for end in ["q", "\x03", "SIGHUP"] {
            let mut screen = start(server.port())?;
            screen.wait_for(&["serving"])?;
            match end {
                "SIGHUP" => processes::send(screen.pid(), Signal::SIGHUP)?,
                keys => screen.types(keys)?,
            }
            ends_well(screen)?;
        }
        Ok(())
    });
}

fn start(port: u16) -> Result<Terminal> {
    let mut command = Command::new(observer::program());
    command.args(["tui", "--standalone", "-P", &port.to_string()]);
    Terminal::start(command, 120, 40)
}

fn ends_well(mut screen: Terminal) -> Result<()> {
    let status = screen.wait_for_exit()?;
    ensure!(status.success(), "it ended with {status}:\n{}", screen.text());
    screen.wait_until_restored()
}
