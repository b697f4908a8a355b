//! Courses of events that every server goes through in its own way.

use anyhow::Result;
use drain_observer_tests::load::Load;
use drain_observer_tests::scenario::Observed;
use drain_observer_tests::servers::Server;
use drain_observer_tests::{processes, sockets};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, observe, outlast_a_reload, queued, serve_on, served_by, steady};

/// How long a request under way takes: longer than any server waits before it begins to stop.
const REQUEST_MS: u64 = 2_500;
/// How many clients find nobody there between the old server and the new.
const REFUSED: usize = 4;

/// Requests that a server has when something happens to it.
#[derive(Clone, Copy)]
pub(crate) struct Requests {
    /// Accepted, as many as it has room for.
    pub(crate) under_way: usize,
    /// In its accept queue.
    pub(crate) queued: usize,
}

/// What a stop and a new start came to.
pub(crate) struct Replaced {
    /// Report and clients, which agree.
    pub(crate) observed: Observed,
    /// The process that the old server was started as.
    pub(crate) old: i32,
    /// Of the requests under way, how many got their response.
    pub(crate) served: usize,
}

/// A server with requests under way and in its queue is stopped in some way, clients find nobody, and a new one starts.
pub(crate) fn stopped_and_started(
    name: &str,
    start: impl Fn() -> Result<Server>,
    requests: Requests,
    stop: impl FnOnce(&Server) -> Result<()>,
) -> Result<Replaced> {
    let mut old = start()?;
    let mut scenario = observe(name, &old)?;
    let under_way = busy(old.address(), requests.under_way, REQUEST_MS)?;
    let queued = queued(old.address(), requests.queued)?;
    stop(&old)?;
    old.wait_until_gone(LIMIT)?;
    // A process that is gone may still be about to let go of its sockets.
    sockets::wait_for_no_listener(old.port(), LIMIT)?;
    scenario.saw(Load::new(old.address()).clients(2, REFUSED).run());
    let mut new = start()?;
    served_by(&mut scenario, &mut new)?;
    let under_way = under_way.join();
    let served = under_way.iter().filter(|fate| !fate.lost()).count();
    scenario.saw(under_way);
    scenario.saw(queued.join());

    let observed = agree(scenario)?;
    observed.expect_clients("refused", REFUSED)?;
    observed.expect_outcome("refused", REFUSED)?;
    Ok(Replaced { observed, old: old.started(), served })
}

/// A master renews its workers, or itself, while clients come and go.
pub(crate) fn renewed(name: &str, server: &Server, signal: Signal) -> Result<Observed> {
    let old = server.workers();
    let mut scenario = observe(name, server)?;
    let steady = steady(server.address())?;
    server.signal(signal)?;
    server.wait_for_new_workers(&old, LIMIT)?;
    serve_on(&steady)?;
    scenario.saw(steady.stop());
    agree(scenario)
}

/// A signal that servers take for other things than a restart, while clients come and go: nothing comes of it.
pub(crate) fn went_on(name: &str, server: &Server, signal: Signal) -> Result<()> {
    let workers = server.workers();
    let mut scenario = observe(name, server)?;
    let steady = steady(server.address())?;
    server.signal(signal)?;
    outlast_a_reload(&steady)?;
    scenario.saw(steady.stop());
    assert_eq!(server.workers(), workers, "the server's own behaviour");
    let observed = agree(scenario)?;
    observed.expect_no_loss()?;
    observed.expect_restart_verdict("not_restarted")
}

/// One worker is killed with requests under way and in the queue.
pub(crate) fn lost_a_worker(name: &str, server: &Server, requests: Requests) -> Result<Observed> {
    let mut scenario = observe(name, server)?;
    let under_way = busy(server.address(), requests.under_way, REQUEST_MS)?;
    let queued = queued(server.address(), requests.queued)?;
    processes::send(server.workers()[0], Signal::SIGKILL)?;
    scenario.saw(under_way.join());
    scenario.saw(queued.join());
    agree(scenario)
}

/// One worker's one request takes longer than the server allows.
pub(crate) fn out_of_patience(name: &str, server: &Server) -> Result<()> {
    let mut scenario = observe(name, server)?;
    scenario.saw(busy(server.address(), 1, 9_000)?.join());
    let observed = agree(scenario)?;
    observed.expect_clients("eof awaiting_response", 1)?;
    observed.expect_outcome("unanswered", 1)
}
