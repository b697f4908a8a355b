//! nginx that speaks TLS itself: what the handshake, session tickets and goodbyes add must pass for neither request
//! nor response.

use anyhow::{Result, ensure};
use drain_observer_tests::load::tls::{Tls, Version};
use drain_observer_tests::load::{Load, Running, Step};
use drain_observer_tests::scenario::{Observed, Scenario};
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::certificate::CERTIFICATE;
use drain_observer_tests::servers::nginx::Nginx;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, live, observe, prefork};

#[test]
fn term_12() {
    live("incidents::tls::term_12", &["nginx", "openssl"], || {
        stopped("tls12-term", Version::V12, Signal::SIGTERM)
    });
}

#[test]
fn term_13() {
    live("incidents::tls::term_13", &["nginx", "openssl"], || {
        stopped("tls13-term", Version::V13, Signal::SIGTERM)
    });
}

#[test]
fn kill_12() {
    live("incidents::tls::kill_12", &["nginx", "openssl"], || {
        stopped("tls12-kill", Version::V12, Signal::SIGKILL)
    });
}

#[test]
fn kill_13() {
    live("incidents::tls::kill_13", &["nginx", "openssl"], || {
        stopped("tls13-kill", Version::V13, Signal::SIGKILL)
    });
}

#[test]
fn quit_12() {
    live("incidents::tls::quit_12", &["nginx", "openssl"], || {
        stopped("tls12-quit", Version::V12, Signal::SIGQUIT)
    });
}

#[test]
fn quit_13() {
    live("incidents::tls::quit_13", &["nginx", "openssl"], || {
        stopped("tls13-quit", Version::V13, Signal::SIGQUIT)
    });
}

#[test]
fn goodbyes_12() {
    live("incidents::tls::goodbyes_12", &["nginx", "openssl"], || reloaded("tls12-hup", Version::V12));
}

#[test]
fn goodbyes_13() {
    live("incidents::tls::goodbyes_13", &["nginx", "openssl"], || reloaded("tls13-hup", Version::V13));
}

/// A stop with connections in every state of an exchange, then a new nginx at the same port.
fn stopped(name: &str, version: Version, signal: Signal) -> Result<()> {
    let upstream = prefork()?.workers(8).start()?;
    let nginx = Nginx { tls: Some(version), ..Nginx::new(upstream.address())? };
    let mut old = nginx.start()?;
    let tls = Tls::trusting(&old.dir().join(CERTIFICATE), version)?;
    let mut scenario = observe(name, &old)?;
    let load = || Load::new(old.address()).over(&tls);
    let idle = load().keep_alive("/", 2, LIMIT).burst(3).start();
    let handshake_only = load().steps([Step::Rest(LIMIT)]).burst(2).start();
    let first = load().get("/sleep/2500").burst(3).start();
    let later = load()
        .steps([
            Step::Get("/".into()),
            Step::Rest(std::time::Duration::from_millis(200)),
            Step::Get("/sleep/2500".into()),
        ])
        .burst(2)
        .start();
    idle.wait_responses(3, LIMIT)?;
    handshake_only.wait("handshakes", LIMIT, |counts| counts.connected == 2)?;
    first.wait_sent(3, LIMIT)?;
    later.wait_sent(4, LIMIT)?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    old.signal_group(signal)?;
    old.wait_until_gone(LIMIT)?;
    let mut new = nginx.start()?;
    scenario.saw(new.take_probes());
    for running in [idle, handshake_only, first, later] {
        scenario.saw(running.join());
    }
    let observed = scenario.finish()?;
    println!("{:#?}", observed.comparison.to_string());
    println!("{}", observed.keep()?.display());
    observed.expect_agreement()
}

/// Clients that leave first, each with a goodbye.
fn reloaded(name: &str, version: Version) -> Result<()> {
    let upstream = prefork()?.workers(8).start()?;
    let nginx = Nginx { tls: Some(version), ..Nginx::new(upstream.address())? };
    let server = nginx.start()?;
    let old = server.workers();
    let tls = Tls::trusting(&server.dir().join(CERTIFICATE), version)?;
    let mut scenario = observe(name, &server)?;
    let load = || Load::new(server.address()).over(&tls);
    let steady = load().clients(4, 400).rate(60).start();
    let leaving = load().clients(4, 400).rate(60).leaves_first().start();
    let slow = load().get("/sleep/150").clients(2, 400).rate(60).leaves_first().start();
    for running in [&steady, &leaving, &slow] {
        running.wait_responses(5, LIMIT)?;
    }
    server.signal(Signal::SIGHUP)?;
    server.wait_for_new_workers(&old, LIMIT)?;
    for running in [&steady, &leaving, &slow] {
        let so_far = running.counts().responses;
        running.wait_responses(so_far + 10, LIMIT)?;
    }
    for running in [steady, leaving, slow] {
        scenario.saw(running.stop());
    }
    let observed = scenario.finish()?;
    println!("{:#?}", observed.comparison.to_string());
    println!("{}", observed.keep()?.display());
    observed.expect_agreement()
}
