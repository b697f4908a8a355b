//! Gunicorn: outgoing uploads at its end, and workers that recycle themselves with a socket of their own.

use anyhow::Result;
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::scenario::Scenario;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::gunicorn::Gunicorn;
use drain_observer_tests::sink::{Sink, Upload};
use drain_observer_tests::{processes, sockets};
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, live, observe, served_by};

/// More than the buffers of both ends hold.
const UPLOAD: usize = 32 * 1024 * 1024;
/// A worker that is told to leave finishes its uploads first.
const FLUSHES: &str = "
def worker_exit(server, worker):
    import service
    for upload in service.uploads:
        upload.join()
";
/// Each worker listens by itself, and the first of them leaves after five requests.
const RECYCLES: &str = "
from gunicorn.sock import create_sockets

reuse_port = True

def when_ready(server):
    for listener in server.LISTENERS:
        listener.close()

def post_fork(server, worker):
    worker.sockets = create_sockets(worker.cfg, server.log)
    if worker.age == 1:
        worker.max_requests = 5
";

/// Antenna: it answers at once and sends on what it got; at TERM it must finish that.
#[test]
fn uploads_under_term() {
    live("incidents::gunicorn::uploads_under_term", &["gunicorn"], || {
        let gunicorn = gevent(30)?;
        let mut old = gunicorn.start()?;
        let mut scenario = observe("incident-uploads-term", &old)?;
        let sink = Sink::start(2)?;
        begin_uploads(&mut scenario, &old, &sink)?;
        old.signal(Signal::SIGTERM)?;
        sockets::wait_for_no_listener(old.port(), LIMIT)?;
        let uploads = sink.join()?;
        assert_eq!(uploads, [Upload { bytes: UPLOAD, in_order: true }; 2], "gunicorn's own behaviour");
        old.wait_until_gone(LIMIT)?;
        let mut new = gunicorn.start()?;
        served_by(&mut scenario, &mut new)?;

        let observed = agree(scenario)?;
        observed.expect_no_loss()?;
        let restart = observed.expect_restart("replace", "clean")?;
        assert_eq!(restart["outgoing_lost"], 0);
        observed.expect_cause("signal", "name", "SIGTERM")?;
        observed.expect_no_finding("outgoing_work_lost")?;
        observed.expect_no_finding("killed_while_draining")
    });
}

/// The same where the uploads take longer than gunicorn's patience, after which it kills the worker.
#[test]
fn uploads_under_kill() {
    live("incidents::gunicorn::uploads_under_kill", &["gunicorn"], || {
        let gunicorn = gevent(2)?;
        let mut old = gunicorn.start()?;
        let mut scenario = observe("incident-uploads-kill", &old)?;
        let sink = Sink::start(2)?;
        begin_uploads(&mut scenario, &old, &sink)?;
        let busy = busy(old.address(), 1, 8_000)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_until_gone(LIMIT)?;
        // What the kernel had of them still comes, and ends like any other.
        assert!(sink.join()?.iter().all(|upload| upload.bytes < UPLOAD && upload.in_order));
        let mut new = gunicorn.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());

        let observed = agree(scenario)?;
        let restart = observed.expect_restart("replace", "lossy")?;
        assert_eq!(restart["outgoing_lost"], 2);
        observed.expect_outcome("unanswered", 1)?;
        observed.expect_cause("signal", "name", "SIGTERM")?;
        let lost = observed.expect_finding("outgoing_work_lost")?;
        assert!(lost["sentence"].as_str().unwrap_or_default().starts_with("2 connections"), "{lost}");
        let killed = observed.expect_finding("killed_while_draining")?;
        assert!(killed["sentence"].as_str().unwrap_or_default().contains("SIGKILL by gunicorn"), "{killed}");
        observed.expect_no_finding("crashed_while_draining")
    });
}

/// One gevent worker.
fn gevent(graceful_timeout: u32) -> Result<Gunicorn> {
    Ok(Gunicorn { workers: 1, worker_class: "gevent", graceful_timeout, config: FLUSHES, ..Gunicorn::new()? })
}

/// Two requests, each answered at once, with an upload that goes on and that the sink does not read.
fn begin_uploads(scenario: &mut Scenario, server: &Server, sink: &Sink) -> Result<()> {
    let path = format!("/upload/{}/{UPLOAD}", sink.port());
    scenario.saw(Load::new(server.address()).get(&path).clients(1, 2).run());
    sink.wait_accepted(2, LIMIT)
}

/// `--reuse-port`: a worker that recycles itself takes the queue of its own socket with it, and nobody restarted
/// anything.
#[test]
fn recycled_workers_own_socket() {
    live("incidents::gunicorn::recycled_workers_own_socket", &["gunicorn"], || {
        let gunicorn = Gunicorn { config: RECYCLES, ..Gunicorn::new()? };
        let server = gunicorn.start()?;
        let recycled = server.workers()[0];
        let mut scenario = observe("incident-recycled", &server)?;
        let load = Load::new(server.address()).get("/sleep/300").burst(30).start();
        processes::wait_for_exit(recycled, LIMIT)?;
        server.wait_for_workers(2, LIMIT)?;
        scenario.saw(load.join());
        scenario.saw(load::expect_served(server.address())?);

        let observed = agree(scenario)?;
        let lost = observed.clients("reset awaiting_response");
        assert!(lost > 0, "a queue behind each worker");
        observed.expect_outcome("queue_reset", lost)?;
        assert!(observed.restarts().is_empty());
        Ok(())
    });
}
