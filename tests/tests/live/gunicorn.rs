//! Gunicorn, two sync workers.

use anyhow::Result;
use drain_observer_tests::load::Load;
use drain_observer_tests::processes;
use drain_observer_tests::servers::gunicorn::Gunicorn;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, live, observe, queued, serve_on, served_by, steady};

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

/// A stop while `served` of two busy requests get their answers; then a new gunicorn on the same port.
fn stopped_with_a_queue(name: &str, signal: Signal, signal_name: &str, served: usize) -> Result<()> {
    let gunicorn = Gunicorn::new()?;
    let mut old = gunicorn.start()?;
    let mut scenario = observe(name, &old)?;
    let busy = busy(old.address(), 2, 2_500)?;
    let queued = queued(old.address(), 12)?;
    old.signal(signal)?;
    old.wait_until_gone(LIMIT)?;
    scenario.saw(Load::new(old.address()).clients(2, 4).run());
    let mut new = gunicorn.start()?;
    served_by(&mut scenario, &mut new)?;
    let busy = busy.join();
    assert_eq!(busy.iter().filter(|fate| !fate.lost()).count(), served, "gunicorn's own behaviour");
    scenario.saw(busy);
    scenario.saw(queued.join());

    let observed = agree(scenario)?;
    observed.expect_restart("replace", "lossy")?;
    observed.expect_cause("signal", "name", signal_name)?;
    observed.expect_outcome("queue_reset", observed.clients("reset awaiting_response"))?;
    observed.expect_outcome("refused", 4)
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
        let server = Gunicorn::new()?.start()?;
        let old = server.workers();
        let mut scenario = observe("gunicorn-hup", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGHUP)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        agree(scenario)?.expect_restart("reload", "clean")?;
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
        server.signal(Signal::SIGUSR2)?;
        // The new master is a child of the old one, beside two workers, and has two of its own.
        let with_new = server.wait_for_workers(3, LIMIT)?;
        let new = with_new.into_iter().max().unwrap_or(old);
        drain_observer_tests::wait::until("the new master's workers", LIMIT, || {
            Ok((processes::children(new).len() == 2).then_some(()))
        })?;
        serve_on(&steady)?;
        processes::send(old, Signal::SIGTERM)?;
        processes::wait_for_exit(old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        agree(scenario)?.expect_restart("upgrade", "clean")?;
        Ok(())
    });
}

#[test]
fn usr1_reopens_logs_and_loses_nothing() {
    live("gunicorn::usr1_reopens_logs_and_loses_nothing", &["gunicorn"], || {
        let server = Gunicorn::new()?.start()?;
        let workers = server.workers();
        let mut scenario = observe("gunicorn-usr1", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR1)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        assert_eq!(server.workers(), workers);
        let observed = agree(scenario)?;
        // Too soon to tell whether the signal comes to nothing.
        observed.expect_verdicts_among(&["inconclusive"])
    });
}

#[test]
fn group_term() {
    live("gunicorn::group_term", &["gunicorn"], || {
        let gunicorn = Gunicorn::new()?;
        let mut old = gunicorn.start()?;
        let mut scenario = observe("gunicorn-group-term", &old)?;
        let busy = busy(old.address(), 2, 2_500)?;
        let queued = queued(old.address(), 6)?;
        old.signal_group(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = gunicorn.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        agree(scenario)?.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn worker_killed() {
    live("gunicorn::worker_killed", &["gunicorn"], || {
        let server = Gunicorn::new()?.start()?;
        let mut scenario = observe("gunicorn-kill-worker", &server)?;
        let busy = busy(server.address(), 2, 2_500)?;
        let queued = queued(server.address(), 4)?;
        processes::send(server.workers()[0], Signal::SIGKILL)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        let observed = agree(scenario)?;
        observed.expect_clients("served", 5)?;
        observed.expect_outcome("unanswered", 1)
    });
}

#[test]
fn master_killed_and_its_orphans_leave() {
    live("gunicorn::master_killed_and_its_orphans_leave", &["gunicorn"], || {
        let gunicorn = Gunicorn::new()?;
        let mut old = gunicorn.start()?;
        let mut scenario = observe("gunicorn-kill-master", &old)?;
        let busy = busy(old.address(), 2, 2_500)?;
        let queued = queued(old.address(), 6)?;
        processes::send(old.master(), Signal::SIGKILL)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = gunicorn.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        agree(scenario)?;
        Ok(())
    });
}

#[test]
fn a_worker_past_its_timeout_is_a_loss_without_a_restart() {
    live("gunicorn::a_worker_past_its_timeout_is_a_loss_without_a_restart", &["gunicorn"], || {
        let server = Gunicorn { timeout: 2, ..Gunicorn::new()? }.start()?;
        let mut scenario = observe("gunicorn-timeout", &server)?;
        scenario.saw(busy(server.address(), 1, 9_000)?.join());
        let observed = agree(scenario)?;
        observed.expect_clients("eof awaiting_response", 1)?;
        observed.expect_outcome("unanswered", 1)
    });
}
