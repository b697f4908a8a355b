//! Puma at a socket file.

use anyhow::Result;
use drain_observer_tests::load::Load;
use drain_observer_tests::servers::puma::Puma;
use drain_observer_tests::servers::{Place, Server};
use drain_observer_tests::sockets::{self, unix};
use drain_observer_tests::truth::compare;
use drain_observer_tests::unix::chain::{Chain, Spot};
use nix::sys::signal::Signal;

use super::chain::{crowd, kept_open, killed, lost_a_worker, reloaded, renewed, replaced};
use crate::support::{LIMIT, find_nobody, live, outlast_a_reload, serve_on, steady};

fn start(place: Place) -> Result<Server> {
    Puma::at(place).start()
}

#[test]
fn term() {
    live("unix::puma::term", &["puma", "nginx"], || {
        let replaced = replaced("unix-puma-term", start, |old| old.signal(Signal::SIGTERM))?;
        replaced.expect_lossy("SIGTERM")
    });
}

#[test]
fn all_killed() {
    live("unix::puma::all_killed", &["puma", "nginx"], || killed("unix-puma-kill", start));
}

#[test]
fn usr2_executes_itself_again() {
    live("unix::puma::usr2_executes_itself_again", &["puma", "nginx"], || {
        let chained = renewed("unix-puma-usr2", start, |server, _| {
            let workers = server.workers();
            server.signal(Signal::SIGUSR2)?;
            server.wait_for_new_workers(&workers, LIMIT).map(drop)
        })?;
        chained.expect_no_loss()?;
        chained.findings.expect_restart("reexec", "clean")?;
        Ok(())
    });
}

#[test]
fn usr1_replaces_workers_one_by_one() {
    live("unix::puma::usr1_replaces_workers_one_by_one", &["puma", "nginx"], || {
        reloaded("unix-puma-usr1", start, Signal::SIGUSR1)
    });
}

#[test]
fn hup_reopens_logs() {
    live("unix::puma::hup_reopens_logs", &["puma", "nginx"], || {
        let reopens = "stdout_redirect 'server.log', 'server.log', true";
        let start = |place| Puma { config: reopens, ..Puma::at(place) }.start();
        let chained = renewed("unix-puma-hup", start, |server, load| {
            server.signal(Signal::SIGHUP)?;
            outlast_a_reload(load)
        })?;
        chained.expect_no_loss()?;
        chained.findings.expect_restart_verdict("not_restarted")
    });
}

#[test]
fn worker_killed() {
    live("unix::puma::worker_killed", &["puma", "nginx"], || {
        // Where there is one thread, who has a request takes no other.
        lost_a_worker("unix-puma-kill-worker", |place| Puma { threads: 1, ..Puma::at(place) }.start())
    });
}

#[test]
fn connections_kept_open() {
    live("unix::puma::connections_kept_open", &["puma", "nginx"], || {
        let chained = kept_open("unix-puma-kept", start)?;
        chained.expect_outcome("refused", 2)
    });
}

#[test]
fn a_short_queue_overflows() {
    live("unix::puma::a_short_queue_overflows", &["puma", "nginx"], || {
        let start = |place| Puma { backlog: 4, ..Puma::at(place) }.start();
        let replaced = replaced("unix-puma-overflow", start, |old| old.signal(Signal::SIGTERM))?;
        replaced.expect_lossy("SIGTERM")?;
        let overflowed = replaced.chained.count("overflowed")?;
        replaced.chained.findings.expect(overflowed > 0, "clients to find the queue full")
    });
}

/// One service on two listeners: losses of both are its own, and those of each are told apart.
#[test]
fn a_path_and_a_port() {
    live("unix::puma::a_path_and_a_port", &["puma", "nginx"], || {
        let (spot, port) = (Spot::new()?, Place::free()?);
        let address = port.address().expect("a port");
        let start = || Puma { also: Some(port.clone()), ..Puma::at(spot.place()) }.start();
        let mut old = start()?;
        let also = ["-P", &address.port().to_string()].map(str::to_owned);
        let also: Vec<&str> = also.iter().map(String::as_str).collect();
        let chain = Chain::start("unix-puma-both", &spot.path(), 0, &also)?;
        let load = crowd(&chain, &spot)?;
        let direct = steady(address)?;
        let slow = Load::new(address).get("/sleep/300").burst(12).start();
        slow.wait_sent(12, LIMIT)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        // A process that is gone may still be about to let go of its sockets.
        unix::wait_for_no_listener(&spot.path(), LIMIT)?;
        sockets::wait_for_no_listener(address.port(), LIMIT)?;
        find_nobody(&load, 3)?;
        find_nobody(&direct, 3)?;
        let _new = start()?;
        serve_on(&load)?;
        serve_on(&direct)?;
        let mut fates = direct.stop();
        fates.extend(slow.join());
        let chained = chain.finish(&load.stop())?;
        let findings = &chained.findings;
        findings.expect_one_service(2)?;
        findings.expect_restart("replace", "lossy")?;
        findings.expect_signal("SIGTERM", old.started())?;
        let comparison = compare(&findings.report, &fates, address.port())?;
        findings.expect(comparison.agrees(), &format!("the port's clients to agree\n{comparison}"))?;
        findings.expect(!comparison.matched.is_empty(), "losses at the port")?;
        findings.expect(chained.count("refused")? > 0, "losses at the path")
    });
}
