//! The parent: holds the listening socket, keeps its workers, acts on signals.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{self, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use socket2::{Domain, Protocol, Socket, Type};

use super::signals::Signals;
use super::{Mode, Options, worker};
use crate::cgroups;

/// Serves until SIGTERM or SIGINT and the end of the drain.
pub fn run(options: &Options) -> Result<()> {
    if let Some(cgroup) = &options.cgroup {
        cgroups::enter(cgroup, 0)?;
    }
    let signals = Signals::block()?;
    let listener = listener(options)?;
    let port = listener.local_addr().context("asking for the listening socket's port")?.port();
    let mut parent =
        Parent { options, signals, listener: Some(listener), workers: Vec::new(), successor: None };
    for _ in 0..options.workers {
        parent.add_worker()?;
    }
    println!("ready pid={} port={port}", process::id());
    std::io::stdout().flush().context("writing to standard output")?;
    parent.serve()?;
    parent.drain()
}

struct Parent<'a> {
    options: &'a Options,
    signals: Signals,
    listener: Option<TcpListener>,
    workers: Vec<Pid>,
    /// The new parent that SIGUSR2 started.
    successor: Option<Pid>,
}

impl Parent<'_> {
    /// Keeps the workers until told to stop.
    fn serve(&mut self) -> Result<()> {
        loop {
            match self.next_signal(None)? {
                Some(Signal::SIGCHLD) => {
                    let gone = self.reap()?;
                    for _ in 0..gone {
                        self.add_worker()?;
                    }
                }
                Some(Signal::SIGUSR2) => self.upgrade()?,
                Some(Signal::SIGTERM | Signal::SIGINT) => return Ok(()),
                _ => {}
            }
        }
    }

    /// Lets the workers finish and leaves, with the listening socket closed first or last.
    fn drain(mut self) -> Result<()> {
        if self.options.mode != Mode::Outlive {
            self.listener = None;
        }
        if self.options.mode == Mode::Careless {
            self.run_hooks()?;
        }
        for worker in &self.workers {
            match kill(*worker, Signal::SIGTERM) {
                // One that is gone already is reaped below.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error).context("sending SIGTERM to a worker"),
            }
        }
        while !self.workers.is_empty() {
            if self.next_signal(None)? == Some(Signal::SIGCHLD) {
                self.reap()?;
            }
        }
        if self.options.mode == Mode::Outlive {
            let end = Instant::now() + self.options.linger;
            while Instant::now() < end {
                self.next_signal(Some(end.saturating_duration_since(Instant::now())))?;
            }
        }
        Ok(())
    }

    /// Leaves its workers alone for a while, and crashes if one of them has not waited to be told.
    fn run_hooks(&mut self) -> Result<()> {
        let workers = self.workers.clone();
        let end = Instant::now() + self.options.linger;
        while Instant::now() < end {
            if self.next_signal(Some(end.saturating_duration_since(Instant::now())))? == Some(Signal::SIGCHLD)
            {
                self.reap()?;
            }
        }
        for worker in workers {
            waitpid(worker, Some(WaitPidFlag::WNOHANG))
                .with_context(|| format!("waiting for worker {worker}"))?;
        }
        Ok(())
    }

    fn add_worker(&mut self) -> Result<()> {
        let listener = self.listener.as_ref().context("a parent that serves has its listening socket")?;
        // SAFETY: this process has one thread, so the child finds no lock held by another.
        match unsafe { fork() }.context("forking a worker")? {
            ForkResult::Parent { child } => self.workers.push(child),
            ForkResult::Child => {
                let code = match worker::run(listener, &self.signals, self.options) {
                    Ok(()) => 0,
                    Err(error) => {
                        eprintln!("worker {}: {error:#}", process::id());
                        1
                    }
                };
                process::exit(code);
            }
        }
        Ok(())
    }

    /// Starts this program anew beside this process, with the same listening socket.
    fn upgrade(&mut self) -> Result<()> {
        let listener = self.listener.as_ref().context("a parent that serves has its listening socket")?;
        // SAFETY: this process has one thread, so the child finds no lock held by another.
        match unsafe { fork() }.context("forking the new parent")? {
            ForkResult::Parent { child } => self.successor = Some(child),
            ForkResult::Child => {
                let error = exec_again(listener, self.options);
                eprintln!("upgrade: {error:#}");
                process::exit(1);
            }
        }
        Ok(())
    }

    /// Collects the children that died and tells how many workers were among them.
    fn reap(&mut self) -> Result<usize> {
        let before = self.workers.len();
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(before - self.workers.len()),
                Ok(status) => {
                    self.workers.retain(|worker| Some(*worker) != status.pid());
                    self.successor = self.successor.filter(|successor| Some(*successor) != status.pid());
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("waiting for children"),
            }
        }
    }

    fn next_signal(&self, limit: Option<Duration>) -> Result<Option<Signal>> {
        let timeout = match limit {
            None => PollTimeout::NONE,
            Some(limit) => PollTimeout::try_from(limit.as_millis() + 1).context("the limit fits poll(2)")?,
        };
        match poll(&mut [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(Errno::EINTR) => self.signals.next(),
            Err(error) => Err(error).context("waiting for a signal"),
        }
    }
}

fn listener(options: &Options) -> Result<TcpListener> {
    let listener: TcpListener = match (options.fd, options.listen) {
        (Some(fd), _) => {
            // SAFETY: the caller passed this descriptor for us to own; a bad number fails the calls below.
            let inherited = unsafe { OwnedFd::from_raw_fd(fd) };
            fcntl(&inherited, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
                .with_context(|| format!("descriptor {fd}"))?;
            inherited.into()
        }
        (None, Some(address)) => {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into()).with_context(|| format!("binding {address}"))?;
            socket.listen(options.backlog).with_context(|| format!("listening on {address}"))?;
            socket.into()
        }
        (None, None) => anyhow::bail!("one of --listen and --fd is needed"),
    };
    // Several workers wait for the same connection and all but one find it taken.
    listener.set_nonblocking(true).context("making the listening socket non-blocking")?;
    Ok(listener)
}

/// Replaces this process with a fresh parent; returns only on failure.
fn exec_again(listener: &TcpListener, options: &Options) -> anyhow::Error {
    let attempt = || -> Result<std::convert::Infallible> {
        fcntl(listener.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))
            .context("passing the listening socket on")?;
        let mode = match options.mode {
            Mode::Drain => "drain",
            Mode::Outlive => "outlive",
            Mode::Careless => "careless",
        };
        let error = Command::new(std::env::current_exe().context("finding this program's file")?)
            .args(["--fd", &listener.as_raw_fd().to_string(), "--mode", mode])
            .args(["--workers", &options.workers.to_string()])
            .args(["--linger", &format!("{}ms", options.linger.as_millis())])
            .args(["--read-delay", &format!("{}ms", options.read_delay.as_millis())])
            .exec();
        Err(error).context("executing this program again")
    };
    match attempt() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}
