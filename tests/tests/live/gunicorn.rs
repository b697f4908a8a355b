//! Gunicorn, two sync workers.

use anyhow::Result;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::gunicorn::Gunicorn;
use drain_observer_tests::{processes, wait};
use nix::sys::signal::Signal;

use crate::stories::{Requests, lost_a_worker, out_of_patience, renewed, stopped_and_started, went_on};
use crate::support::{LIMIT, agree, busy, live, observe, serve_on, served_by, steady};

#[test]
fn term_with_slow_requests_and_a_full_queue() {
    live("gunicorn::term_with_slow_requests_and_a_full_queue", &["gunicorn"], || {
        stopped_with_a_queue("gunicorn-term", Signal::SIGTERM, "SIGTERM", 2)
    });
}

#[test]
fn quit_with_slow_requests_and_a_full_queue() {
    live("gunicorn::quit_with_slow_requests_and_a_full_queue", &["gunicorn"], || {
        stopped_with_a_queue("gunicorn-quit", Signal::SIGQUIT, "SIGQUIT", 0)
    });
}

/// As many requests as it has workers, and more in the queue.
fn full_with(queued: usize) -> Requests {
    Requests { under_way: 2, queued }
}

/// A stop while `served` of two requests under way get their answers; then a new gunicorn on the same port.
fn stopped_with_a_queue(name: &str, signal: Signal, signal_name: &str, served: usize) -> Result<()> {
    let gunicorn = Gunicorn::new()?;
    let replaced = stopped_and_started(name, || gunicorn.start(), full_with(12), |old| old.signal(signal))?;
    assert_eq!(replaced.served, served, "gunicorn's own behaviour");
    let observed = replaced.observed;
    observed.expect_restart("replace", "lossy")?;
    observed.expect_cause("signal", "name", signal_name)?;
    observed.expect_outcome("queue_reset", observed.clients("reset awaiting_response"))
}

#[test]
fn killed_at_the_graceful_timeout() {
    live("gunicorn::killed_at_the_graceful_timeout", &["gunicorn"], || {
        let gunicorn = Gunicorn { graceful_timeout: 1, ..Gunicorn::new()? };
        let mut old = gunicorn.start()?;
        let mut scenario = observe("gunicorn-graceful-timeout", &old)?;
        let busy = busy(old.address(), 2, 9_000)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = gunicorn.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        let observed = agree(scenario)?;
        observed.expect_outcome("unanswered", 2)?;
        observed.expect_restart("replace", "lossy")?;
        // What began it, not the KILL that ended it.
        observed.expect_cause("signal", "name", "SIGTERM")
    });
}

#[test]
fn hup_reloads() {
    live("gunicorn::hup_reloads", &["gunicorn"], || {
        renewed("gunicorn-hup", &Gunicorn::new()?.start()?, Signal::SIGHUP)?
            .expect_restart("reload", "clean")?;
        Ok(())
    });
}

#[test]
fn usr2_then_term_upgrades() {
    live("gunicorn::usr2_then_term_upgrades", &["gunicorn"], || {
        let server = Gunicorn::new()?.start()?;
        let old = server.started();
        let mut scenario = observe("gunicorn-usr2", &server)?;
        let steady = steady(server.address())?;
        start_beside(&server)?;
        serve_on(&steady)?;
        processes::send(old, Signal::SIGTERM)?;
        processes::wait_for_exit(old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        agree(scenario)?.expect_restart("upgrade", "clean")?;
        Ok(())
    });
}

/// Has it start a new master beside the old one, and waits until that has its workers.
pub(crate) fn start_beside(old: &Server) -> Result<()> {
    let workers = old.workers();
    old.signal(Signal::SIGUSR2)?;
    // The new master is a child of the old one.
    let new = old.wait_for_child_beside(&workers, LIMIT)?;
    wait::until("the new master's workers", LIMIT, || {
        Ok((processes::children(new).len() == workers.len()).then_some(()))
    })
}

#[test]
fn usr1_reopens_logs_and_loses_nothing() {
    live("gunicorn::usr1_reopens_logs_and_loses_nothing", &["gunicorn"], || {
        went_on("gunicorn-usr1", &Gunicorn::new()?.start()?, Signal::SIGUSR1)
    });
}

#[test]
fn group_term() {
    live("gunicorn::group_term", &["gunicorn"], || {
        let gunicorn = Gunicorn::new()?;
        let group_term = |old: &Server| old.signal_group(Signal::SIGTERM);
        let replaced =
            stopped_and_started("gunicorn-group-term", || gunicorn.start(), full_with(6), group_term)?;
        replaced.observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn worker_killed() {
    live("gunicorn::worker_killed", &["gunicorn"], || {
        let observed = lost_a_worker("gunicorn-kill-worker", &Gunicorn::new()?.start()?, full_with(4))?;
        observed.expect_clients("served", 5)?;
        observed.expect_outcome("unanswered", 1)
    });
}

#[test]
fn master_killed_and_its_orphans_leave() {
    live("gunicorn::master_killed_and_its_orphans_leave", &["gunicorn"], || {
        let gunicorn = Gunicorn::new()?;
        // Its workers finish what they have and leave, because their parent is gone.
        let kill = |old: &Server| processes::send(old.master(), Signal::SIGKILL);
        stopped_and_started("gunicorn-kill-master", || gunicorn.start(), full_with(6), kill)?;
        Ok(())
    });
}

#[test]
fn a_worker_past_its_timeout_is_a_loss_without_a_restart() {
    live("gunicorn::a_worker_past_its_timeout_is_a_loss_without_a_restart", &["gunicorn"], || {
        let server = Gunicorn { timeout: 2, ..Gunicorn::new()? }.start()?;
        out_of_patience("gunicorn-timeout", &server)
    });
}
