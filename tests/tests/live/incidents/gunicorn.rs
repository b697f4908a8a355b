//! Gunicorn: outgoing uploads at its end, and workers that recycle themselves with a socket of their own.

use std::time::Duration;

use anyhow::Result;
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::scenario::Scenario;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::gunicorn::Gunicorn;
use drain_observer_tests::sink::Sink;
use drain_observer_tests::sockets;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, agree, busy, live, observe, served_by};

/// More than the buffers of both ends hold.
const UPLOAD: usize = 32 * 1024 * 1024;

/// Antenna: it accepts crash reports and sends them on; at TERM the queue must be sent.
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
        println!("{uploads:?}");
        old.wait_until_gone(LIMIT)?;
        let mut new = gunicorn.start()?;
        served_by(&mut scenario, &mut new)?;

        let observed = agree(scenario)?;
        println!("{}", observed.journal().text()?);
        observed.expect_no_finding("outgoing_work_lost")?;
        observed.expect_no_finding("killed_while_draining")
    });
}

/// The same where the uploads take longer than the patience of gunicorn, which then kills its worker.
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
        let uploads = sink.join()?;
        println!("{uploads:?}");
        let mut new = gunicorn.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());

        let observed = agree(scenario)?;
        println!("{}", observed.journal().text()?);
        observed.expect_finding("outgoing_work_lost")?;
        observed.expect_finding("killed_while_draining")?;
        Ok(())
    });
}

/// One gevent worker.
fn gevent(graceful_timeout: u32) -> Result<Gunicorn> {
    Ok(Gunicorn { workers: 1, worker_class: "gevent", graceful_timeout, ..Gunicorn::new()? })
}

/// Two requests, each answered at once, with an upload that goes on and that the sink does not read.
fn begin_uploads(scenario: &mut Scenario, server: &Server, sink: &Sink) -> Result<()> {
    let path = format!("/upload/{}/{UPLOAD}", sink.port());
    scenario.saw(Load::new(server.address()).get(&path).clients(1, 2).run());
    sink.wait_accepted(2, LIMIT)
}

/// `--reuse-port`: a worker that recycles itself takes the queue of its own socket with it.
#[test]
fn recycled_workers_own_socket() {
    live("incidents::gunicorn::recycled_workers_own_socket", &["gunicorn"], || {
        let gunicorn = Gunicorn { config: "reuse_port = True\nmax_requests = 5\n", ..Gunicorn::new()? };
        let server = gunicorn.start()?;
        let mut scenario = observe("incident-recycled", &server)?;
        let load = Load::new(server.address()).get("/sleep/50").clients(16, 120).start();
        scenario.saw(load.join());
        scenario.saw(load::expect_served(server.address())?);
        let observed = agree(scenario)?;
        println!("{}", observed.journal().text()?);
        let _ = Duration::ZERO;
        Ok(())
    });
}
