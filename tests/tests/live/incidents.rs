//! Incidents as they happened to others, each with what the observer has to say about it.

use std::thread;
use std::time::Duration;

use drain_observer_tests::load::{self, Load, Step};
use drain_observer_tests::servers::haproxy::Haproxy;
use drain_observer_tests::servers::puma::Puma;
use drain_observer_tests::servers::unicorn::Unicorn;
use drain_observer_tests::{processes, sockets};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, live, observe, prefork, queued, serve_on, served_by, steady};

/// Puma #1808: the parent keeps the listener after its workers have gone.
#[test]
fn listener_outlives_its_workers() {
    live("incidents::listener_outlives_its_workers", &[], || {
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
        observed.expect_no_finding("group_signal")
    });
}

/// A HUP that only reopens the logs: the deploy job takes it for a restart.
#[test]
fn swallowed_hangup() {
    live("incidents::swallowed_hangup", &["puma"], || {
        let puma = Puma { config: "stdout_redirect 'server.log', 'server.log', true", ..Puma::new()? };
        let server = puma.start()?;
        let mut scenario = observe("incident-swallowed-hup", &server)?;
        let old = server.workers();
        let steady = steady(server.address())?;
        server.signal(Signal::SIGHUP)?;
        server.signal(Signal::SIGHUP)?;
        thread::sleep(Duration::from_millis(2_500));
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        assert_eq!(server.workers(), old);

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart_verdict("not_restarted")?;
        observed.expect_finding("restart_did_not_happen")?;
        observed.expect_finding("repeated_signal")?;
        observed.expect_no_finding("silent_listener")
    });
}

/// Puma USR2: the socket is inherited, and nobody accepts while the application boots.
#[test]
fn silent_while_it_boots() {
    live("incidents::silent_while_it_boots", &["puma"], || {
        let puma = Puma { boots_for: Duration::from_millis(2_500), ..Puma::new()? };
        let server = puma.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-silent-boot", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        // Until every one of those who waited has been answered, and the end has settled.
        thread::sleep(Duration::from_millis(1_500));
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        let restart = observed.expect_restart("reexec", "clean")?;
        let silence = &restart["silence"][0];
        assert!(silence["not_accepting"]["seconds"].as_f64().unwrap_or(0.0) > 2.0, "{silence}");
        assert_eq!(silence["not_listening"], 0.0);
        observed.expect_finding("silent_listener")?;
        observed.expect_no_finding("listener_gap")
    });
}

/// HAProxy reload: the old worker stays for its old connection.
#[test]
fn old_generation_stays_for_old_connections() {
    live("incidents::old_generation_stays_for_old_connections", &["haproxy"], || {
        let upstream = prefork()?.workers(4).start()?;
        let server = Haproxy::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-residual", &server)?;
        let long =
            Load::new(server.address()).get("/sleep/13000").response_timeout(Duration::from_secs(20)).start();
        long.wait_sent(1, LIMIT)?;
        sockets::wait_for_queue(server.port(), 0, LIMIT)?;
        server.signal(Signal::SIGUSR2)?;
        thread::sleep(Duration::from_secs(1));
        scenario.saw(load::expect_served(server.address())?);
        scenario.saw(long.join());
        for worker in old {
            processes::wait_for_exit(worker, LIMIT)?;
        }
        scenario.saw(load::expect_served(server.address())?);

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart_verdict("clean")?;
        let finding = observed.expect_finding("residual_generation")?;
        let hint = finding["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("hard-stop-after"), "{hint}");
        Ok(())
    });
}

/// As systemd does at TimeoutStopSec: TERM, patience, KILL to all.
#[test]
fn killed_when_patience_ends() {
    live("incidents::killed_when_patience_ends", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("incident-term-kill", &old)?;
        let busy = busy(old.address(), 2, 8_000)?;
        old.signal(Signal::SIGTERM)?;
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
        observed.expect_no_finding("crashed_while_draining")
    });
}

/// Heroku: TERM to master and workers at once.
#[test]
fn told_all_at_once() {
    live("incidents::told_all_at_once", &["puma"], || {
        let puma = Puma::new()?;
        let mut old = puma.start()?;
        let mut scenario = observe("incident-group-term", &old)?;
        let busy = busy(old.address(), 4, 1_000)?;
        old.signal_group(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = puma.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());

        let observed = agree(scenario)?;
        let finding = observed.expect_finding("group_signal")?;
        let steps = finding["steps"].as_array().map_or(0, Vec::len);
        assert!(steps >= 3, "the master's signal and those of two workers: {finding}");
        observed.expect_no_finding("restart_did_not_happen")
    });
}

/// Requests on reused connections that come when the server has closed them.
#[test]
fn requests_on_connections_just_closed() {
    live("incidents::requests_on_connections_just_closed", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("incident-keep-alive", &old)?;
        let steps =
            [Step::Get("/".into()), Step::RestBlind(Duration::from_millis(1_000)), Step::Get("/".into())];
        let blind = Load::new(old.address()).steps(steps).burst(4).start();
        blind.wait_responses(4, LIMIT)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(blind.join());

        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        observed.expect_outcome("late_request", 4)?;
        observed.expect_finding("keepalive_race")?;
        observed.expect_no_finding("silent_listener")
    });
}

/// Unicorn USR2, then QUIT: as it should be, so there is nothing to find.
#[test]
fn binary_upgrade_in_good_order() {
    live("incidents::binary_upgrade_in_good_order", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let old = server.master();
        let mut scenario = observe("incident-upgrade", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_other_master(old, LIMIT)?;
        thread::sleep(Duration::from_secs(1));
        serve_on(&steady)?;
        processes::send(old, Signal::SIGQUIT)?;
        processes::wait_for_exit(old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart("upgrade", "clean")?;
        observed.expect_no_findings()
    });
}
