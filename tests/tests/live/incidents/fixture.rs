//! The project's own server in incidents that no server at hand shows in full.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, late, live, observe, prefork, queued, served_by};

/// Puma #1808: the parent keeps the listener after its workers have gone.
#[test]
fn listener_outlives_its_workers() {
    live("incidents::fixture::listener_outlives_its_workers", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(1_500));
        let mut old = prefork.start()?;
        let mut scenario = observe("incident-1808", &old)?;
        let busy = busy(old.address(), 2, 3_000)?;
        let queued = queued(old.address(), 12)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());

        let observed = agree(scenario)?;
        let restart = observed.expect_restart("replace", "lossy")?;
        let silence = &restart["silence"][0];
        let seconds = silence["not_accepting"]["seconds"].as_f64().unwrap_or(0.0);
        assert!(seconds > 1.4, "{silence}");
        assert_eq!(silence["not_accepting"]["reset"], 12);
        assert_eq!(silence["longest_wait"]["exact"], true);
        let finding = observed.expect_finding("listener_outlived_workers")?;
        assert_eq!(finding["severity"], "error");
        observed.expect_no_finding("silent_listener")?;
        observed.expect_no_finding("killed_while_draining")?;
        observed.expect_no_finding("group_signal")?;
        observed.tell("Puma #1808: the parent keeps the listener after its workers have gone", "prefork")
    });
}

/// As systemd does at TimeoutStopSec: TERM, patience, KILL to all.
#[test]
fn killed_when_patience_ends() {
    live("incidents::fixture::killed_when_patience_ends", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("incident-term-kill", &old)?;
        let busy = busy(old.address(), 2, 8_000)?;
        old.signal(Signal::SIGTERM)?;
        // The supervisor's patience.
        thread::sleep(Duration::from_secs(1));
        old.signal_group(Signal::SIGKILL)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());

        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        observed.expect_outcome("unanswered", 2)?;
        observed.expect_cause("signal", "name", "SIGTERM")?;
        let finding = observed.expect_finding("killed_while_draining")?;
        assert_eq!(finding["severity"], "error");
        observed.expect_no_finding("group_signal")?;
        observed.expect_no_finding("crashed_while_draining")?;
        observed.tell("TERM, patience, KILL to all, as systemd at TimeoutStopSec", "prefork")
    });
}

/// Heroku: TERM to master and workers at once; the master finds its workers gone, and crashes.
#[test]
fn crashes_over_workers_told_behind_its_back() {
    live("incidents::fixture::crashes_over_workers_told_behind_its_back", &[], || {
        let prefork = prefork()?.workers(3).careless(Duration::from_millis(300));
        let mut old = prefork.start()?;
        let mut scenario = observe("incident-heroku", &old)?;
        let busy = busy(old.address(), 2, 8_000)?;
        old.signal_group(Signal::SIGTERM)?;
        assert_eq!(old.wait_for_exit(LIMIT)?.code(), Some(1));
        old.wait_until_gone(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());

        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        observed.expect_outcome("unanswered", 2)?;
        observed.expect_cause("signal", "name", "SIGTERM")?;
        observed.expect_cause("sender", "pid", std::process::id())?;
        let told = observed.expect_finding("group_signal")?;
        let sentence = told["sentence"].as_str().unwrap_or_default();
        let master = old.started();
        let expected = format!("sent SIGTERM to prefork (pid {master}) and at once to 3 processes below it");
        assert!(
            sentence.contains(&expected) && sentence.contains("1 of them was gone before it"),
            "{sentence}"
        );
        let crashed = observed.expect_finding("crashed_while_draining")?;
        let sentence = crashed["sentence"].as_str().unwrap_or_default();
        assert!(sentence.contains(&format!("pid {master} exited with status 1")), "{sentence}");
        observed.expect_no_finding("killed_while_draining")?;
        observed.expect_no_finding("listener_outlived_workers")?;
        observed.tell(
            "Heroku: TERM to master and workers at once; the master finds its workers gone and crashes",
            "prefork",
        )
    });
}

/// Requests on reused connections that come when the server has closed them.
#[test]
fn requests_on_connections_just_closed() {
    live("incidents::fixture::requests_on_connections_just_closed", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("incident-keep-alive", &old)?;
        let late = late(old.address(), 4)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(late.join());

        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        observed.expect_outcome("late_request", 4)?;
        observed.expect_finding("keepalive_race")?;
        observed.expect_no_finding("silent_listener")?;
        observed.tell("requests on kept-alive connections that the server has just closed", "prefork")
    });
}
