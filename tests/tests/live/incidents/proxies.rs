//! Proxies and web servers.

use std::time::Duration;

use drain_observer_tests::load::{self, Load};
use drain_observer_tests::servers::haproxy::Haproxy;
use drain_observer_tests::{processes, sockets};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy_behind, live, observe, serve_on, steady, upstream};

/// HAProxy reload: the old worker stays for its old connection.
#[test]
fn old_generation_stays_for_old_connections() {
    live("incidents::proxies::old_generation_stays_for_old_connections", &["haproxy"], || {
        let upstream = upstream()?;
        let server = Haproxy::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-residual", &server)?;
        let long =
            Load::new(server.address()).get("/sleep/13000").response_timeout(Duration::from_secs(20)).start();
        long.wait_sent(1, LIMIT)?;
        sockets::wait_for_queue(server.port(), 0, LIMIT)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_child_beside(&old, LIMIT)?;
        // The old worker may still take the first of them.
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        scenario.saw(long.join());
        for worker in old {
            processes::wait_for_exit(worker, LIMIT)?;
        }
        scenario.saw(load::expect_served(server.address())?);

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart("reexec", "clean")?;
        observed.expect_cause("signal", "name", "SIGUSR2")?;
        for absent in ["listener_gap", "silent_listener", "killed_while_draining", "restart_did_not_happen"] {
            observed.expect_no_finding(absent)?;
        }
        let finding = observed.expect_finding("residual_generation")?;
        let hint = finding["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("hard-stop-after"), "{hint}");
        observed.tell("reload: the old worker stays for an old connection", "haproxy")
    });
}

/// HAProxy reload with `hard-stop-after`: the old worker cuts what is left of its connections.
#[test]
fn hard_stop_cuts_old_connections() {
    live("incidents::proxies::hard_stop_cuts_old_connections", &["haproxy"], || {
        let upstream = upstream()?;
        let haproxy =
            Haproxy { mode: "tcp", hard_stop_after: Some("1s"), ..Haproxy::new(upstream.address())? };
        let server = haproxy.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-hard-stop", &server)?;
        let busy = busy_behind(&server, &upstream, 3, 6_000)?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_child_beside(&old, LIMIT)?;
        scenario.saw(load::expect_served(server.address())?);
        server.wait_for_new_workers(&old, LIMIT)?;
        scenario.saw(load::expect_served(server.address())?);
        scenario.saw(busy.join());

        let observed = agree(scenario)?;
        observed.expect_clients("eof awaiting_response", 3)?;
        observed.expect_outcome("unanswered", 3)?;
        observed.expect_restart("reexec", "lossy")?;
        observed.expect_cause("signal", "name", "SIGUSR2")?;
        for absent in ["listener_gap", "silent_listener", "restart_did_not_happen", "keepalive_race"] {
            observed.expect_no_finding(absent)?;
        }
        observed.tell("reload with hard-stop-after: the old worker cuts what is left", "haproxy")
    });
}

/// HAProxy without a master: the new process asks the old one for its listeners, then tells it to finish.
#[test]
fn listeners_are_handed_on() {
    live("incidents::proxies::listeners_are_handed_on", &["haproxy"], || {
        let upstream = upstream()?;
        let haproxy = Haproxy { alone: true, ..Haproxy::new(upstream.address())? };
        let mut old = haproxy.start()?;
        let mut scenario = observe("incident-handed-on", &old)?;
        let steady = steady(old.address())?;
        let mut new = haproxy.start_after(&old)?;
        scenario.saw(new.take_probes());
        old.wait_for_exit(LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        let restart = observed.expect_restart("takeover", "clean")?;
        assert_eq!(restart["silence"][0]["not_listening"], 0.0, "{restart}");
        observed.expect_no_findings()?;
        observed.tell("a new process asks the old one for its listeners (-x)", "haproxy")
    });
}
