//! The project's own fixture server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Prepared, Server, directory};
use crate::ports;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Prefork<'a> {
    program: &'a Path,
    address: SocketAddr,
    args: Vec<String>,
}

impl<'a> Prefork<'a> {
    /// On a free port of 127.0.0.1, from the program's file.
    pub fn new(program: &'a Path) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { program, address, args: Vec::new() })
    }

    /// On this address; port 0 stands for a free one.
    pub fn at(mut self, mut address: SocketAddr) -> Self {
        if address.port() == 0 {
            address.set_port(self.address.port());
        }
        self.address = address;
        self
    }

    /// Where it will serve.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// With so many workers.
    pub fn workers(mut self, workers: usize) -> Self {
        self.args.extend(["--workers".into(), workers.to_string()]);
        self
    }

    /// Keeping the listening socket for so long after the workers left.
    pub fn outlive(mut self, linger: Duration) -> Self {
        let linger = format!("{}ms", linger.as_millis());
        self.args.extend(["--mode".into(), "outlive".into(), "--linger".into(), linger]);
        self
    }

    /// Running hooks for so long before it looks after its workers at the end, which it believes are all still there.
    pub fn careless(mut self, hooks: Duration) -> Self {
        let hooks = format!("{}ms", hooks.as_millis());
        self.args.extend(["--mode".into(), "careless".into(), "--linger".into(), hooks]);
        self
    }

    /// Leaving each connection unread for so long.
    pub fn read_delay(mut self, delay: Duration) -> Self {
        self.args.extend(["--read-delay".into(), format!("{}ms", delay.as_millis())]);
        self
    }

    /// In this control group from its beginning on.
    pub fn in_cgroup(mut self, cgroup: &Path) -> Self {
        self.args.extend(["--cgroup".into(), cgroup.display().to_string()]);
        self
    }

    /// No worker takes a connection while another waits for it.
    pub fn one_at_a_time(mut self) -> Self {
        self.args.push("--one-at-a-time".into());
        self
    }

    /// Starts it with a listening socket of its own.
    pub fn start(&self) -> Result<Server> {
        let mut server = self.start_unserved()?;
        server.wait_until_serving()?;
        Ok(server)
    }

    /// Starts it with a listening socket of its own, without waiting until it serves.
    pub fn start_unserved(&self) -> Result<Server> {
        let Prepared { command, dir, place } = self.prepare()?;
        Server::start_unserved(command, dir, place, None)
    }

    /// Starts it as another user, and waits until it serves.
    pub fn start_as(&self, user: u32, group: u32) -> Result<Server> {
        let Prepared { dir, place, .. } = self.prepare()?;
        // Where that user may not look, its program may be.
        let program = dir.path().join("prefork");
        std::fs::copy(self.program, &program).context("copying the fixture server")?;
        let mut command = Command::new(program);
        command.env("RUST_BACKTRACE", "0").uid(user).gid(group);
        command.args(["--listen", &self.address.to_string()]).args(&self.args);
        Server::start(command, dir, place, None)
    }

    /// Makes it a directory, for somebody to start it there with a listening socket of its own.
    pub fn prepare(&self) -> Result<Prepared> {
        let mut command = Command::new(self.program);
        // A backtrace would hide what went wrong.
        command.env("RUST_BACKTRACE", "0");
        command.args(["--listen", &self.address.to_string()]).args(&self.args);
        Ok(Prepared { command, dir: directory("prefork")?, place: self.address.into() })
    }

    /// Starts it with a socket that the caller holds, as a service manager does.
    pub fn start_with(&self, listener: &TcpListener) -> Result<Server> {
        let fd = listener.as_raw_fd();
        let mut command = Command::new(self.program);
        // A backtrace would hide what went wrong.
        command.env("RUST_BACKTRACE", "0");
        command.args(["--fd", &fd.to_string()]).args(&self.args);
        // SAFETY: between fork and exec the closure only calls fcntl(2), which is async-signal-safe.
        unsafe {
            command.pre_exec(move || match libc::fcntl(fd, libc::F_SETFD, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        Server::start(command, directory("prefork")?, listener.local_addr()?, None)
    }
}
