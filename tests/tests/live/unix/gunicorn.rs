//! Gunicorn at a socket file.

use anyhow::Result;
use drain_observer_tests::processes;
use drain_observer_tests::servers::gunicorn::Gunicorn;
use drain_observer_tests::servers::{Place, Server};
use nix::sys::signal::Signal;

use super::chain::{killed, lost_a_worker, reloaded, renewed, replaced};
use crate::gunicorn::start_beside;
use crate::support::{LIMIT, live, serve_on};

fn start(place: Place) -> Result<Server> {
    Gunicorn { graceful_timeout: 5, ..Gunicorn::at(place) }.start()
}

#[test]
fn term() {
    live("unix::gunicorn::term", &["gunicorn", "nginx"], || {
        let replaced = replaced("unix-gunicorn-term", start, |old| old.signal(Signal::SIGTERM))?;
        replaced.expect_lossy("SIGTERM")
    });
}

#[test]
fn all_killed() {
    live("unix::gunicorn::all_killed", &["gunicorn", "nginx"], || killed("unix-gunicorn-kill", start));
}

#[test]
fn usr2_then_term_upgrades() {
    live("unix::gunicorn::usr2_then_term_upgrades", &["gunicorn", "nginx"], || {
        upgraded("unix-gunicorn-usr2-term", Signal::SIGTERM)
    });
}

#[test]
fn usr2_then_quit_upgrades() {
    live("unix::gunicorn::usr2_then_quit_upgrades", &["gunicorn", "nginx"], || {
        upgraded("unix-gunicorn-usr2-quit", Signal::SIGQUIT)
    });
}

#[test]
fn hup_reloads() {
    live("unix::gunicorn::hup_reloads", &["gunicorn", "nginx"], || {
        reloaded("unix-gunicorn-hup", start, Signal::SIGHUP)
    });
}

#[test]
fn worker_killed() {
    live("unix::gunicorn::worker_killed", &["gunicorn", "nginx"], || {
        lost_a_worker("unix-gunicorn-kill-worker", start)
    });
}

/// A new master beside the old one, which is then told to leave in this way.
fn upgraded(name: &str, leave: Signal) -> Result<()> {
    let chained = renewed(name, start, |server, load| {
        let old = server.started();
        start_beside(server)?;
        serve_on(load)?;
        processes::send(old, leave)?;
        processes::wait_for_exit(old, LIMIT)
    })?;
    // Told to quit, its workers drop what they have.
    let verdict = if leave == Signal::SIGQUIT { "lossy" } else { "clean" };
    chained.findings.expect_restart("upgrade", verdict)?;
    Ok(())
}
