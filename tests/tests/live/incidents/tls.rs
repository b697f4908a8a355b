//! TLS: what handshakes, session tickets and goodbyes add must pass for neither request nor response.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use drain_observer_tests::load::tls::{Tls, Version};
use drain_observer_tests::load::{Load, Step};
use drain_observer_tests::scenario::Observed;
use drain_observer_tests::servers::certificate::CERTIFICATE;
use drain_observer_tests::servers::nginx::Nginx;
use drain_observer_tests::{sockets, wait};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, live, observe, serve_on, upstream};

const NEEDS: [&str; 2] = ["nginx", "openssl"];

#[test]
fn term_cuts_requests_in_tls_12() {
    live("incidents::tls::term_cuts_requests_in_tls_12", &NEEDS, || {
        cut("tls12-term", Version::V12, Signal::SIGTERM)
    });
}

#[test]
fn term_cuts_requests_in_tls_13() {
    live("incidents::tls::term_cuts_requests_in_tls_13", &NEEDS, || {
        cut("tls13-term", Version::V13, Signal::SIGTERM)
    });
}

#[test]
fn kill_cuts_requests_in_tls_12() {
    live("incidents::tls::kill_cuts_requests_in_tls_12", &NEEDS, || {
        cut("tls12-kill", Version::V12, Signal::SIGKILL)
    });
}

#[test]
fn kill_cuts_requests_in_tls_13() {
    live("incidents::tls::kill_cuts_requests_in_tls_13", &NEEDS, || {
        cut("tls13-kill", Version::V13, Signal::SIGKILL)
    });
}

#[test]
fn quit_finishes_requests_in_tls_12() {
    live("incidents::tls::quit_finishes_requests_in_tls_12", &NEEDS, || quit("tls12-quit", Version::V12));
}

#[test]
fn quit_finishes_requests_in_tls_13() {
    live("incidents::tls::quit_finishes_requests_in_tls_13", &NEEDS, || quit("tls13-quit", Version::V13));
}

#[test]
fn clients_say_goodbye_in_tls_12() {
    live("incidents::tls::clients_say_goodbye_in_tls_12", &NEEDS, || reloaded("tls12-hup", Version::V12));
}

#[test]
fn clients_say_goodbye_in_tls_13() {
    live("incidents::tls::clients_say_goodbye_in_tls_13", &NEEDS, || reloaded("tls13-hup", Version::V13));
}

/// At once, with requests under way.
fn cut(name: &str, version: Version, signal: Signal) -> Result<()> {
    let observed = stopped(name, version, signal)?;
    observed.expect_clients("eof awaiting_response", 5)?;
    observed.expect_restart("replace", "lossy")?;
    let unknown = observed.expect_agreement_or_unknown()?;
    let unanswered = observed.matched("unanswered");
    match version {
        // The server's part of the handshake comes before the first request.
        Version::V12 => observed.expect_outcome("unanswered", 5)?,
        // Session tickets go out when the first request is there already, and look like a response to it.
        Version::V13 => ensure!(unanswered >= 2, "later requests are judged for certain: {unanswered}"),
    }
    // Those whose only request, if any, came with the handshake.
    ensure!(unknown <= 8 && unanswered + unknown >= 5, "{unknown} unknown, {unanswered} unanswered");
    observed.expect_no_finding("keepalive_race")?;
    observed.expect_no_finding("response_cut_off")?;
    let version = if version == Version::V12 { "1.2" } else { "1.3" };
    observed.tell(&format!("{signal} with requests under way in TLS {version}"), "nginx")
}

/// In good order: requests are finished, the rest gets a goodbye.
fn quit(name: &str, version: Version) -> Result<()> {
    let observed = stopped(name, version, Signal::SIGQUIT)?;
    observed.expect_no_loss()?;
    observed.expect_agreement()?;
    observed.expect_restart("replace", "clean")?;
    observed.expect_finding("listener_gap")?;
    observed.expect_no_finding("keepalive_race")
}

/// Stops nginx with connections in every state of an exchange, then starts a new one at the same port.
fn stopped(name: &str, version: Version, signal: Signal) -> Result<Observed> {
    let upstream = upstream()?;
    let nginx = Nginx { tls: Some(version), ..Nginx::new(upstream.address())? };
    let mut old = nginx.start()?;
    let tls = Tls::trusting(&old.dir().join(CERTIFICATE), version)?;
    let mut scenario = observe(name, &old)?;
    let load = || Load::new(old.address()).over(&tls);
    let idle = load().keep_alive("/", 2, LIMIT).burst(3).start();
    let idle_after_a_slow_one = load().keep_alive("/sleep/60", 2, LIMIT).burst(2).start();
    let handshake_only = load().steps([Step::Rest(wait::patient(Duration::from_secs(4)))]).burst(2).start();
    let slow = wait::sleep(5_000);
    let first = load().get(&slow).burst(3).start();
    let pause = Step::Rest(Duration::from_millis(100));
    let later = load().steps([Step::Get("/".into()), pause, Step::Get(slow)]).burst(2).start();
    idle.wait_responses(3, LIMIT)?;
    idle_after_a_slow_one.wait_responses(2, LIMIT)?;
    handshake_only.wait("2 handshakes", LIMIT, |counts| counts.connected == 2)?;
    first.wait_sent(3, LIMIT)?;
    later.wait_sent(4, LIMIT)?;
    // Five requests are with the upstream when it has accepted as many connections.
    sockets::wait_for_connections(upstream.port(), 5, LIMIT)?;
    // Until no acknowledgement is due any more: right after a request a goodbye can't be told from its answer.
    thread::sleep(Duration::from_millis(300));
    old.signal(signal)?;
    if signal == Signal::SIGKILL {
        old.signal_group(signal)?;
    }
    old.wait_until_gone(LIMIT)?;
    let mut new = nginx.start()?;
    scenario.saw(new.take_probes());
    for running in [idle, idle_after_a_slow_one, handshake_only, first, later] {
        scenario.saw(running.join());
    }
    scenario.finish()
}

/// Clients that leave first, each with a goodbye.
fn reloaded(name: &str, version: Version) -> Result<()> {
    let upstream = upstream()?;
    let nginx = Nginx { tls: Some(version), ..Nginx::new(upstream.address())? };
    let server = nginx.start()?;
    let old = server.workers();
    let tls = Tls::trusting(&server.dir().join(CERTIFICATE), version)?;
    let mut scenario = observe(name, &server)?;
    // Of a request, its response and a goodbye within one tick of TCP's clock nobody can tell which came last.
    let load = || Load::new(server.address()).over(&tls).rate(60).get("/sleep/12");
    let told_to_leave = load().clients(4, 400).start();
    let leaving_first = load().clients(4, 400).leaves_first().start();
    let slow = load().get("/sleep/150").clients(2, 400).leaves_first().start();
    let running = [told_to_leave, leaving_first, slow];
    for one in &running {
        one.wait_responses(5, LIMIT)?;
    }
    server.signal(Signal::SIGHUP)?;
    server.wait_for_new_workers(&old, LIMIT)?;
    for one in &running {
        serve_on(one)?;
    }
    for one in running {
        scenario.saw(one.stop());
    }
    let observed = agree(scenario)?;
    observed.expect_no_loss()?;
    observed.expect_restart("reload", "clean")?;
    observed.expect_no_findings()
}
