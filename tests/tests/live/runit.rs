//! The fixture server under runit's `runsv`.

use drain_observer_tests::processes;
use drain_observer_tests::servers::runit::{Runit, control};

use crate::support::{LIMIT, agree, busy, live, observe, prefork, queued, serve_on, steady};

#[test]
fn terminated_and_started_again_by_its_supervisor() {
    live("runit::terminated_and_started_again_by_its_supervisor", &["runsv"], || {
        let mut server = Runit::supervising(prefork()?.prepare()?).start()?;
        let mut scenario = observe("runit-term", &server)?;
        let old = server.master();
        let busy = busy(server.address(), 2, 2_500)?;
        let queued = queued(server.address(), 6)?;
        control(&server, 't')?;
        server.wait_for_other_master(old, LIMIT)?;
        server.wait_until_serving()?;
        scenario.saw(server.take_probes());
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        let observed = agree(scenario)?;
        observed.expect_clients("reset awaiting_response", 6)?;
        observed.expect_restart("replace", "lossy")?;
        observed.expect_cause("sender", "comm", "runsv")
    });
}

#[test]
fn a_hangup_that_a_control_script_swallows() {
    live("runit::a_hangup_that_a_control_script_swallows", &["runsv"], || {
        let runit = Runit::supervising(prefork()?.prepare()?).on_hangup("touch hangup-seen");
        let server = runit.start()?;
        let mut scenario = observe("runit-swallowed", &server)?;
        let old = server.master();
        let steady = steady(server.address())?;
        control(&server, 'h')?;
        drain_observer_tests::wait::until("the control script to run", LIMIT, || {
            Ok(server.dir().join("hangup-seen").exists().then_some(()))
        })?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        assert!(processes::alive(old) && server.master() == old);
        let observed = agree(scenario)?;
        observed.expect_verdicts_among(&["not_restarted"])
    });
}
