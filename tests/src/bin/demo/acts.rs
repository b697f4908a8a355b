//! The two restarts.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use drain_observer_tests::load::{Load, Running};
use drain_observer_tests::scenario::{Observed, Scenario};
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::prefork::Prefork;
use drain_observer_tests::truth::{Ending, Fate};
use drain_observer_tests::{ports, sockets, wait};
use nix::sys::signal::Signal;

use crate::table;

const LIMIT: Duration = Duration::from_secs(15);

/// The workers leave, the parent keeps the listening socket: clients are accepted by the kernel, wait, and
/// are reset.
pub(crate) fn outlive(observer: &Path, program: &Path) -> Result<bool> {
    println!("\n=== 1. The listener outlives its workers (as in Puma #1808) ===\n");
    let prefork = Prefork::new(program)?.workers(2).outlive(Duration::from_secs(1));
    let mut old = prefork.start()?;
    step(&format!("server: parent {}, workers {:?}, port {}", old.master(), old.workers(), old.port()));
    let mut scenario = Scenario::start_using(observer, "demo-outlive", old.port())?;
    step("observer: recording");

    let load = Load::new(old.address()).get("/sleep/200").clients(24, 150).rate(40).start();
    step("load: 24 clients, one request of 200 ms each connection, 40 connections a second at most");
    load.wait_responses(5, LIMIT)?;
    wait::until("ten connections in the accept queue", LIMIT, || {
        Ok((sockets::queue(old.port())? >= 10).then_some(()))
    })?;
    terminate(&mut old)?;
    let mut new = prefork.start().context("starting the successor")?;
    serve_on(&load, &new)?;
    scenario.saw(load.stop());
    scenario.saw(new.take_probes());

    let observed = scenario.finish()?;
    let resets = count(&observed.truth, |ending| matches!(ending, Ending::Reset(_)));
    let verdict = show(&observed, "lossy")?;
    let queue_resets =
        observed.restarts().first().and_then(|restart| restart["counts"]["queue_reset"].as_u64());
    let same = queue_resets == Some(resets) && resets > 0;
    println!(
        "  The restart's queue_reset count is {}, the clients saw {resets} resets: {}.",
        queue_resets.map_or("missing".into(), |count| count.to_string()),
        if same { "the same" } else { "NOT THE SAME" },
    );
    Ok(verdict && same)
}

/// The socket stays with its holder over the restart, workers finish what they have: nothing is lost.
pub(crate) fn drain(observer: &Path, program: &Path) -> Result<bool> {
    println!("\n=== 2. A drain with a socket that is handed over (as with socket activation) ===\n");
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, ports::free()?))
        .context("binding the socket to hand over")?;
    let prefork = Prefork::new(program)?.workers(2);
    let mut old = prefork.start_with(&socket)?;
    step(&format!("server: parent {}, workers {:?}, port {}", old.master(), old.workers(), old.port()));
    let mut scenario = Scenario::start_using(observer, "demo-drain", old.port())?;
    step("observer: recording");

    let load = Load::new(old.address()).get("/sleep/20").clients(24, 300).rate(60).start();
    step("load: 24 clients, one request of 20 ms each connection, 60 connections a second at most");
    load.wait_responses(30, LIMIT)?;
    terminate(&mut old)?;
    let mut new = prefork.start_with(&socket).context("starting the successor")?;
    serve_on(&load, &new)?;
    scenario.saw(load.stop());
    scenario.saw(new.take_probes());

    let observed = scenario.finish()?;
    let lost = count(&observed.truth, Ending::lost);
    let verdict = show(&observed, "clean")?;
    println!("  The clients lost {lost} of {} connections.", observed.truth.len());
    Ok(verdict && lost == 0)
}

/// Sends SIGTERM and waits until the server has left.
fn terminate(server: &mut Server) -> Result<()> {
    let begun = Instant::now();
    server.signal(Signal::SIGTERM)?;
    step(&format!(
        "SIGTERM to {}, {} connections in the accept queue",
        server.master(),
        sockets::queue(server.port())?
    ));
    server.wait_for_exit(LIMIT)?;
    step(&format!("the old server left after {:.2} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Lets the load go on for a while with the successor.
fn serve_on(load: &Running, new: &Server) -> Result<()> {
    step(&format!("successor: parent {}, serves", new.master()));
    let before = load.counts().responses;
    load.wait_responses(before + 10, LIMIT)?;
    Ok(())
}

/// Prints what the observer and the clients say; true when they agree and the verdict is the expected one.
fn show(observed: &Observed, verdict: &str) -> Result<bool> {
    println!("\n--- The observer's report ---\n");
    println!("{}", observed.journal().text()?.trim_end());
    println!("\n--- Beside it, what the clients saw ---\n");
    print!("{}", table::connections(observed));

    let verdicts: Vec<&str> =
        observed.restarts().iter().filter_map(|restart| restart["verdict"].as_str()).collect();
    let expected = verdicts == [verdict];
    println!(
        "  Verdict: {}; expected: {verdict}.",
        if verdicts.is_empty() { "none".into() } else { verdicts.join(", ") }
    );
    let complete = observed.report["completeness"]["complete"] == true;
    if !complete {
        println!("  The observer missed something: {}", observed.report["completeness"]);
    }
    let agree = expected && complete && observed.comparison.agrees();
    if !agree {
        println!("  Journal, report and the clients' record are kept in {}", observed.keep()?.display());
    }
    Ok(agree)
}

fn count(truth: &[Fate], condition: impl Fn(Ending) -> bool) -> u64 {
    truth.iter().filter(|fate| condition(fate.ending)).count() as u64
}

fn step(text: &str) {
    println!("  {text}");
}
