//! GitLab's puma under runit: a deploy sends three HUPs within four seconds, and `control/h` turns each into INT.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use drain_observer_tests::load::{Load, Running};
use drain_observer_tests::scenario::{Observed, Scenario};
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::puma::Puma;
use drain_observer_tests::servers::runit::{Runit, control};

use crate::support::{LIMIT, agree, busy, live};

/// The deploy job's own pace: three within four seconds.
const PACE: Duration = Duration::from_millis(1_800);

/// Asks for an orderly end and stays until it has come, for three seconds at most; then insists. As runsv waits for the
/// script it cannot collect the process, which therefore never seems to go.
const WAITS: &str = "pid=$(cat supervise/pid)
kill -INT $pid
for i in $(seq 15); do kill -0 $pid 2>/dev/null || exit 0; sleep 0.2; done
kill -TERM $pid
for i in $(seq 15); do kill -0 $pid 2>/dev/null || exit 0; sleep 0.2; done
kill -KILL $pid";

/// Asks for an orderly end, and leaves the rest to runsv.
const RETURNS_AT_ONCE: &str = "kill -INT $(cat supervise/pid)";

/// One HUP is waited over, one is never acted upon, and one kills the successor in its boot.
#[test]
fn hangups_to_a_control_script_that_waits() {
    live("incidents::runit::hangups_to_a_control_script_that_waits", &["puma", "runsv"], || {
        let puma = Puma::new()?;
        let server = Runit::supervising(puma.prepare()?).on_hangup(WAITS).start()?;
        puma.wait_until_booted(&server)?;
        let old = server.master();
        let mut scenario = Scenario::start("incident-gitlab-waits", server.port())?;
        let load = three_hangups(&server)?;
        served_again(&mut scenario, &server, old, load)?;

        let observed = agree(scenario)?;
        // Twice as long as the script waits, and a boot.
        expect_gap(&observed, 6.0)?;
        observed.expect_finding("no_blackout")?;
        observed.expect_cause("target", "pid", old)?;
        observed.expect_no_finding("killed_while_draining")
    });
}

/// All three come to the same puma, which drains meanwhile; then it boots, with nobody to listen.
#[test]
fn hangups_to_a_control_script_that_returns_at_once() {
    live("incidents::runit::hangups_to_a_control_script_that_returns_at_once", &["puma", "runsv"], || {
        let puma = Puma { config: "preload_app!", boots_for: Duration::from_secs(3), ..Puma::new()? };
        let server = Runit::supervising(puma.prepare()?).on_hangup(RETURNS_AT_ONCE).start()?;
        puma.wait_until_booted(&server)?;
        let old = server.master();
        let mut scenario = Scenario::start("incident-gitlab-returns", server.port())?;
        let busy = busy(server.address(), 2, 6_000)?;
        let load = three_hangups(&server)?;
        served_again(&mut scenario, &server, old, load)?;
        scenario.saw(busy.join());

        let observed = agree(scenario)?;
        expect_gap(&observed, 3.0)?;
        observed.expect_cause("target", "pid", old)?;
        let repeated = observed.expect_finding("repeated_signal")?;
        let sentence = repeated["sentence"].as_str().unwrap_or_default();
        assert!(sentence.contains("3 times") && sentence.contains("by h (pid"), "{sentence}");
        observed.expect_no_finding("killed_while_draining")
    });
}

/// Puts a supervised puma under load and sends it three HUPs.
fn three_hangups(server: &Server) -> Result<Running> {
    let load = Load::new(server.address()).clients(8, 3_000).rate(80).start();
    load.wait_responses(5, LIMIT)?;
    for hangup in 0..3 {
        if hangup > 0 {
            thread::sleep(PACE);
        }
        control(server, 'h')?;
    }
    Ok(load)
}

/// Waits until another puma serves what the load asks for.
fn served_again(scenario: &mut Scenario, server: &Server, old: i32, load: Running) -> Result<()> {
    server.wait_for_other_master(old, LIMIT)?;
    let responses = load.counts().responses;
    load.wait_responses(responses + 40, LIMIT * 2)?;
    scenario.saw(load.stop());
    Ok(())
}

/// Expects one restart, asked for with INT by the control script, with at least so many seconds without a listener.
fn expect_gap(observed: &Observed, seconds: f64) -> Result<()> {
    let restart = observed.expect_restart("replace", "lossy")?;
    observed.expect_cause("signal", "name", "SIGINT")?;
    observed.expect_cause("sender", "comm", "h")?;
    let silence = &restart["silence"][0];
    assert!(silence["not_listening"].as_f64().unwrap_or(0.0) > seconds, "{silence}");
    assert_eq!(observed.matched("refused"), observed.clients("refused"));
    observed.expect_finding("listener_gap")?;
    observed.expect_no_finding("restart_did_not_happen")?;
    observed.expect_no_finding("crashed_while_draining")
}
