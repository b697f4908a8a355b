//! nginx with two workers before the fixture server.

use anyhow::Result;
use drain_observer_tests::load::Load;
use drain_observer_tests::servers::nginx::Nginx;
use drain_observer_tests::{processes, sockets};
use nix::sys::signal::Signal;

use crate::stories::went_on;
use crate::support::{
    LIMIT, agree, busy_behind, late, live, observe, serve_on, served_by, stalled, steady, upstream,
};

#[test]
fn hup_reloads() {
    live("nginx::hup_reloads", &["nginx"], || {
        let upstream = upstream()?;
        let server = Nginx::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("nginx-hup", &server)?;
        let steady = steady(server.address())?;
        let busy = busy_behind(&server, &upstream, 3, 2_500)?;
        server.signal(Signal::SIGHUP)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(busy.join());
        scenario.saw(steady.stop());
        agree(scenario)?.expect_restart("reload", "clean")?;
        Ok(())
    });
}

#[test]
fn quit_finishes_requests() {
    live("nginx::quit_finishes_requests", &["nginx"], || {
        let observed_unanswered = stopped("nginx-quit", Signal::SIGQUIT)?;
        assert_eq!(observed_unanswered, 0);
        Ok(())
    });
}

#[test]
fn term_cuts_requests() {
    live("nginx::term_cuts_requests", &["nginx"], || {
        let observed_unanswered = stopped("nginx-term", Signal::SIGTERM)?;
        assert_eq!(observed_unanswered, 4);
        Ok(())
    });
}

/// A stop with four requests under way, then a new nginx on the same port; gives how many were unanswered.
fn stopped(name: &str, signal: Signal) -> Result<usize> {
    let upstream = upstream()?;
    let nginx = Nginx::new(upstream.address())?;
    let mut old = nginx.start()?;
    let mut scenario = observe(name, &old)?;
    let busy = busy_behind(&old, &upstream, 4, 2_500)?;
    let idle = Load::new(old.address()).keep_alive("/", 2, LIMIT).burst(3).start();
    idle.wait_responses(3, LIMIT)?;
    old.signal(signal)?;
    old.wait_until_gone(LIMIT)?;
    scenario.saw(Load::new(old.address()).clients(2, 4).run());
    let mut new = nginx.start()?;
    served_by(&mut scenario, &mut new)?;
    scenario.saw(busy.join());
    scenario.saw(idle.join());
    let observed = agree(scenario)?;
    observed.expect_restart("replace", "lossy")?;
    observed.expect_outcome("refused", 4)?;
    Ok(observed.matched("unanswered"))
}

#[test]
fn term_during_a_slow_response() {
    live("nginx::term_during_a_slow_response", &["nginx"], || {
        let upstream = upstream()?;
        let nginx = Nginx::new(upstream.address())?;
        let mut old = nginx.start()?;
        let mut scenario = observe("nginx-term-truncated", &old)?;
        let reading = stalled(old.address(), 2, 30_000_000)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = nginx.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(reading.join());
        let observed = agree(scenario)?;
        observed.expect_outcome("truncated", 2)
    });
}

#[test]
fn usr2_without_a_daemon_is_swallowed() {
    live("nginx::usr2_without_a_daemon_is_swallowed", &["nginx"], || {
        let upstream = upstream()?;
        let server = Nginx::new(upstream.address())?.start()?;
        went_on("nginx-usr2-swallowed", &server, Signal::SIGUSR2)
    });
}

#[test]
fn usr1_reopens_logs_and_loses_nothing() {
    live("nginx::usr1_reopens_logs_and_loses_nothing", &["nginx"], || {
        let upstream = upstream()?;
        let server = Nginx::new(upstream.address())?.start()?;
        went_on("nginx-usr1", &server, Signal::SIGUSR1)
    });
}

#[test]
fn worker_killed() {
    live("nginx::worker_killed", &["nginx"], || {
        let upstream = upstream()?;
        let server = Nginx::new(upstream.address())?.start()?;
        let mut scenario = observe("nginx-kill-worker", &server)?;
        let busy = busy_behind(&server, &upstream, 6, 2_500)?;
        processes::send(server.workers()[0], Signal::SIGKILL)?;
        scenario.saw(busy.join());
        scenario.saw(drain_observer_tests::load::expect_served(server.address())?);
        agree(scenario)?;
        Ok(())
    });
}

#[test]
fn master_killed_and_its_orphans_serve_on() {
    live("nginx::master_killed_and_its_orphans_serve_on", &["nginx"], || {
        let upstream = upstream()?;
        let server = Nginx::new(upstream.address())?.start()?;
        let mut scenario = observe("nginx-kill-master", &server)?;
        let steady = steady(server.address())?;
        let master = server.master();
        processes::send(master, Signal::SIGKILL)?;
        processes::wait_for_exit(master, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        let observed = agree(scenario)?;
        observed.expect_no_loss()
    });
}

#[test]
fn group_killed_with_a_queue() {
    live("nginx::group_killed_with_a_queue", &["nginx"], || {
        queue_behind_stopped_workers("nginx-kill-queue", false)
    });
}

#[test]
fn group_killed_with_one_queue_for_each_worker() {
    live("nginx::group_killed_with_one_queue_for_each_worker", &["nginx"], || {
        queue_behind_stopped_workers("nginx-kill-reuseport", true)
    });
}

/// Workers that are stopped accept nothing, so the queue holds until they are killed.
fn queue_behind_stopped_workers(name: &str, reuseport: bool) -> Result<()> {
    let upstream = upstream()?;
    let nginx = Nginx { reuseport, ..Nginx::new(upstream.address())? };
    let mut old = nginx.start()?;
    let mut scenario = observe(name, &old)?;
    for worker in old.workers() {
        processes::send(worker, Signal::SIGSTOP)?;
    }
    let queued = Load::new(old.address()).burst(9).start();
    queued.wait_sent(9, LIMIT)?;
    sockets::wait_for_queue(old.port(), 9, LIMIT)?;
    old.signal_group(Signal::SIGKILL)?;
    old.wait_until_gone(LIMIT)?;
    let mut new = nginx.start()?;
    served_by(&mut scenario, &mut new)?;
    scenario.saw(queued.join());
    let observed = agree(scenario)?;
    observed.expect_clients("reset awaiting_response", 9)?;
    observed.expect_outcome("queue_reset", 9)?;
    observed.expect_restart_verdict("lossy")
}

#[test]
fn keep_alive_through_quit() {
    live("nginx::keep_alive_through_quit", &["nginx"], || {
        let upstream = upstream()?;
        let nginx = Nginx::new(upstream.address())?;
        let mut old = nginx.start()?;
        let mut scenario = observe("nginx-keep-alive", &old)?;
        let late = late(old.address(), 5)?;
        old.signal(Signal::SIGQUIT)?;
        old.wait_until_gone(LIMIT)?;
        scenario.saw(late.join());
        let mut new = nginx.start()?;
        served_by(&mut scenario, &mut new)?;
        let observed = agree(scenario)?;
        observed.expect_outcome("late_request", 5)
    });
}
