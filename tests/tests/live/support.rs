//! What the live tests share.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use drain_observer_tests::load::{self, Load, Running, Step};
pub(crate) use drain_observer_tests::requirements::live;
use drain_observer_tests::scenario::{Observed, Scenario};
use drain_observer_tests::servers::{Server, prefork::Prefork};
use drain_observer_tests::truth::Fate;
use drain_observer_tests::{sockets, wait};
use nix::sys::signal::Signal;

/// Longest wait for any single thing; generous, because tests share the machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// The fixture server's program.
pub(crate) fn prefork() -> Result<Prefork<'static>> {
    Prefork::new(prefork_program())
}

/// A server for a proxy to stand before: it answers eight slow requests at a time.
pub(crate) fn upstream() -> Result<Server> {
    prefork()?.workers(8).one_at_a_time().start()
}

/// The fixture server's file.
pub(crate) fn prefork_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_prefork"))
}

/// So many requests that the server has taken from its accept queue and answers after `millis`, or later where
/// everything is slow, so that what is to happen meanwhile does.
pub(crate) fn busy(address: SocketAddr, requests: usize, millis: u64) -> Result<Busy> {
    let mut running = Vec::new();
    for _ in 0..requests {
        // One after the other, so that each finds a worker that is free.
        let one = Load::new(address).get(&wait::sleep(millis)).start();
        one.wait_sent(1, LIMIT)?;
        running.push(one);
        sockets::wait_for_queue(address.port(), 0, LIMIT)
            .context("the server is to accept what it can serve")?;
    }
    Ok(Busy(running))
}

/// As [`busy`], behind a proxy that has read the requests: its upstream has a connection for each, and no other.
pub(crate) fn busy_behind(proxy: &Server, upstream: &Server, requests: usize, millis: u64) -> Result<Busy> {
    let busy = busy(proxy.address(), requests, millis)?;
    sockets::wait_for_connections(upstream.port(), requests, LIMIT)?;
    Ok(busy)
}

/// So many responses of `bytes` that have begun and are not read on until they are joined, so that the server is
/// blocked in the middle.
pub(crate) fn stalled(address: SocketAddr, responses: usize, bytes: usize) -> Result<Busy> {
    let mut running = Vec::new();
    for _ in 0..responses {
        // One after the other, so that each finds a worker that is free.
        let one = Load::new(address).get(&format!("/bytes/{bytes}")).stalls(LIMIT * 2).start();
        one.wait("the response to begin", LIMIT, |counts| counts.response_starts == 1)?;
        running.push(one);
    }
    sockets::wait_for_blocked_writers(address.port(), responses, LIMIT)?;
    Ok(Busy(running))
}

/// Requests under way, each on a connection of its own.
pub(crate) struct Busy(Vec<Running>);

impl Busy {
    /// Waits for their fates.
    pub(crate) fn join(self) -> Vec<Fate> {
        self.0.iter().for_each(Running::read_on);
        self.0.into_iter().flat_map(Running::join).collect()
    }
}

/// Connections that were answered once, and ask again in the moment in which they see the server end them.
pub(crate) fn late(address: SocketAddr, connections: usize) -> Result<Running> {
    let steps = [Step::Get("/".into()), Step::RestUntilEnd(wait::patient(LIMIT)), Step::Get("/".into())];
    let running = Load::new(address).steps(steps).burst(connections).start();
    running.wait_responses(connections, LIMIT)?;
    // Idle for longer than TCP's clock ticks, or the second request might belong to what was just answered.
    thread::sleep(Duration::from_millis(50));
    Ok(running)
}

/// So many requests that wait in the accept queue of a server whose workers are all busy.
pub(crate) fn queued(address: SocketAddr, requests: usize) -> Result<Running> {
    let running = Load::new(address).burst(requests).start();
    running.wait_sent(requests, LIMIT)?;
    let length = u32::try_from(requests).context("a small number")?;
    sockets::wait_for_queue(address.port(), length, LIMIT).context("the server is to be busy")?;
    Ok(running)
}

/// Has a server stop with connections in its queue, which are lost.
pub(crate) fn lossy(server: &mut Server) -> Result<Vec<Fate>> {
    let busy = busy(server.address(), 2, 1_500)?;
    let queued = queued(server.address(), 5)?;
    server.signal(Signal::SIGTERM)?;
    server.wait_until_gone(LIMIT)?;
    sockets::wait_for_no_listener(server.port(), LIMIT)?;
    Ok([busy.join(), queued.join()].concat())
}

/// Clients that come and go one request at a time, 80 a second, until stopped.
pub(crate) fn steady(address: SocketAddr) -> Result<Running> {
    let running = Load::new(address).clients(8, 20_000).rate(80).start();
    running.wait_responses(5, LIMIT)?;
    Ok(running)
}

/// Lets some more requests be answered, by whoever serves now.
pub(crate) fn serve_on(running: &Running) -> Result<()> {
    let responses = running.counts().responses;
    running.wait_responses(responses + 10, LIMIT)?;
    Ok(())
}

/// Lets so many more requests be answered that a reload would have shown, which takes up to two seconds; no load here
/// begins more than a hundred a second.
pub(crate) fn outlast_a_reload(running: &Running) -> Result<()> {
    let responses = running.counts().responses;
    running.wait_responses(responses + 220, LIMIT)?;
    Ok(())
}

/// Lets so many clients come and go that begin now, when nobody listens; one that began before may have been in the
/// old server's queue.
pub(crate) fn find_nobody(running: &Running, clients: usize) -> Result<()> {
    let begun = running.counts().begun;
    running.wait_ended(begun + clients, LIMIT)?;
    Ok(())
}

/// Asks the new generation once, and adds what the server's start took.
pub(crate) fn served_by(scenario: &mut Scenario, server: &mut Server) -> Result<()> {
    scenario.saw(server.take_probes());
    scenario.saw(load::expect_served(server.address())?);
    Ok(())
}

/// A scenario for a server that runs already.
pub(crate) fn observe(name: &str, server: &Server) -> Result<Scenario> {
    Scenario::start(name, server.port())
}

/// Ends the scenario and expects that report and clients agree.
pub(crate) fn agree(scenario: Scenario) -> Result<Observed> {
    let observed = scenario.finish()?;
    observed.expect_agreement()?;
    Ok(observed)
}
