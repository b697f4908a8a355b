//! Puma: swallowed signals, silence while it boots, signals to all at once.

use std::time::Duration;

use drain_observer_tests::load::Load;
use drain_observer_tests::processes;
use drain_observer_tests::servers::puma::Puma;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, live, observe, outlast_a_reload, serve_on, served_by, steady};

/// A HUP that only reopens the logs: the deploy job takes it for a restart.
#[test]
fn swallowed_hangup() {
    live("incidents::puma::swallowed_hangup", &["puma"], || {
        let puma = Puma { config: "stdout_redirect 'server.log', 'server.log', true", ..Puma::new()? };
        let server = puma.start()?;
        let mut scenario = observe("incident-swallowed-hup", &server)?;
        let old = server.workers();
        let steady = steady(server.address())?;
        server.signal(Signal::SIGHUP)?;
        server.signal(Signal::SIGHUP)?;
        outlast_a_reload(&steady)?;
        scenario.saw(steady.stop());
        assert_eq!(server.workers(), old);

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart_verdict("not_restarted")?;
        observed.expect_finding("restart_did_not_happen")?;
        observed.expect_finding("repeated_signal")?;
        observed.expect_no_finding("silent_listener")?;
        observed.tell("a HUP that only reopens the logs", "puma")
    });
}

/// How long an application takes to load whose team has stopped looking at it.
const BOOT: Duration = Duration::from_secs(10);
/// Longer than a client waits over such a boot.
const PATIENCE: Duration = Duration::from_secs(40);

/// Puma USR2: the socket is inherited, and nobody accepts while the application boots.
#[test]
fn silent_while_it_boots() {
    live("incidents::puma::silent_while_it_boots", &["puma"], || {
        let puma = Puma { boots_for: BOOT, ..Puma::new()? };
        let server = puma.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-silent-boot", &server)?;
        // Enough clients for one to come every now and then all the time.
        let steady = Load::new(server.address()).clients(80, 600).rate(5).response_timeout(PATIENCE).start();
        steady.wait_responses(3, LIMIT)?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_new_workers(&old, PATIENCE)?;
        let responses = steady.counts().responses;
        steady.wait_responses(responses + 60, PATIENCE)?;
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        let restart = observed.expect_restart("reexec", "clean")?;
        let silence = &restart["silence"][0];
        let number = |value: &serde_json::Value| value.as_f64().unwrap_or(0.0);
        let silent = &silence["not_accepting"];
        assert!(number(&silent["seconds"]) >= BOOT.as_secs_f64(), "{silence}");
        assert!(number(&silent["at_least_seconds"]) > 0.8 * BOOT.as_secs_f64(), "{silence}");
        assert!(number(&silence["longest_wait"]["seconds"]) > 0.8 * BOOT.as_secs_f64(), "{silence}");
        assert!(number(&silence["peak_queue"]) > 30.0, "{silence}");
        assert_eq!(silence["not_listening"], 0.0);
        observed.expect_finding("silent_listener")?;
        observed.expect_no_finding("listener_gap")?;
        observed.tell("USR2: nobody accepts while the application boots", "puma")
    });
}

/// The same with clients that do not wait so long, and a queue too short for those who come meanwhile.
#[test]
fn clients_give_up_while_it_boots() {
    live("incidents::puma::clients_give_up_while_it_boots", &["puma"], || {
        let puma = Puma { boots_for: BOOT, backlog: 8, ..Puma::new()? };
        let server = puma.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-give-up", &server)?;
        server.signal(Signal::SIGUSR2)?;
        for worker in &old {
            processes::wait_for_exit(*worker, LIMIT)?;
        }
        let impatient = Load::new(server.address()).burst(6).response_timeout(Duration::from_secs(3)).start();
        impatient.wait_sent(6, LIMIT)?;
        let patient = Load::new(server.address())
            .burst(12)
            .response_timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .start();
        scenario.saw(impatient.join());
        scenario.saw(patient.join());
        scenario.saw(drain_observer_tests::load::expect_served(server.address())?);

        let observed = agree(scenario)?;
        let restart = observed.expect_restart("reexec", "lossy")?;
        assert_eq!(restart["counts"]["gave_up"], 6);
        observed.expect_outcome("gave_up", 6)?;
        observed.expect_finding("accept_queue_overflow")?;
        let silent = observed.expect_finding("silent_listener")?;
        let sentence = silent["sentence"].as_str().unwrap_or_default();
        assert!(sentence.contains("6 were given up") && sentence.contains("(limit 8)"), "{sentence}");
        observed.expect_no_finding("listener_gap")?;
        observed.tell("USR2: clients and queue do not last as long as the boot", "puma")
    });
}

/// Puma USR1: the workers are replaced one by one, and somebody always accepts.
#[test]
fn phased_restart() {
    live("incidents::puma::phased_restart", &["puma"], || {
        let server = Puma::new()?.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-phased", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR1)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart("reload", "clean")?;
        observed.expect_no_findings()?;
        observed.tell("USR1: workers are replaced one by one", "puma")
    });
}

/// Heroku: TERM to master and workers at once.
#[test]
fn told_all_at_once() {
    live("incidents::puma::told_all_at_once", &["puma"], || {
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
        observed.expect_no_finding("restart_did_not_happen")?;
        observed.tell("TERM to master and workers at once", "puma")
    });
}
