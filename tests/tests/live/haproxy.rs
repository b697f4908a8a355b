//! HAProxy in master-worker mode before the fixture server.

use anyhow::Result;
use drain_observer_tests::load::Load;
use drain_observer_tests::processes;
use drain_observer_tests::servers::haproxy::Haproxy;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy_behind, live, observe, serve_on, served_by, steady, upstream};

#[test]
fn usr2_reloads() {
    live("haproxy::usr2_reloads", &["haproxy"], || {
        let upstream = upstream()?;
        let server = Haproxy::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("haproxy-usr2", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart_verdict("clean")
    });
}

#[test]
fn usr2_with_requests_on_the_old_worker() {
    live("haproxy::usr2_with_requests_on_the_old_worker", &["haproxy"], || {
        let upstream = upstream()?;
        let server = Haproxy::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("haproxy-usr2-busy", &server)?;
        let busy = busy_behind(&server, &upstream, 4, 2_000)?;
        server.signal(Signal::SIGUSR2)?;
        scenario.saw(busy.join());
        server.wait_for_new_workers(&old, LIMIT)?;
        scenario.saw(drain_observer_tests::load::expect_served(server.address())?);
        let observed = agree(scenario)?;
        observed.expect_clients("served", 5)?;
        observed.expect_restart_verdict("clean")
    });
}

#[test]
fn hard_stop_cuts_what_is_left() {
    live("haproxy::hard_stop_cuts_what_is_left", &["haproxy"], || {
        let upstream = upstream()?;
        // As an HTTP proxy it would answer 502, which is a response, or end a response it has begun
        // between two writes, which looks whole to anyone who does not parse HTTP.
        let haproxy =
            Haproxy { mode: "tcp", hard_stop_after: Some("1s"), ..Haproxy::new(upstream.address())? };
        let server = haproxy.start()?;
        let old = server.workers();
        let mut scenario = observe("haproxy-hard-stop", &server)?;
        let busy = busy_behind(&server, &upstream, 3, 6_000)?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        scenario.saw(drain_observer_tests::load::expect_served(server.address())?);
        scenario.saw(busy.join());
        let observed = agree(scenario)?;
        observed.expect_clients("eof awaiting_response", 3)?;
        observed.expect_restart_verdict("lossy")?;
        observed.expect_outcome("unanswered", 3)
    });
}

#[test]
fn usr1_stops_softly() {
    live("haproxy::usr1_stops_softly", &["haproxy"], || stopped("haproxy-usr1", Signal::SIGUSR1));
}

#[test]
fn term_stops_at_once() {
    live("haproxy::term_stops_at_once", &["haproxy"], || stopped("haproxy-term", Signal::SIGTERM));
}

#[test]
fn int_stops_at_once() {
    live("haproxy::int_stops_at_once", &["haproxy"], || stopped("haproxy-int", Signal::SIGINT));
}

/// A stop with requests under way and some that come afterwards; then a new haproxy on the same port.
fn stopped(name: &str, signal: Signal) -> Result<()> {
    let upstream = upstream()?;
    let haproxy = Haproxy::new(upstream.address())?;
    let mut old = haproxy.start()?;
    let mut scenario = observe(name, &old)?;
    let busy = busy_behind(&old, &upstream, 4, 2_500)?;
    let idle = Load::new(old.address()).keep_alive("/", 2, LIMIT).burst(3).start();
    idle.wait_responses(3, LIMIT)?;
    old.signal(signal)?;
    old.wait_until_gone(LIMIT)?;
    scenario.saw(Load::new(old.address()).clients(2, 4).run());
    let mut new = haproxy.start()?;
    served_by(&mut scenario, &mut new)?;
    scenario.saw(busy.join());
    scenario.saw(idle.join());
    let observed = agree(scenario)?;
    observed.expect_restart("replace", "lossy")?;
    observed.expect_outcome("refused", 4)
}

#[test]
fn worker_killed() {
    live("haproxy::worker_killed", &["haproxy"], || {
        let upstream = upstream()?;
        let haproxy = Haproxy::new(upstream.address())?;
        let mut old = haproxy.start()?;
        let mut scenario = observe("haproxy-kill-worker", &old)?;
        let busy = busy_behind(&old, &upstream, 4, 5_000)?;
        // A master that loses a worker by a signal leaves as well.
        processes::send(old.workers()[0], Signal::SIGKILL)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = haproxy.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        let observed = agree(scenario)?;
        observed.expect_clients("eof awaiting_response", 4)?;
        observed.expect_outcome("unanswered", 4)
    });
}

#[test]
fn master_killed() {
    live("haproxy::master_killed", &["haproxy"], || {
        let upstream = upstream()?;
        let haproxy = Haproxy::new(upstream.address())?;
        let mut old = haproxy.start()?;
        let mut scenario = observe("haproxy-kill-master", &old)?;
        let busy = busy_behind(&old, &upstream, 4, 2_500)?;
        old.signal(Signal::SIGKILL)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = haproxy.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        agree(scenario)?;
        Ok(())
    });
}
