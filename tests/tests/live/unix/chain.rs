//! What happens to every server behind nginx, each in its own way.

use anyhow::Result;
use drain_observer_tests::load::{Load, Running};
use drain_observer_tests::servers::{Place, Server};
use drain_observer_tests::sockets::unix as sockets;
use drain_observer_tests::unix::chain::{Chain, Chained, Spot};
use drain_observer_tests::{processes, wait};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, find_nobody, serve_on};

/// Connections that a server at a path has to keep waiting before something happens to it.
const QUEUE: usize = 3;

/// A server that is told to stop, or killed, under load; clients find nobody; then a new one at the same path.
pub(crate) fn replaced(
    name: &str,
    start: impl Fn(Place) -> Result<Server>,
    stop: impl FnOnce(&Server) -> Result<()>,
) -> Result<Replaced> {
    let spot = Spot::new()?;
    let mut old = start(spot.place())?;
    let pid = old.started();
    let chain = Chain::start(name, &spot.path(), 0, &[])?;
    let load = crowd(&chain, &spot)?;
    stop(&old)?;
    old.wait_until_gone(LIMIT)?;
    // A process that is gone may still be about to let go of its sockets.
    sockets::wait_for_no_listener(&spot.path(), LIMIT)?;
    find_nobody(&load, 3)?;
    let new = start(spot.place())?;
    serve_on(&load)?;
    let chained = chain.finish(&load.stop())?;
    chained.findings.expect_one_service(1)?;
    drop(new);
    Ok(Replaced { chained, old: pid })
}

/// A server whose processes are all killed at once, under load; then a new one at the same path.
pub(crate) fn killed(name: &str, start: impl Fn(Place) -> Result<Server>) -> Result<()> {
    let replaced = replaced(name, start, |old| old.signal_group(Signal::SIGKILL))?;
    let chained = &replaced.chained;
    chained.findings.expect_restart("replace", "lossy")?;
    chained.findings.expect(chained.count("queue_reset")? > 0, "a queue to be reset")?;
    chained.findings.expect(chained.count("unanswered")? > 0, "requests without an answer")
}

/// What a stop and a new start came to.
pub(crate) struct Replaced {
    /// The report, which agrees with nginx and its clients.
    pub(crate) chained: Chained,
    /// The process that the old server was started as.
    pub(crate) old: i32,
}

impl Replaced {
    /// Expects a lossy replacement that began with this signal to the old master.
    pub(crate) fn expect_lossy(&self, signal: &str) -> Result<()> {
        let findings = &self.chained.findings;
        findings.expect_restart("replace", "lossy")?;
        findings.expect_signal(signal, self.old)?;
        let refused = self.chained.count("refused")?;
        findings.expect(refused >= 3, "clients to find nobody")?;
        findings.expect_finding("listener_gap")
    }
}

/// A server that renews itself in some way, under load.
pub(crate) fn renewed(
    name: &str,
    start: impl Fn(Place) -> Result<Server>,
    renew: impl FnOnce(&Server, &Running) -> Result<()>,
) -> Result<Chained> {
    let spot = Spot::new()?;
    let server = start(spot.place())?;
    let chain = Chain::start(name, &spot.path(), 0, &[])?;
    let load = crowd(&chain, &spot)?;
    renew(&server, &load)?;
    serve_on(&load)?;
    let chained = chain.finish(&load.stop())?;
    chained.findings.expect_one_service(1)?;
    Ok(chained)
}

/// A server that a signal makes replace its workers, under load: nobody notices.
pub(crate) fn reloaded(name: &str, start: impl Fn(Place) -> Result<Server>, signal: Signal) -> Result<()> {
    let chained = renewed(name, start, |server, _| {
        let workers = server.workers();
        server.signal(signal)?;
        server.wait_for_new_workers(&workers, LIMIT).map(drop)
    })?;
    chained.expect_no_loss()?;
    chained.findings.expect_restart("reload", "clean").map(drop)
}

/// One worker of a server that has as many requests as workers is killed.
pub(crate) fn lost_a_worker(name: &str, start: impl Fn(Place) -> Result<Server>) -> Result<()> {
    let spot = Spot::new()?;
    let server = start(spot.place())?;
    let workers = server.workers();
    let chain = Chain::start(name, &spot.path(), 0, &[])?;
    let mut clients = Vec::new();
    for _ in &workers {
        // One after the other, so that each finds a worker that is free.
        let one = Load::new(chain.nginx().address()).get(&wait::sleep(2_500)).start();
        one.wait_sent(1, LIMIT)?;
        sockets::wait_for_accepted(&spot.path(), clients.len() + 1, LIMIT)?;
        clients.push(one);
    }
    processes::send(workers[0], Signal::SIGKILL)?;
    let fates: Vec<_> = clients.into_iter().flat_map(Running::join).collect();
    let chained = chain.finish(&fates)?;
    // What is accepted may not have been read yet, nor written.
    let lost =
        chained.count("unanswered")? + chained.count("unread_reset")? + chained.count("late_request")?;
    chained.findings.expect(lost == 1, "one request to be lost")?;
    chained.findings.expect_verdicts_among(&[])
}

/// Connections that nginx keeps open are closed by a restart between two requests.
pub(crate) fn kept_open(name: &str, start: impl Fn(Place) -> Result<Server>) -> Result<Chained> {
    let spot = Spot::new()?;
    let mut old = start(spot.place())?;
    let chain = Chain::start(name, &spot.path(), 8, &[])?;
    let address = chain.nginx().address();
    let mut fates = Load::new(address).get("/sleep/1").clients(4, 20).run();
    old.signal(Signal::SIGTERM)?;
    old.wait_until_gone(LIMIT)?;
    // A process that is gone may still be about to let go of its sockets.
    sockets::wait_for_no_listener(&spot.path(), LIMIT)?;
    fates.extend(Load::new(address).get("/sleep/1").clients(1, 2).run());
    let new = start(spot.place())?;
    fates.extend(Load::new(address).get("/sleep/1").clients(4, 20).run());
    let chained = chain.finish(&fates)?;
    chained.findings.expect_one_service(1)?;
    drop(new);
    Ok(chained)
}

/// More clients than the server has room for: some of their requests wait at the path.
pub(crate) fn crowd(chain: &Chain, spot: &Spot) -> Result<Running> {
    let load = Load::new(chain.nginx().address()).get("/sleep/100").clients(12, 5_000).rate(100).start();
    load.wait_responses(5, LIMIT)?;
    sockets::wait_for_long_queue(&spot.path(), QUEUE, LIMIT)?;
    Ok(load)
}
