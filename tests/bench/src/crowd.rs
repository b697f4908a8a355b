//! A crowded host: many services, each a program run of its own with a listener, and many connections that stay open.

use crate::child::{allow_descriptors, end_with_parent, wait_for_word};
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use drain_observer_tests::wait::patient;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Every service listens at this address, at a port of its own from [`FIRST_PORT`] on.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 1, 77, 1);
/// Below the ephemeral ports.
const FIRST_PORT: u16 = 10_100;
/// Services that can be had.
const MOST_SERVICES: u16 = 2_000;
/// Connections that one process of clients holds, less than any usual limit of descriptors.
const PER_DIALER: u32 = 12_500;
/// Longest wait for all services, and for all connections.
const LIMIT: Duration = Duration::from_secs(120);

/// The crowd. Dropping it ends all its processes.
#[derive(Debug)]
pub(crate) struct Crowd {
    children: Vec<Child>,
}

/// One service.
#[derive(Debug, Clone, Args)]
pub(crate) struct Member {
    /// Its port
    #[arg(long)]
    port: u16,
}

/// Clients of all services.
#[derive(Debug, Clone, Args)]
pub(crate) struct Dialer {
    /// Services
    #[arg(long)]
    services: u16,
    /// Number of the first connection: it decides which service it goes to
    #[arg(long)]
    first: u32,
    /// Connections
    #[arg(long)]
    connections: u32,
}

impl Crowd {
    /// So many services, with so many open connections spread over them; returns when all are there.
    pub(crate) fn gather(services: u16, connections: u32) -> Result<Self> {
        ensure!((1..=MOST_SERVICES).contains(&services), "{services} services are none or too many");
        let mut crowd = Self { children: Vec::new() };
        let (mut ready, pipe) = std::io::pipe().context("making a pipe")?;
        for number in 0..services {
            let port = (FIRST_PORT + number).to_string();
            crowd.start(&["member", "--port", &port], &pipe)?;
        }
        crowd.wait(&mut ready, services.into()).context("waiting for the services to listen")?;
        let mut dialers = 0;
        for first in (0..connections).step_by(PER_DIALER as usize) {
            let count = PER_DIALER.min(connections - first);
            let numbers = [u32::from(services), first, count].map(|number| number.to_string());
            let [services, first, count] = numbers.each_ref().map(String::as_str);
            crowd.start(
                &["dialer", "--services", services, "--first", first, "--connections", count],
                &pipe,
            )?;
            dialers += 1;
        }
        drop(pipe);
        crowd.wait(&mut ready, dialers).context("waiting for the connections to be open")?;
        Ok(crowd)
    }

    fn start(&mut self, args: &[&str], ready: &PipeWriter) -> Result<()> {
        let program = std::env::current_exe().context("finding this program's file")?;
        let ready = ready.try_clone().context("passing a pipe on")?;
        let child = Command::new(program).args(args).stdin(Stdio::null()).stdout(ready).spawn();
        self.children.push(child.with_context(|| format!("starting {}", args.join(" ")))?);
        Ok(())
    }

    /// Waits until so many have written a byte.
    fn wait(&mut self, ready: &mut PipeReader, count: usize) -> Result<()> {
        let deadline = Instant::now() + patient(LIMIT);
        let mut seen = 0;
        let mut bytes = [0; 256];
        while seen < count {
            wait_for_word(ready, &mut self.children, deadline)
                .with_context(|| format!("{seen} of {count} are ready"))?;
            let wanted = bytes.len().min(count - seen);
            match ready.read(&mut bytes[..wanted]).context("reading from the crowd")? {
                0 => anyhow::bail!("all of them ended; what they said is above"),
                read => {
                    ensure!(
                        bytes[..read].iter().all(|byte| *byte == OPEN),
                        "one of them failed, as it says above"
                    );
                    seen += read;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // All are told before the first is waited for.
        for child in &mut self.children {
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// What a process writes when it is ready, and when it cannot be.
const OPEN: u8 = b'+';
const FAILED: u8 = b'-';

/// A service's process: accepts, keeps what it accepted, and never speaks.
pub(crate) fn member(options: &Member) -> Result<()> {
    let listener = tell(|| {
        end_with_parent()?;
        allow_descriptors()?;
        let address = SocketAddrV4::new(ADDRESS, options.port);
        TcpListener::bind(address).with_context(|| format!("listening at {address}"))
    })?;
    let mut kept = Vec::new();
    loop {
        kept.push(listener.accept().context("accepting a connection")?);
    }
}

/// A process of clients: opens its connections and keeps them.
pub(crate) fn dialer(options: &Dialer) -> Result<()> {
    let _kept = tell(|| {
        end_with_parent()?;
        let most = allow_descriptors()?;
        ensure!(
            u64::from(options.connections) + 16 < most,
            "only {most} descriptors may be open: see ulimit -n"
        );
        let connect = |number: u32| {
            let service = number % u32::from(options.services);
            let port = FIRST_PORT + u16::try_from(service).context("a service's number")?;
            let address = SocketAddrV4::new(ADDRESS, port);
            TcpStream::connect(address).with_context(|| format!("connecting to {address}"))
        };
        let numbers = options.first..options.first + options.connections;
        numbers.map(connect).collect::<Result<Vec<_>>>()
    })?;
    loop {
        std::thread::park();
    }
}

/// Does something and writes a byte that says whether it went well.
fn tell<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = act();
    let byte = if done.is_ok() { OPEN } else { FAILED };
    let mut out = std::io::stdout();
    out.write_all(&[byte]).and_then(|()| out.flush()).context("writing to standard output")?;
    done
}
