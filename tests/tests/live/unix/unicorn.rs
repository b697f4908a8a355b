//! Unicorn at a socket file.

use anyhow::Result;
use drain_observer_tests::processes;
use drain_observer_tests::servers::unicorn::Unicorn;
use drain_observer_tests::servers::{Place, Server};
use drain_observer_tests::wait;
use nix::sys::signal::Signal;

use super::chain::{lost_a_worker, renewed, replaced};
use crate::support::{LIMIT, live, serve_on};

fn start(place: Place) -> Result<Server> {
    Unicorn::at(place).start()
}

#[test]
fn term() {
    live("unix::unicorn::term", &["unicorn", "nginx"], || {
        let replaced = replaced("unix-unicorn-term", start, |old| old.signal(Signal::SIGTERM))?;
        replaced.expect_lossy("SIGTERM")
    });
}

#[test]
fn all_killed() {
    live("unix::unicorn::all_killed", &["unicorn", "nginx"], || {
        let replaced = replaced("unix-unicorn-kill", start, |old| old.signal_group(Signal::SIGKILL))?;
        let chained = &replaced.chained;
        chained.findings.expect_restart("replace", "lossy")?;
        chained.findings.expect(chained.count("queue_reset")? > 0, "a queue to be reset")?;
        chained.findings.expect(chained.count("unanswered")? > 0, "requests without an answer")
    });
}

#[test]
fn usr2_then_quit_upgrades() {
    live("unix::unicorn::usr2_then_quit_upgrades", &["unicorn", "nginx"], || {
        let chained = renewed("unix-unicorn-usr2", start, |server, load| {
            let old = server.started();
            server.signal(Signal::SIGUSR2)?;
            let new = server.wait_for_other_master(old, LIMIT)?;
            wait::until("the new master's workers", LIMIT, || {
                Ok((processes::children(new).len() == 2).then_some(()))
            })?;
            serve_on(load)?;
            processes::send(old, Signal::SIGQUIT)?;
            processes::wait_for_exit(old, LIMIT)
        })?;
        chained.expect_no_loss()?;
        chained.findings.expect_restart("upgrade", "clean")?;
        Ok(())
    });
}

#[test]
fn hup_reloads() {
    live("unix::unicorn::hup_reloads", &["unicorn", "nginx"], || {
        let chained = renewed("unix-unicorn-hup", start, |server, _| {
            let workers = server.workers();
            server.signal(Signal::SIGHUP)?;
            server.wait_for_new_workers(&workers, LIMIT).map(drop)
        })?;
        chained.expect_no_loss()?;
        chained.findings.expect_restart("reload", "clean")?;
        Ok(())
    });
}

#[test]
fn worker_killed() {
    live("unix::unicorn::worker_killed", &["unicorn", "nginx"], || {
        lost_a_worker("unix-unicorn-kill-worker", start)
    });
}
