//! Between the kernel and the observer: a ring that overflows, maps that are full, addresses that come again.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drain_observer_tests::load::Load;
use drain_observer_tests::observer::{self, Recording};
use drain_observer_tests::{ports, processes};
use nix::sys::signal::Signal;
use serde_json::Value;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{expect_incomplete, expect_little_memory, lost, nuisance, with_room_for_a_crowd};
use crate::support::{live, prefork};

/// Each connection is either in the report or among those that are counted as lost, also where the ring overflows again
/// and again.
#[test]
fn the_ring_is_too_small() {
    live("faults::kernel::the_ring_is_too_small", &[], || {
        let server = prefork()?.workers(2).start()?;
        let dir = tempfile::tempdir()?;
        let port = server.port().to_string();
        let args = ["--port", &port, "--all-connections", "--ring-size", "4096"];
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &args)?;
        let mut made = 0;
        for _ in 0..5 {
            processes::send(recording.pid(), Signal::SIGSTOP)?;
            made += Load::new(server.address()).clients(8, 200).run().len() as u64;
            processes::send(recording.pid(), Signal::SIGCONT)?;
            made += Load::new(server.address()).clients(8, 200).run().len() as u64;
        }
        expect_little_memory(recording.pid())?;
        let report = recording.finish()?.json(&["--connections", "all"])?;
        let told = report["connections"].as_array().context("an array")?.len() as u64;
        let missed = lost(&report, "connection", "ring_full");
        ensure!(missed >= 500, "{missed} connections were lost on the way: too few for this test");
        ensure!(
            told + missed == made,
            "{made} connections were made, {told} are told, {missed} counted as lost"
        );
        expect_incomplete(&report)
    });
}

/// More listeners than the probes can remember: what they forgot is counted, by map.
#[test]
fn the_maps_are_full() {
    /// Of `LISTENERS` and `COUNTS` in the probes.
    const CAPACITY: u64 = 16_384;
    const LISTENERS: u64 = CAPACITY + 600;
    live("faults::kernel::the_maps_are_full", &[], || {
        let _room = with_room_for_a_crowd();
        let dir = tempfile::tempdir()?;
        // Everything is watched, which is what fills maps.
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &[])?;
        let crowd = nuisance(&["listeners", &LISTENERS.to_string(), "--connect"])?;
        crowd.wait_until_ready()?;
        crowd.finish()?;
        expect_little_memory(recording.pid())?;
        let journal = recording.finish()?;
        let report = journal.json(&["--connections", "none"])?;
        for kind in ["listener", "count"] {
            let missed = lost(&report, kind, "map_full");
            ensure!(missed >= LISTENERS - CAPACITY, "{missed} of kind {kind}: {}", report["completeness"]);
        }
        let said = journal.messages.lines().count();
        ensure!(said < 50, "it said {said} lines:\n{}", journal.messages);
        expect_incomplete(&report)
    });
}

/// A client comes again and again from one port, and the kernel puts its connections into the memory of those before:
/// each has its own times and its own fate.
#[test]
fn socket_addresses_are_used_again() {
    const TIMES: u64 = 200;
    live("faults::kernel::socket_addresses_are_used_again", &[], || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports::free()?))?;
        let address = listener.local_addr()?;
        let port = address.port().to_string();
        let dir = tempfile::tempdir()?;
        let args = ["--port", &port, "--all-connections"];
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &args)?;
        let server = thread::spawn(move || alternate(&listener, TIMES));
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let answered = (0..TIMES).map(|_| ask(from, address)).collect::<Result<Vec<bool>>>()?;
        server.join().expect("the server does not panic")?;
        let journal = recording.finish()?;
        let report = journal.json(&["--connections", "all"])?;
        let connections = report["connections"].as_array().context("an array")?;
        let told: Vec<&str> = connections.iter().filter_map(|one| one["outcome"].as_str()).collect();
        // The client resets what it is done with.
        let seen: Vec<&str> =
            answered.iter().map(|answered| if *answered { "client_gone" } else { "unanswered" }).collect();
        ensure!(told == seen && told[..2] == ["client_gone", "unanswered"], "seen: {seen:?}, told: {told:?}");
        ensure!(connections.iter().all(|one| one["peer"]["port"] == from.port()), "from one port");

        let sockets = connection_records(journal.path())?;
        let addresses: BTreeSet<u64> = sockets.iter().map(|(sk, ..)| *sk).collect();
        ensure!(addresses.len() < sockets.len(), "no address came again");
        let mut end = 0;
        for (_, established, closed) in sockets {
            ensure!(end <= established && established <= closed, "one connection's time is another's");
            end = closed;
        }
        Ok(())
    });
}

/// Answers every second connection, and closes the others with their request read.
fn alternate(listener: &TcpListener, times: u64) -> Result<()> {
    for time in 0..times {
        let (mut stream, _) = listener.accept()?;
        // TCP's clock is coarse: a request is to be older than its answer.
        let mut request = [0; 8];
        stream.read_exact(&mut request)?;
        if time % 2 == 0 {
            thread::sleep(Duration::from_millis(12));
            stream.write_all(b"answer")?;
            // The client ends it, with a reset.
            let _ = stream.read(&mut request);
        }
    }
    Ok(())
}

/// Whether a request from this port was answered. The port can be used again at once.
fn ask(from: SocketAddr, server: SocketAddr) -> Result<bool> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&from.into())?;
    socket.connect(&server.into()).context("connecting")?;
    let mut stream: TcpStream = socket.into();
    stream.write_all(b"question")?;
    let mut answer = [0; 16];
    let length = stream.read(&mut answer)?;
    // A reset leaves nothing behind that would keep the port.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(answer[..length] == *b"answer")
}

/// Address, begin and end of each connection in a journal.
fn connection_records(journal: &std::path::Path) -> Result<Vec<(u64, u64, u64)>> {
    let text = std::fs::read_to_string(journal).context("reading the journal")?;
    let mut records = Vec::new();
    for line in text.lines().skip(1) {
        let event: Value = serde_json::from_str(line).context("a line of the journal")?;
        let connection = &event["event"]["connection"];
        if !connection.is_null() {
            let number = |name: &str| connection[name].as_u64().with_context(|| format!("{name} in {line}"));
            records.push((number("sk")?, number("established_at")?, number("closed_at")?));
        }
    }
    Ok(records)
}
