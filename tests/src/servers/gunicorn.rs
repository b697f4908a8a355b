//! Gunicorn with its sync workers or another class.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::{START_LIMIT, Server, app, command, directory, write};
use crate::ports;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Gunicorn {
    /// Where it serves.
    pub address: SocketAddr,
    /// Worker processes.
    pub workers: usize,
    /// `sync`, `gthread`, `gevent`.
    pub worker_class: &'static str,
    /// Seconds that workers have to finish after TERM.
    pub graceful_timeout: u32,
    /// Seconds after which a silent worker is aborted.
    pub timeout: u32,
    /// Further lines of its configuration.
    pub config: &'static str,
}

impl Gunicorn {
    /// Two sync workers on a free port.
    pub fn new() -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { address, workers: 2, worker_class: "sync", graceful_timeout: 30, timeout: 30, config: "" })
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("gunicorn")?;
        write(&dir, "service.py", app::WSGI)?;
        write(&dir, "gunicorn.conf.py", self.config)?;
        let mut gunicorn = command("gunicorn")?;
        gunicorn.args([
            "-b",
            &self.address.to_string(),
            "-w",
            &self.workers.to_string(),
            "-k",
            self.worker_class,
        ]);
        gunicorn.args(["--graceful-timeout", &self.graceful_timeout.to_string()]);
        gunicorn.args(["--timeout", &self.timeout.to_string(), "--backlog", "128", "-p", "gunicorn.pid"]);
        gunicorn.arg("service:app");
        let server = Server::start(gunicorn, dir, self.address, Some("gunicorn.pid"))?;
        server.wait_for_workers(self.workers, START_LIMIT)?;
        Ok(server)
    }
}
