//! Proxies and web servers.

use std::thread;
use std::time::Duration;

use drain_observer_tests::load::{self, Load};
use drain_observer_tests::servers::haproxy::Haproxy;
use drain_observer_tests::{processes, sockets};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, live, observe, prefork};

/// HAProxy reload: the old worker stays for its old connection.
#[test]
fn old_generation_stays_for_old_connections() {
    live("incidents::proxies::old_generation_stays_for_old_connections", &["haproxy"], || {
        let upstream = prefork()?.workers(4).start()?;
        let server = Haproxy::new(upstream.address())?.start()?;
        let old = server.workers();
        let mut scenario = observe("incident-residual", &server)?;
        let long =
            Load::new(server.address()).get("/sleep/13000").response_timeout(Duration::from_secs(20)).start();
        long.wait_sent(1, LIMIT)?;
        sockets::wait_for_queue(server.port(), 0, LIMIT)?;
        server.signal(Signal::SIGUSR2)?;
        thread::sleep(Duration::from_secs(1));
        scenario.saw(load::expect_served(server.address())?);
        scenario.saw(long.join());
        for worker in old {
            processes::wait_for_exit(worker, LIMIT)?;
        }
        scenario.saw(load::expect_served(server.address())?);

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart_verdict("clean")?;
        let finding = observed.expect_finding("residual_generation")?;
        let hint = finding["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("hard-stop-after"), "{hint}");
        Ok(())
    });
}
