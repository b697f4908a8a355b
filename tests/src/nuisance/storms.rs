//! Very many things one after the other.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;

use anyhow::{Context as _, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::os::fd::AsFd as _;

use super::say;
use crate::network;

/// Processes of a churn that live side by side.
const SIDE_BY_SIDE: usize = 16;

/// Starts processes that end at once, one after the other.
pub(super) fn forks(count: u32) -> Result<()> {
    for _ in 0..count {
        collect(started(|| Ok(()))?)?;
    }
    say("done")
}

/// Goes on with that, several at a time, until standard input ends.
pub(super) fn churn() -> Result<()> {
    let mut living = std::collections::VecDeque::new();
    say("ready")?;
    while !is_told_to_end()? {
        living.push_back(started(|| Ok(()))?);
        if living.len() > SIDE_BY_SIDE {
            living.pop_front().map_or(Ok(()), collect)?;
        }
    }
    living.into_iter().try_for_each(collect)
}

/// Makes network namespaces, each of which is gone when the next one comes.
pub(super) fn namespaces(count: u32) -> Result<()> {
    for _ in 0..count {
        collect(started(live_apart)?)?;
    }
    say("done")
}

/// A short life in a network namespace: a listener, a connection, an answer.
fn live_apart() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own")?;
    network::loopback_up()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).context("listening")?;
    let client = TcpStream::connect(listener.local_addr()?).context("connecting")?;
    let (server, _) = listener.accept().context("accepting")?;
    drop((server, client, listener));
    Ok(())
}

/// A process that does this and ends.
fn started(act: impl FnOnce() -> Result<()>) -> Result<Pid> {
    // SAFETY: this process has one thread, so the child finds no lock held by another.
    match unsafe { fork() }.context("forking")? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = match act() {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("{error:#}");
                    1
                }
            };
            process::exit(code)
        }
    }
}

fn collect(child: Pid) -> Result<()> {
    let status = waitpid(child, None).context("waiting for a child")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "a child ended with {status:?}");
    Ok(())
}

fn is_told_to_end() -> Result<bool> {
    let stdin = std::io::stdin();
    let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut polled, PollTimeout::ZERO).context("looking at standard input")? > 0)
}
