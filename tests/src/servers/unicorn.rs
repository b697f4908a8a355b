//! Unicorn.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::{START_LIMIT, Server, app, command, directory, write};
use crate::ports;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Unicorn {
    /// Where it serves.
    pub address: SocketAddr,
    /// Worker processes.
    pub workers: usize,
    /// Seconds after which the master kills a worker that has not answered.
    pub timeout: u32,
}

impl Unicorn {
    /// Two workers on a free port.
    pub fn new() -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { address, workers: 2, timeout: 30 })
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("unicorn")?;
        write(&dir, "config.ru", app::RACK)?;
        let Self { address, workers, timeout } = self;
        let config = format!(
            "worker_processes {workers}\ntimeout {timeout}\npid \"unicorn.pid\"\nlisten \"{address}\", backlog: 128\n"
        );
        write(&dir, "unicorn.rb", &config)?;
        let mut unicorn = command("unicorn")?;
        unicorn.args(["-E", "none", "-c", "unicorn.rb", "config.ru"]);
        let server = Server::start(unicorn, dir, *address, Some("unicorn.pid"))?;
        server.wait_for_workers(*workers, START_LIMIT)?;
        Ok(server)
    }
}
