//! Unicorn, two workers.

use anyhow::Result;
use drain_observer_tests::load::Load;
use drain_observer_tests::processes;
use drain_observer_tests::servers::unicorn::Unicorn;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, live, observe, queued, serve_on, served_by, steady};

#[test]
fn quit_with_slow_requests_and_a_full_queue() {
    live("unicorn::quit_with_slow_requests_and_a_full_queue", &["unicorn"], || {
        stopped_with_a_queue("unicorn-quit", Signal::SIGQUIT, "SIGQUIT", 2)
    });
}

#[test]
fn term_with_slow_requests_and_a_full_queue() {
    live("unicorn::term_with_slow_requests_and_a_full_queue", &["unicorn"], || {
        stopped_with_a_queue("unicorn-term", Signal::SIGTERM, "SIGTERM", 0)
    });
}

/// A stop while `served` of two busy requests get their answers; then a new unicorn on the same port.
fn stopped_with_a_queue(name: &str, signal: Signal, signal_name: &str, served: usize) -> Result<()> {
    let unicorn = Unicorn::new()?;
    let mut old = unicorn.start()?;
    let mut scenario = observe(name, &old)?;
    let busy = busy(old.address(), 2, 2_500)?;
    let queued = queued(old.address(), 12)?;
    old.signal(signal)?;
    old.wait_until_gone(LIMIT)?;
    scenario.saw(Load::new(old.address()).clients(2, 4).run());
    let mut new = unicorn.start()?;
    served_by(&mut scenario, &mut new)?;
    let busy = busy.join();
    assert_eq!(busy.iter().filter(|fate| !fate.lost()).count(), served, "unicorn's own behaviour");
    scenario.saw(busy);
    scenario.saw(queued.join());

    let observed = agree(scenario)?;
    observed.expect_restart("replace", "lossy")?;
    observed.expect_cause("signal", "name", signal_name)?;
    observed.expect_outcome("queue_reset", observed.clients("reset awaiting_response"))?;
    observed.expect_outcome("refused", 4)?;
    observed.expect_outcome("unanswered", 2 - served)
}

#[test]
fn hup_reloads() {
    live("unicorn::hup_reloads", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let old = server.workers();
        let mut scenario = observe("unicorn-hup", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGHUP)?;
        server.wait_for_new_workers(&old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        agree(scenario)?.expect_restart("reload", "clean")?;
        Ok(())
    });
}

#[test]
fn usr2_then_quit_upgrades() {
    live("unicorn::usr2_then_quit_upgrades", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let old = server.master();
        let mut scenario = observe("unicorn-usr2", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR2)?;
        server.wait_for_other_master(old, LIMIT)?;
        server.wait_for_workers(2, LIMIT)?;
        serve_on(&steady)?;
        processes::send(old, Signal::SIGQUIT)?;
        processes::wait_for_exit(old, LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        agree(scenario)?.expect_restart("upgrade", "clean")?;
        Ok(())
    });
}

#[test]
fn usr1_reopens_logs_and_loses_nothing() {
    live("unicorn::usr1_reopens_logs_and_loses_nothing", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let workers = server.workers();
        let mut scenario = observe("unicorn-usr1", &server)?;
        let steady = steady(server.address())?;
        server.signal(Signal::SIGUSR1)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        assert_eq!(server.workers(), workers);
        let observed = agree(scenario)?;
        // Too soon to tell whether the signal comes to nothing.
        observed.expect_verdicts_among(&["inconclusive"])
    });
}

#[test]
fn group_term() {
    live("unicorn::group_term", &["unicorn"], || {
        let unicorn = Unicorn::new()?;
        let mut old = unicorn.start()?;
        let mut scenario = observe("unicorn-group-term", &old)?;
        let busy = busy(old.address(), 2, 2_500)?;
        let queued = queued(old.address(), 6)?;
        old.signal_group(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        let mut new = unicorn.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        agree(scenario)?.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn worker_killed() {
    live("unicorn::worker_killed", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let mut scenario = observe("unicorn-kill-worker", &server)?;
        let busy = busy(server.address(), 2, 2_500)?;
        let queued = queued(server.address(), 4)?;
        processes::send(server.workers()[0], Signal::SIGKILL)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        let observed = agree(scenario)?;
        observed.expect_clients("served", 5)?;
        observed.expect_outcome("unanswered", 1)
    });
}

#[test]
fn master_killed() {
    live("unicorn::master_killed", &["unicorn"], || {
        let unicorn = Unicorn::new()?;
        let mut old = unicorn.start()?;
        let mut scenario = observe("unicorn-kill-master", &old)?;
        let busy = busy(old.address(), 2, 2_500)?;
        let queued = queued(old.address(), 6)?;
        processes::send(old.master(), Signal::SIGKILL)?;
        // Its workers finish what they have and leave, because their parent is gone.
        old.wait_until_gone(LIMIT)?;
        let mut new = unicorn.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        agree(scenario)?;
        Ok(())
    });
}

#[test]
fn a_worker_past_its_timeout_is_a_loss_without_a_restart() {
    live("unicorn::a_worker_past_its_timeout_is_a_loss_without_a_restart", &["unicorn"], || {
        let server = Unicorn { timeout: 3, ..Unicorn::new()? }.start()?;
        let mut scenario = observe("unicorn-timeout", &server)?;
        scenario.saw(busy(server.address(), 1, 9_000)?.join());
        let observed = agree(scenario)?;
        observed.expect_clients("eof awaiting_response", 1)?;
        observed.expect_outcome("unanswered", 1)
    });
}
