//! Unicorn, two workers.

use anyhow::Result;
use drain_observer_tests::processes;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::unicorn::Unicorn;
use nix::sys::signal::Signal;

use crate::stories::{Requests, lost_a_worker, out_of_patience, renewed, stopped_and_started, went_on};
use crate::support::live;

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

/// As many requests as it has workers, and more in the queue.
fn full_with(queued: usize) -> Requests {
    Requests { under_way: 2, queued }
}

/// A stop while `served` of two requests under way get their answers; then a new unicorn on the same port.
fn stopped_with_a_queue(name: &str, signal: Signal, signal_name: &str, served: usize) -> Result<()> {
    let unicorn = Unicorn::new()?;
    let replaced = stopped_and_started(name, || unicorn.start(), full_with(12), |old| old.signal(signal))?;
    assert_eq!(replaced.served, served, "unicorn's own behaviour");
    let observed = replaced.observed;
    observed.expect_restart("replace", "lossy")?;
    observed.expect_cause("signal", "name", signal_name)?;
    observed.expect_outcome("queue_reset", observed.clients("reset awaiting_response"))?;
    observed.expect_outcome("unanswered", 2 - served)
}

#[test]
fn hup_reloads() {
    live("unicorn::hup_reloads", &["unicorn"], || {
        renewed("unicorn-hup", &Unicorn::new()?.start()?, Signal::SIGHUP)?
            .expect_restart("reload", "clean")?;
        Ok(())
    });
}

#[test]
fn usr1_reopens_logs_and_loses_nothing() {
    live("unicorn::usr1_reopens_logs_and_loses_nothing", &["unicorn"], || {
        went_on("unicorn-usr1", &Unicorn::new()?.start()?, Signal::SIGUSR1)
    });
}

#[test]
fn group_term() {
    live("unicorn::group_term", &["unicorn"], || {
        let unicorn = Unicorn::new()?;
        let group_term = |old: &Server| old.signal_group(Signal::SIGTERM);
        let replaced =
            stopped_and_started("unicorn-group-term", || unicorn.start(), full_with(6), group_term)?;
        replaced.observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn worker_killed() {
    live("unicorn::worker_killed", &["unicorn"], || {
        let observed = lost_a_worker("unicorn-kill-worker", &Unicorn::new()?.start()?, full_with(4))?;
        observed.expect_clients("served", 5)?;
        observed.expect_outcome("unanswered", 1)
    });
}

#[test]
fn master_killed() {
    live("unicorn::master_killed", &["unicorn"], || {
        let unicorn = Unicorn::new()?;
        // Its workers finish what they have and leave, because their parent is gone.
        let kill = |old: &Server| processes::send(old.master(), Signal::SIGKILL);
        stopped_and_started("unicorn-kill-master", || unicorn.start(), full_with(6), kill)?;
        Ok(())
    });
}

#[test]
fn a_worker_past_its_timeout_is_a_loss_without_a_restart() {
    live("unicorn::a_worker_past_its_timeout_is_a_loss_without_a_restart", &["unicorn"], || {
        let server = Unicorn { timeout: 3, ..Unicorn::new()? }.start()?;
        out_of_patience("unicorn-timeout", &server)
    });
}
