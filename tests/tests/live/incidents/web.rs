//! Web servers and the connections that their clients keep.

use anyhow::{Result, ensure};
use drain_observer_tests::load::Load;
use drain_observer_tests::processes;
use drain_observer_tests::scenario::Scenario;
use drain_observer_tests::servers::apache::Apache;
use drain_observer_tests::servers::nginx::Nginx;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy_behind, late, live, observe, serve_on, served_by, steady, upstream};

/// Idle clients see the end of their connection; those that ask just then lose their request, and nobody else does.
#[test]
fn nginx_hup_closes_idle_connections() {
    live("incidents::web::nginx_hup_closes_idle_connections", &["nginx"], || {
        let upstream = upstream()?;
        let server = Nginx::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("web-nginx-hup", &server)?;
        let steady = steady(server.address())?;
        let idle = Load::new(server.address()).keep_alive("/", 2, LIMIT).burst(4).start();
        let busy = busy_behind(&server, &upstream, 2, 2_000)?;
        idle.wait_responses(4, LIMIT)?;
        let late = late(server.address(), 3)?;
        server.signal(Signal::SIGHUP)?;
        scenario.saw(idle.join());
        scenario.saw(late.join());
        scenario.saw(busy.join());
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_clients("eof idle", 4)?;
        observed.expect_restart("reload", "lossy")?;
        observed.expect_outcome("late_request", 3)?;
        observed.expect_cause("signal", "name", "SIGHUP")?;
        observed.expect_finding("keepalive_race")?;
        for absent in ["listener_gap", "silent_listener", "killed_while_draining", "restart_did_not_happen"] {
            observed.expect_no_finding(absent)?;
        }
        observed.tell("HUP while clients ask on kept connections", "nginx")
    });
}

#[test]
fn nginx_quit_with_kept_connections() {
    live("incidents::web::nginx_quit_with_kept_connections", &["nginx"], || {
        let observed = nginx_stopped("web-nginx-quit", Signal::SIGQUIT)?;
        observed.0.expect_outcome("late_request", 3)?;
        observed
            .0
            .expect_clients("eof awaiting_response", observed.0.matched("late_request") - observed.1)?;
        observed.0.expect_finding("keepalive_race")?;
        observed.0.expect_no_finding("killed_while_draining")?;
        observed.0.tell("QUIT while clients ask on kept connections, then a start", "nginx")
    });
}

#[test]
fn nginx_term_with_kept_connections() {
    live("incidents::web::nginx_term_with_kept_connections", &["nginx"], || {
        let observed = nginx_stopped("web-nginx-term", Signal::SIGTERM)?;
        observed.0.expect_outcome("late_request", 3)?;
        observed.0.expect_outcome("unanswered", 2)?;
        observed.0.expect_finding("keepalive_race")?;
        observed.0.expect_no_finding("killed_while_draining")?;
        observed.0.tell("TERM with requests under way, then a start", "nginx")
    });
}

/// Idle, busy and late clients, then a stop and a new start; gives how many late ones saw a reset.
fn nginx_stopped(name: &str, signal: Signal) -> Result<(drain_observer_tests::scenario::Observed, usize)> {
    let upstream = upstream()?;
    let nginx = Nginx::new(upstream.address())?;
    let mut old = nginx.start()?;
    let mut scenario = observe(name, &old)?;
    let idle = Load::new(old.address()).keep_alive("/", 2, LIMIT).burst(4).start();
    let busy = busy_behind(&old, &upstream, 2, 2_000)?;
    idle.wait_responses(4, LIMIT)?;
    let late = late(old.address(), 3)?;
    old.signal(signal)?;
    old.wait_until_gone(LIMIT)?;
    scenario.saw(idle.join());
    scenario.saw(late.join());
    scenario.saw(busy.join());
    scenario.saw(Load::new(old.address()).clients(2, 4).run());
    let mut new = nginx.start()?;
    served_by(&mut scenario, &mut new)?;
    let observed = agree(scenario)?;
    observed.expect_clients("eof idle", 4)?;
    observed.expect_restart("replace", "lossy")?;
    observed.expect_finding("listener_gap")?;
    for absent in ["silent_listener", "restart_did_not_happen", "residual_generation"] {
        observed.expect_no_finding(absent)?;
    }
    let resets = observed.clients("reset awaiting_response");
    Ok((observed, resets))
}

/// Nothing to find: the old master leaves when the new one serves, and no client keeps a connection.
#[test]
fn nginx_binary_upgrade_in_good_order() {
    live("incidents::web::nginx_binary_upgrade_in_good_order", &["nginx"], || {
        let upstream = upstream()?;
        let server = Nginx { daemon: true, ..Nginx::new(upstream.address())? }.start()?;
        let old = server.master();
        let mut scenario = observe("web-nginx-upgrade", &server)?;
        let steady = steady(server.address())?;
        let idle = Load::new(server.address()).keep_alive("/", 2, LIMIT).burst(4).start();
        idle.wait_responses(4, LIMIT)?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_other_master(old, LIMIT)?;
        server.wait_for_workers(2, LIMIT)?;
        serve_on(&steady)?;
        processes::send(old, Signal::SIGQUIT)?;
        processes::wait_for_exit(old, LIMIT)?;
        scenario.saw(idle.join());
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_clients("eof idle", 4)?;
        observed.expect_restart("upgrade", "clean")?;
        observed.expect_no_findings()?;
        observed.tell("USR2, then QUIT to the old master", "nginx")
    });
}

/// Apache reads and throws away what comes on a connection that it has shut down.
#[test]
fn apache_graceful_throws_late_requests_away() {
    live("incidents::web::apache_graceful_throws_late_requests_away", &["apache2"], || {
        let upstream = upstream()?;
        let server = Apache::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("web-apache-usr1", &server)?;
        let idle = Load::new(server.address()).keep_alive("/", 2, LIMIT).burst(2).start();
        idle.wait_responses(2, LIMIT)?;
        let late = late(server.address(), 4)?;
        server.signal(Signal::SIGUSR1)?;
        scenario.saw(late.join());
        scenario.saw(idle.join());
        server.wait_for_new_workers(&old, LIMIT)?;
        served(&mut scenario, &server)?;
        let observed = agree(scenario)?;
        let lost = observed.clients("eof awaiting_response") + observed.clients("reset awaiting_response");
        ensure!(lost == 4, "each asked too late: {lost}");
        observed.expect_restart("reload", "lossy")?;
        observed.expect_outcome("late_request", 4)?;
        observed.expect_finding("keepalive_race")?;
        for absent in ["listener_gap", "killed_while_draining", "restart_did_not_happen", "response_cut_off"]
        {
            observed.expect_no_finding(absent)?;
        }
        observed.tell("graceful while clients ask on kept connections", "apache")
    });
}

fn served(scenario: &mut Scenario, server: &drain_observer_tests::servers::Server) -> Result<()> {
    scenario.saw(drain_observer_tests::load::expect_served(server.address())?);
    Ok(())
}
