//! Puma in cluster mode.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use super::{Prepared, Server, app, command, directory, write};
use crate::ports;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Puma {
    /// Where it serves.
    pub address: SocketAddr,
    /// Worker processes.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// Longest accept queue.
    pub backlog: usize,
    /// How long the application takes to load.
    pub boots_for: Duration,
    /// Further lines of its configuration.
    pub config: &'static str,
}

impl Puma {
    /// Two workers with two threads on a free port.
    pub fn new() -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { address, workers: 2, threads: 2, backlog: 128, boots_for: Duration::ZERO, config: "" })
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        let Prepared { command, dir, address } = self.prepare()?;
        let mut server = Server::start_unserved(command, dir, address, None)?;
        server.wait_until_serving()?;
        self.wait_until_booted(&server)?;
        Ok(server)
    }

    /// Waits until its workers have reported: before, a signal would meet a puma that is still booting.
    pub fn wait_until_booted(&self, server: &Server) -> Result<()> {
        for worker in 0..self.workers {
            server.wait_for_log(&format!("Worker {worker} (PID"), super::START_LIMIT)?;
        }
        Ok(())
    }

    /// Writes its files, for somebody to start it.
    pub fn prepare(&self) -> Result<Prepared> {
        let dir = directory("puma")?;
        let Self { address, workers, threads, backlog, boots_for, config: more } = self;
        write(&dir, "config.ru", &format!("sleep {}\n{}", boots_for.as_secs_f64(), app::RACK))?;
        let config = format!(
            "environment \"production\"\nworkers {workers}\nthreads {threads}, {threads}\n\
             bind \"tcp://{address}?backlog={backlog}\"\n{more}\n"
        );
        write(&dir, "puma.rb", &config)?;
        let mut puma = command("puma")?;
        puma.args(["-C", "puma.rb", "config.ru"]);
        Ok(Prepared { command: puma, dir, address: *address })
    }
}
