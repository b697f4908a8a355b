//! Puma in cluster mode, two workers with two threads.

use anyhow::Result;
use drain_observer_tests::load::Load;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::puma::Puma;
use drain_observer_tests::sockets;
use nix::sys::signal::Signal;

use crate::stories::{Requests, lost_a_worker, renewed, stopped_and_started};
use crate::support::{LIMIT, agree, find_nobody, late, live, observe, served_by, steady};

/// What two workers with two threads take from the accept queue.
const CAPACITY: usize = 4;

#[test]
fn term_with_slow_requests_and_a_full_queue() {
    live("puma::term_with_slow_requests_and_a_full_queue", &["puma"], || {
        stopped_with_a_queue("puma-term", Signal::SIGTERM, "SIGTERM")
    });
}

#[test]
fn int_with_slow_requests_and_a_full_queue() {
    live("puma::int_with_slow_requests_and_a_full_queue", &["puma"], || {
        stopped_with_a_queue("puma-int", Signal::SIGINT, "SIGINT")
    });
}

/// A stop while requests are served and more wait in the queue; then a new puma on the same port.
fn stopped_with_a_queue(name: &str, signal: Signal, signal_name: &str) -> Result<()> {
    let puma = Puma::new()?;
    let replaced = stopped_and_started(name, || puma.start(), full_with(20), |old| old.signal(signal))?;
    replaced.observed.expect_restart("replace", "lossy")?;
    replaced.observed.expect_cause("signal", "name", signal_name)?;
    replaced.observed.expect_cause("target", "pid", replaced.old)
}

/// As many requests as it has threads, and more in the queue.
fn full_with(queued: usize) -> Requests {
    Requests { under_way: CAPACITY, queued }
}

#[test]
fn group_term() {
    live("puma::group_term", &["puma"], || {
        let puma = Puma::new()?;
        let group_term = |old: &Server| old.signal_group(Signal::SIGTERM);
        let replaced = stopped_and_started("puma-group-term", || puma.start(), full_with(6), group_term)?;
        replaced.observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn usr2_executes_itself_again() {
    live("puma::usr2_executes_itself_again", &["puma"], || {
        let observed = renewed("puma-usr2", &Puma::new()?.start()?, Signal::SIGUSR2)?;
        observed.expect_restart("reexec", if observed.lossy() { "lossy" } else { "clean" })?;
        Ok(())
    });
}

#[test]
fn usr1_restarts_workers_one_by_one() {
    live("puma::usr1_restarts_workers_one_by_one", &["puma"], || {
        let observed = renewed("puma-usr1", &Puma::new()?.start()?, Signal::SIGUSR1)?;
        observed.expect_restart("reload", if observed.lossy() { "lossy" } else { "clean" })?;
        Ok(())
    });
}

#[test]
fn hup_without_a_log_file_stops_it() {
    live("puma::hup_without_a_log_file_stops_it", &["puma"], || {
        let puma = Puma::new()?;
        let hup = |old: &Server| old.signal(Signal::SIGHUP);
        stopped_and_started("puma-hup", || puma.start(), full_with(2), hup)?;
        Ok(())
    });
}

#[test]
fn worker_killed() {
    live("puma::worker_killed", &["puma"], || {
        let observed = lost_a_worker("puma-kill-worker", &Puma::new()?.start()?, full_with(6))?;
        observed.expect_clients("served", CAPACITY + 6 - CAPACITY / 2)?;
        observed.expect_outcome("unanswered", CAPACITY / 2)
    });
}

#[test]
fn master_killed() {
    live("puma::master_killed", &["puma"], || {
        let puma = Puma::new()?;
        let kill = |old: &Server| old.signal(Signal::SIGKILL);
        stopped_and_started("puma-kill-master", || puma.start(), full_with(8), kill)?;
        Ok(())
    });
}

#[test]
fn keep_alive_through_term() {
    live("puma::keep_alive_through_term", &["puma"], || {
        let puma = Puma::new()?;
        let mut old = puma.start()?;
        let mut scenario = observe("puma-keep-alive", &old)?;
        let watching = Load::new(old.address()).keep_alive("/", 2, LIMIT).burst(4).start();
        watching.wait_responses(4, LIMIT)?;
        let late = late(old.address(), 4)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        scenario.saw(watching.join());
        scenario.saw(late.join());
        let mut new = puma.start()?;
        served_by(&mut scenario, &mut new)?;
        let observed = agree(scenario)?;
        observed.expect_outcome("late_request", 4)
    });
}

#[test]
fn must_show_three_times() {
    live("puma::must_show_three_times", &["puma"], || {
        for round in 1..=3 {
            let puma = Puma::new()?;
            let mut old: Server = puma.start()?;
            let mut scenario = observe(&format!("puma-must-show-{round}"), &old)?;
            let steady = steady(old.address())?;
            let busy = Load::new(old.address()).get("/sleep/800").burst(CAPACITY + 12).start();
            busy.wait_sent(CAPACITY + 12, LIMIT)?;
            old.signal(Signal::SIGTERM)?;
            old.wait_until_gone(LIMIT)?;
            // A process that is gone may still be about to let go of its sockets.
            sockets::wait_for_no_listener(old.port(), LIMIT)?;
            find_nobody(&steady, 5)?;
            scenario.saw(steady.stop());
            scenario.saw(busy.join());
            let observed = agree(scenario)?;
            assert_eq!((observed.comparison.precision(), observed.comparison.recall()), (1.0, 1.0));
            assert!(observed.matched("refused") >= 5);
        }
        Ok(())
    });
}
