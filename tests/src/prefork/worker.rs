//! A worker: one request at a time, many connections.
//!
//! It accepts only between requests, so connections wait in the accept queue while it is busy, and
//! accepted ones wait unread.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::connection::{Connection, Turn};
use super::signals::Signals;
use super::{Mode, Options};
use crate::processes;

/// How long a draining worker waits for requests begun, and for the first one of a connection it has accepted.
const GRACE: Duration = Duration::from_millis(300);
/// How long a worker waits for its parent's end in one go.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Serves until SIGTERM, then finishes what it has.
pub(super) fn run(listener: &TcpListener, signals: &Signals, options: &Options) -> Result<()> {
    if options.mode == Mode::Careless {
        let parent = nix::unistd::getppid().as_raw();
        std::thread::spawn(move || leave_with(parent));
    }
    let mut worker = Worker { listener, signals, options, connections: Vec::new(), draining: None };
    while worker.draining.is_none() || !worker.connections.is_empty() {
        worker.turn()?;
    }
    Ok(())
}

/// Ends this process with status 1, in the middle of whatever it does, as soon as its parent is gone.
fn leave_with(parent: i32) {
    while processes::wait_for_exit(parent, LOOK_AGAIN).is_err() && processes::alive(parent) {}
    process::exit(1);
}

struct Worker<'a> {
    listener: &'a TcpListener,
    signals: &'a Signals,
    options: &'a Options,
    connections: Vec<Connection>,
    /// When it began to drain.
    draining: Option<Instant>,
}

impl Worker<'_> {
    fn turn(&mut self) -> Result<()> {
        let ready = self.wait()?;
        self.look_for_signals()?;
        // What it has goes before what it could have.
        if self.accepts() && !ready.contains(&true) {
            self.accept()?;
        }
        let mut index = 0;
        for ready in ready {
            let keep = !ready || self.serve(index)?;
            if keep {
                index += 1;
            } else {
                self.connections.remove(index);
            }
        }
        if let Some(since) = self.draining {
            let grace = Instant::now() < since + GRACE;
            self.connections.retain(|connection| connection.unfinished(grace));
        }
        Ok(())
    }

    fn accepts(&self) -> bool {
        let taken = self.options.one_at_a_time && !self.connections.iter().all(Connection::is_idle);
        self.draining.is_none() && !taken
    }

    /// Waits for something to do, and tells which of the connections have something to read.
    fn wait(&self) -> Result<Vec<bool>> {
        let now = Instant::now();
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.accepts() {
            fds.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        }
        let first = fds.len();
        for connection in &self.connections {
            // One that is to be left unread still has to be in its place.
            let wanted = if connection.read_from <= now { PollFlags::POLLIN } else { PollFlags::empty() };
            fds.push(PollFd::new(connection.stream.as_fd(), wanted));
        }
        match poll(&mut fds, self.timeout(now)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("waiting for connections"),
        }
        Ok(fds[first..].iter().map(|fd| fd.any().unwrap_or(false)).collect())
    }

    /// Until the next connection may be read, or the grace of a drain is over.
    fn timeout(&self, now: Instant) -> PollTimeout {
        let delays = self.connections.iter().map(|connection| connection.read_from).filter(|due| *due > now);
        let grace = self.draining.map(|since| since + GRACE).filter(|due| *due > now);
        let Some(due) = delays.chain(grace).min() else { return PollTimeout::NONE };
        PollTimeout::try_from((due - now).as_millis() + 1).unwrap_or(PollTimeout::MAX)
    }

    fn look_for_signals(&mut self) -> Result<()> {
        while let Some(signal) = self.signals.next()? {
            if matches!(signal, Signal::SIGTERM | Signal::SIGINT) && self.draining.is_none() {
                self.draining = Some(Instant::now());
            }
        }
        Ok(())
    }

    /// Takes one connection, if no other worker was faster.
    fn accept(&mut self) -> Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).context("making a connection blocking")?;
                self.connections.push(Connection::new(stream, Instant::now() + self.options.read_delay));
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {
                Ok(())
            }
            Err(error) => Err(error).context("accepting a connection"),
        }
    }

    /// Reads what a connection has and answers a whole request; false when the connection is done.
    fn serve(&mut self, index: usize) -> Result<bool> {
        match self.connections[index].read() {
            Turn::More => Ok(true),
            Turn::Over => Ok(false),
            Turn::Request(request) => {
                std::thread::sleep(request.delay);
                // A signal that came during the request decides whether the connection goes on.
                self.look_for_signals()?;
                Ok(self.connections[index].respond(&request, self.draining.is_some()))
            }
        }
    }
}
