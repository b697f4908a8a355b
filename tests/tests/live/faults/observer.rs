//! Observers that come late, stand still, or are not alone, and servers that they never get to know.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use drain_observer_tests::load::Load;
use drain_observer_tests::scenario::Scenario;
use drain_observer_tests::{ports, processes};
use nix::sys::signal::Signal;

use super::{expect_incomplete, expect_little_memory, lost, nuisance, restarts};
use crate::support::{LIMIT, agree, busy, live, observe, prefork, queued, served_by};

/// The reader stands still for five seconds of load, a restart among them: it catches up, or says how much it missed.
#[test]
fn the_reader_is_stopped_for_five_seconds() {
    live("faults::observer::the_reader_is_stopped_for_five_seconds", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(500));
        let mut old = prefork.start()?;
        let mut scenario = observe("faults-reader-stopped", &old)?;
        let observer = scenario.observer();
        processes::send(observer, Signal::SIGSTOP)?;
        let during = Load::new(old.address()).clients(4, 1_000).rate(400).run();
        scenario.saw(during);
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(Load::new(new.address()).clients(4, 1_000).rate(400).run());
        processes::send(observer, Signal::SIGCONT)?;
        scenario.saw(Load::new(new.address()).clients(4, 100).run());
        expect_little_memory(observer)?;
        let observed = scenario.finish()?;
        if observed.report["completeness"]["complete"] == true {
            observed.expect_agreement()?;
            observed.expect_restart_verdict(if observed.lossy() { "lossy" } else { "clean" })
        } else {
            let missed = observed.report["completeness"]["lost_events"].as_array().map_or(0, Vec::len);
            ensure!(missed > 0, "what was missed is not counted: {}", observed.report["completeness"]);
            expect_incomplete(&observed.report)
        }
    });
}

/// It comes when the workers drain and the parent still has the listener: the losses that are yet to come are told, a
/// cause that was not seen is not made up, and nothing is called clean.
#[test]
fn started_in_the_middle_of_a_drain() {
    live("faults::observer::started_in_the_middle_of_a_drain", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(500));
        let mut old = prefork.start()?;
        let busy = busy(old.address(), 2, 4_000)?;
        let queued = queued(old.address(), 6)?;
        old.signal(Signal::SIGTERM)?;
        let mut scenario = observe("faults-in-mid-drain", &old)?;
        ensure!(processes::alive(old.started()), "the drain was over before the observer came");
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        let observed = agree(scenario)?;
        observed.expect_outcome("queue_reset", 6)?;
        observed.expect_verdicts_among(&["lossy", "inconclusive"])?;
        let all = restarts(&observed.report)?;
        ensure!(
            all.iter().all(|restart| restart["cause"]["signal"].is_null()),
            "nobody saw the signal: {all:?}"
        );
        Ok(())
    });
}

/// The same, with nothing to lose: that nothing was seen to be lost does not make it clean.
#[test]
fn started_in_a_drain_that_loses_nothing() {
    live("faults::observer::started_in_a_drain_that_loses_nothing", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let busy = busy(old.address(), 2, 4_000)?;
        old.signal(Signal::SIGTERM)?;
        let mut scenario = observe("faults-clean-drain", &old)?;
        ensure!(processes::alive(old.started()), "the drain was over before the observer came");
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart_verdict("inconclusive")
    });
}

/// Two observers at once: each has probes and maps of its own, and tells the same.
#[test]
fn two_at_once() {
    live("faults::observer::two_at_once", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(300));
        let mut old = prefork.start()?;
        let mut scenarios =
            ["faults-two-at-once-a", "faults-two-at-once-b"].map(|name| Scenario::start(name, old.port()));
        let busy = busy(old.address(), 2, 2_000)?;
        let queued = queued(old.address(), 8)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let refused = Load::new(old.address()).clients(1, 3).run();
        let mut new = prefork.start()?;
        let mut truth = new.take_probes();
        truth.extend(drain_observer_tests::load::expect_served(new.address())?);
        truth.extend([busy.join(), queued.join(), refused].concat());
        let mut told = Vec::new();
        for scenario in scenarios.iter_mut() {
            scenario.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?.saw(truth.clone());
        }
        for scenario in scenarios {
            let observed = agree(scenario?)?;
            observed.expect_outcome("queue_reset", 8)?;
            observed.expect_outcome("refused", 3)?;
            let restart = observed.expect_restart("replace", "lossy")?;
            let findings = restart["findings"].as_array().context("an array")?;
            let findings: Vec<String> = findings.iter().map(|finding| finding["id"].to_string()).collect();
            told.push((restart["counts"].clone(), restart["cause"]["text"].clone(), findings));
        }
        ensure!(told[0] == told[1], "they differ: {told:?}");
        Ok(())
    });
}

/// Servers that are killed within a moment of their first listen(2): nobody could ask who they were, and each client in
/// their queues is told as lost all the same.
#[test]
fn a_target_killed_before_its_service_was_known() {
    const GHOSTS: &str = "50";
    live("faults::observer::a_target_killed_before_its_service_was_known", &[], || {
        let port = ports::free()?;
        let scenario = Scenario::start("faults-ghosts", port)?;
        let ghosts = nuisance(&["ghosts", GHOSTS, "--port", &port.to_string()])?;
        let done = ghosts.wait_until_done()?;
        ensure!(done == format!("done {GHOSTS}"), "not all clients were reset: {done}");
        ghosts.finish()?;
        let observed = scenario.finish()?;
        let report = &observed.report;
        ensure!(report["completeness"]["complete"] == true, "{}", report["completeness"]);
        ensure!(lost(report, "record", "undecodable") == 0, "{}", report["completeness"]);
        let connections = report["connections"].as_array().context("an array")?;
        let reset = connections.iter().filter(|one| one["outcome"] == "queue_reset").count();
        ensure!(reset.to_string() == GHOSTS, "{reset} are told: {connections:?}");
        observed.expect_verdicts_among(&["lossy", "down"])
    });
}
