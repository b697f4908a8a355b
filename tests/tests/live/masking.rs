//! Addresses of peers that nobody is to know: nowhere in what is kept and told, and every loss told all the same.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drain_observer_tests::daemon::{Daemon, report};
use drain_observer_tests::load::{self, Load, Running};
use drain_observer_tests::servers::Server;
use drain_observer_tests::truth::{Fate, compare};
use drain_observer_tests::{network, observer, processes, sockets, wait};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LIMIT, busy, live, prefork};

/// The server's address.
const SERVER: [u8; 4] = [192, 0, 2, 1];
/// Clients', of two networks.
const CLIENTS: [[u8; 4]; 3] = [[192, 0, 2, 77], [192, 0, 2, 78], [198, 51, 100, 79]];

#[test]
fn hashed() {
    live("masking::hashed", &["ip"], || {
        let marked = |_: IpAddr, masked: IpAddr| masked.to_string().starts_with("fd6d:6173:6b00:");
        masked("hash", &["--mask-peers"], marked)
    });
}

#[test]
fn prefixes() {
    live("masking::prefixes", &["ip"], || {
        let same_network = |peer: IpAddr, masked: IpAddr| {
            let network =
                |address: IpAddr| address.to_string().rsplit_once('.').map(|(network, _)| network.to_owned());
            network(peer).is_some() && network(peer) == network(masked)
        };
        masked("prefix", &["--mask-peers", "prefix"], same_network)
    });
}

/// Has a server lose clients of three addresses, and a daemon tell of it.
fn masked(how: &str, args: &[&str], fits: fn(IpAddr, IpAddr) -> bool) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().to_str().context("a path in UTF-8")?;
    let port = prefork()?.address().port();
    let port_text = port.to_string();
    let common = [&["--user", "nobody", "-P", &port_text, "--all-connections"], args].concat();
    let daemon = Daemon::start("serve", &[&["--journal-dir", path], &common[..]].concat())?;
    let mut lines = Command::new(observer::program());
    lines.args(["watch", "--standalone", "-o", "json", "-P", &port_text]).args(args);
    let beside = tempfile::tempdir()?;
    let (watched, said) = (beside.path().join("lines"), beside.path().join("said"));
    lines.stdout(fs::File::create(&watched)?).stderr(fs::File::create(&said)?);
    let watch = processes::Guarded(lines.spawn().context("starting watch")?);
    wait::until("watch to watch", LIMIT, || {
        let said = fs::read_to_string(&said)?;
        Ok(said.contains(&format!("masked ({how})")).then_some(()))
    })?;

    // Threads and processes that a thread starts are born into its namespace.
    let elsewhere = thread::spawn(move || replaced_elsewhere(port)).join();
    let (truth, _server) = elsewhere.expect("the server's thread does not panic")?;
    let metrics = daemon
        .wait_for("the restart to be counted", |it| it.sum("drain_observer_restarts_total", &[]) == 1.0)?;
    drop(watch);
    let status = daemon.stop()?;
    ensure!(status.success(), "the daemon ended with {status}");

    let found = report(&[dir.path()], &["--connections", "all"])?;
    let lines = fs::read(&watched)?;
    ensure!(
        String::from_utf8_lossy(&lines).contains(&format!("\"masked_peers\":\"{how}\"")),
        "watch says so"
    );
    let mut told = vec![lines, format!("{metrics:?}").into_bytes(), serde_json::to_vec(&found)?];
    told.extend(journals(dir.path())?);
    // In one network some host's stand-in may well be another host.
    let hidden = if how == "hash" { &CLIENTS[..] } else { &[] };
    for address in hidden.iter().map(|address| IpAddr::from(*address).to_string()) {
        for bytes in &told {
            let shown = bytes.windows(address.len()).any(|bytes| bytes == address.as_bytes());
            ensure!(!shown, "{address} is told: {}", String::from_utf8_lossy(bytes));
        }
    }
    ensure!(found["masked_peers"] == how, "the report says so: {}", found["masked_peers"]);
    let found = unmasked(found, &truth, fits)?;
    let comparison = compare(&found, &truth, port)?;
    ensure!(comparison.agrees() && comparison.matched.len() >= 6, "{comparison:?}");
    Ok(())
}

/// The bytes of a recorder's segments, of which none is old enough to be compressed.
fn journals(dir: &Path) -> Result<Vec<Vec<u8>>> {
    let mut journals = Vec::new();
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        if path.extension().is_some_and(|it| it == "journal") {
            journals.push(fs::read(&path)?);
        }
        ensure!(path.extension().is_none_or(|it| it != "zst"), "{} can't be searched", path.display());
    }
    ensure!(!journals.is_empty(), "there is a journal");
    Ok(journals)
}

/// A server in a network namespace of its own, with clients there that are lost in its queue and refused.
fn replaced_elsewhere(port: u16) -> Result<(Vec<Fate>, Server)> {
    unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
    network::loopback_up()?;
    for address in std::iter::once(SERVER).chain(CLIENTS).map(IpAddr::from) {
        let mut add = Command::new("ip");
        add.args(["address", "add", &format!("{address}/32"), "dev", "lo"]);
        let output = observer::bounded(add)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let server =
        prefork()?.at(SocketAddr::from((SERVER, port))).workers(2).outlive(Duration::from_millis(300));
    let mut old = server.start()?;
    let mut truth = old.take_probes();
    let address = old.address();
    let from = |client: [u8; 4]| Load::new(address).from(client.into());
    truth.extend(CLIENTS.into_iter().flat_map(|client| from(client).clients(1, 2).run()));
    let busy = busy(old.address(), 2, 1_500)?;
    let queued: Vec<Running> = CLIENTS.into_iter().map(|client| from(client).start()).collect();
    sockets::wait_for_queue(port, 3, LIMIT)?;
    old.signal(Signal::SIGTERM)?;
    old.wait_until_gone(LIMIT)?;
    sockets::wait_for_no_listener(port, LIMIT)?;
    truth.extend(busy.join());
    truth.extend(queued.into_iter().flat_map(Running::join));
    truth.extend(CLIENTS.into_iter().flat_map(|client| from(client).run()));
    let mut new = server.start()?;
    truth.extend(new.take_probes());
    truth.extend(load::expect_served(new.address())?);
    Ok((truth, new))
}

/// The report with the addresses that its clients had, told by their ports. No two of them have the same stand-in, and
/// none has two.
fn unmasked(mut found: Value, truth: &[Fate], fits: fn(IpAddr, IpAddr) -> bool) -> Result<Value> {
    let clients: Vec<IpAddr> = CLIENTS.into_iter().map(IpAddr::from).collect();
    let mut peers: BTreeMap<IpAddr, IpAddr> = BTreeMap::new();
    for connection in found["connections"].as_array_mut().context("connections")? {
        let port = connection["peer"]["port"].as_u64();
        let masked: IpAddr = connection["peer"]["address"].as_str().context("an address")?.parse()?;
        let ended = connection["ended_boot_ns"].as_u64().unwrap_or(0);
        let fates = truth.iter().filter(|fate| Some(u64::from(fate.local.port())) == port);
        let nearest = fates.min_by_key(|fate| fate.ended.boot_ns.abs_diff(ended));
        let Some(fate) = nearest else { continue };
        let client = fate.local.ip();
        if clients.contains(&client) {
            ensure!(fits(client, masked), "{masked} stands for {client}");
            let known = *peers.entry(masked).or_insert(client);
            ensure!(known == client, "{masked} stands for {known} and for {client}");
            connection["peer"]["address"] = client.to_string().into();
        } else {
            ensure!(masked == client, "loopback is masked: {masked}");
        }
    }
    ensure!(peers.len() == clients.len(), "{peers:?}");
    Ok(found)
}
