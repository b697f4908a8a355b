//! Apache httpd before the fixture server.

use drain_observer_tests::load::Load;
use drain_observer_tests::servers::apache::Apache;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy_behind, live, observe, serve_on, served_by, steady, upstream};

#[test]
fn usr1_is_graceful() {
    live("apache::usr1_is_graceful", &["apache2"], || {
        let upstream = upstream()?;
        let server = Apache::new(upstream.address())?.start()?;
        let mut scenario = observe("apache-usr1", &server)?;
        let old = server.workers();
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR1)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        let observed = agree(scenario)?;
        observed.expect_restart("reload", if observed.lossy() { "lossy" } else { "clean" })?;
        Ok(())
    });
}

#[test]
fn term_signals_its_own_group() {
    live("apache::term_signals_its_own_group", &["apache2"], || {
        let upstream = upstream()?;
        let apache = Apache::new(upstream.address())?;
        let mut old = apache.start()?;
        let mut scenario = observe("apache-term", &old)?;
        let busy = busy_behind(&old, &upstream, 4, 3_000)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        scenario.saw(Load::new(old.address()).clients(2, 4).run());
        let mut new = apache.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}
