//! One test for each way of losing a connection that the scenarios of the real servers do not force.

use std::time::Duration;

use anyhow::Result;
use drain_observer_tests::load::{Load, Step};
use drain_observer_tests::servers::prefork::Prefork;
use drain_observer_tests::{sockets, wait};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, live, observe, prefork, served_by, stalled};

#[test]
fn accepted_but_never_read() {
    live("losses::accepted_but_never_read", &[], || {
        let prefork = prefork()?.workers(2).read_delay(Duration::from_secs(8));
        let mut server = prefork_with_a_delay(&prefork)?;
        let mut scenario = observe("losses-unread", &server)?;
        let unread = Load::new(server.address()).burst(6).start();
        unread.wait_sent(6, LIMIT)?;
        sockets::wait_for_queue(server.port(), 0, LIMIT)?;
        server.signal_group(Signal::SIGKILL)?;
        server.wait_until_gone(LIMIT)?;
        scenario.saw(unread.join());

        let observed = agree(scenario)?;
        observed.expect_clients("reset awaiting_response", 6)?;
        observed.expect_outcome("unread_reset", 6)
    });
}

#[test]
fn response_cut_off() {
    live("losses::response_cut_off", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("losses-truncated", &old)?;
        let reading = stalled(old.address(), 2, 30_000_000)?;
        old.signal_group(Signal::SIGKILL)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(reading.join());

        let observed = agree(scenario)?;
        observed.expect_clients("eof mid_response", 2)?;
        observed.expect_outcome("truncated", 2)?;
        observed.expect_restart_verdict("lossy")
    });
}

#[test]
fn clients_that_give_up_in_queue_and_unanswered() {
    live("losses::clients_that_give_up_in_queue_and_unanswered", &[], || {
        let server = prefork()?.workers(1).start()?;
        let mut scenario = observe("losses-gave-up", &server)?;
        let patience = wait::patient(Duration::from_millis(400));
        let answered =
            Load::new(server.address()).get(&wait::sleep(2_500)).response_timeout(patience).start();
        answered.wait_sent(1, LIMIT)?;
        sockets::wait_for_queue(server.port(), 0, LIMIT)?;
        let waiting = Load::new(server.address()).burst(3).response_timeout(patience).start();
        scenario.saw(answered.join());
        scenario.saw(waiting.join());
        // The server finds out about all four of them before the recording ends.
        scenario.saw(busy(server.address(), 1, 0)?.join());

        let observed = agree(scenario)?;
        observed.expect_clients("timeout awaiting_response", 4)?;
        observed.expect_outcome("gave_up", 4)?;
        observed.expect_verdicts_among(&[])
    });
}

#[test]
fn none_where_clients_leave_first() {
    live("losses::none_where_clients_leave_first", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("losses-none-left-first", &old)?;
        scenario.saw(Load::new(old.address()).leaves_first().clients(4, 200).run());
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(Load::new(new.address()).leaves_first().clients(4, 100).run());
        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        observed.expect_restart("replace", "clean")?;
        Ok(())
    });
}

#[test]
fn a_request_without_its_end() {
    live("losses::a_request_without_its_end", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("losses-half-request", &old)?;
        let half = Load::new(old.address()).steps([Step::GetHalf("/".into())]).burst(3).start();
        half.wait_sent(3, LIMIT)?;
        sockets::wait_for_queue(old.port(), 0, LIMIT)?;
        let after = busy(old.address(), 2, 100)?;
        scenario.saw(after.join());
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(half.join());

        let observed = agree(scenario)?;
        observed.expect_clients("eof mid_request", 3)?;
        observed.expect_outcome("unanswered", 3)
    });
}

#[test]
fn connections_without_a_request() {
    live("losses::connections_without_a_request", &[], || {
        let prefork = prefork()?.workers(1).outlive(Duration::from_millis(200));
        let mut old = prefork.start()?;
        let mut scenario = observe("losses-silent", &old)?;
        // Accepted and silent: closed after the drain's grace. Queued and silent: reset with the listener.
        let accepted = Load::new(old.address()).steps([Step::Rest(LIMIT)]).burst(3).start();
        accepted.wait("three connections", LIMIT, |counts| counts.connected == 3)?;
        sockets::wait_for_queue(old.port(), 0, LIMIT)?;
        let busy = busy(old.address(), 1, 2_500)?;
        let queued = Load::new(old.address()).steps([Step::Rest(LIMIT)]).burst(4).start();
        sockets::wait_for_queue(old.port(), 4, LIMIT)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw([accepted, queued].into_iter().flat_map(|load| load.join()));

        let observed = agree(scenario)?;
        observed.expect_clients("eof before_request", 3)?;
        observed.expect_clients("reset before_request", 4)?;
        observed.expect_outcome("queue_reset", 4)
    });
}

/// Starts a server that reads nothing for a while, without asking whether it serves.
fn prefork_with_a_delay(prefork: &Prefork<'_>) -> Result<drain_observer_tests::servers::Server> {
    let server = prefork.start_unserved()?;
    server.wait_for_log("ready", LIMIT)?;
    Ok(server)
}
