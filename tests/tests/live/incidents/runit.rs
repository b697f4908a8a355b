//! GitLab's puma under runit: a deploy sends three HUPs within four seconds, and `control/h` turns each into INT.

use std::time::Duration;

use anyhow::Result;
use drain_observer_tests::load::{Load, Running};
use drain_observer_tests::scenario::Scenario;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::puma::Puma;
use drain_observer_tests::servers::runit::{Runit, control};

use crate::support::{LIMIT, agree, live, serve_on};

/// Asks for an orderly end and stays until it has come, for three seconds at most; then insists.
const WAITS: &str = "pid=$(cat supervise/pid)
kill -INT $pid
for i in $(seq 15); do kill -0 $pid 2>/dev/null || exit 0; sleep 0.2; done
kill -TERM $pid
for i in $(seq 15); do kill -0 $pid 2>/dev/null || exit 0; sleep 0.2; done
kill -KILL $pid";

/// Asks for an orderly end, and leaves the rest to runsv.
const RETURNS_AT_ONCE: &str = "kill -INT $(cat supervise/pid)";

#[test]
fn hangups_to_a_control_script_that_waits() {
    live("incidents::runit::hangups_to_a_control_script_that_waits", &["puma", "runsv"], || {
        let (mut scenario, server, load) = three_hangups("incident-gitlab-waits", WAITS)?;
        finish(&mut scenario, &server, load)?;
        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        println!("{}", observed.journal().text()?);
        Ok(())
    });
}

#[test]
fn hangups_to_a_control_script_that_returns_at_once() {
    live("incidents::runit::hangups_to_a_control_script_that_returns_at_once", &["puma", "runsv"], || {
        let (mut scenario, server, load) = three_hangups("incident-gitlab-returns", RETURNS_AT_ONCE)?;
        finish(&mut scenario, &server, load)?;
        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        println!("{}", observed.journal().text()?);
        Ok(())
    });
}

/// Three HUPs within four seconds to a supervised puma under load.
fn three_hangups(name: &str, script: &str) -> Result<(Scenario, Server, Running)> {
    let puma = Puma::new()?;
    let server = Runit::supervising(puma.prepare()?).on_hangup(script).start()?;
    puma.wait_until_booted(&server)?;
    let scenario = Scenario::start(name, server.port())?;
    let load = Load::new(server.address()).clients(8, 3_000).rate(80).start();
    load.wait_responses(5, LIMIT)?;
    for hangup in 0..3 {
        control(&server, 'h')?;
        if hangup < 2 {
            let begun = load.counts().begun;
            load.wait("the load of 1.8 s", LIMIT, |counts| counts.begun >= begun + 144)?;
        }
    }
    Ok((scenario, server, load))
}

fn finish(scenario: &mut Scenario, server: &Server, load: Running) -> Result<()> {
    let _ = server;
    std::thread::sleep(Duration::from_secs(25));
    serve_on(&load)?;
    scenario.saw(load.stop());
    Ok(())
}
