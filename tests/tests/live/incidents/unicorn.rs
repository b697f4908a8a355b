//! Unicorn: a binary upgrade.

use drain_observer_tests::processes;
use drain_observer_tests::servers::unicorn::Unicorn;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, live, observe, serve_on, steady};

/// Unicorn USR2, then QUIT: as it should be, so there is nothing to find.
#[test]
fn binary_upgrade_in_good_order() {
    live("incidents::unicorn::binary_upgrade_in_good_order", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let old = server.master();
        let mut scenario = observe("incident-upgrade", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_other_master(old, LIMIT)?;
        server.wait_for_workers(2, LIMIT)?;
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
