//! Unicorn at a socket file.

use anyhow::Result;
use drain_observer_tests::processes;
use drain_observer_tests::servers::unicorn::Unicorn;
use drain_observer_tests::servers::{Place, Server};
use drain_observer_tests::wait;
use nix::sys::signal::Signal;

use super::chain::{killed, lost_a_worker, reloaded, renewed, replaced};
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
    live("unix::unicorn::all_killed", &["unicorn", "nginx"], || killed("unix-unicorn-kill", start));
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
        reloaded("unix-unicorn-hup", start, Signal::SIGHUP)
    });
}

#[test]
fn worker_killed() {
    live("unix::unicorn::worker_killed", &["unicorn", "nginx"], || {
        lost_a_worker("unix-unicorn-kill-worker", start)
    });
}
