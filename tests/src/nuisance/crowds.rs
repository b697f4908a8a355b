//! Very many things at once, which stay until it is told to end.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::{process, thread};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, fork, getpid, getppid};

use super::{say, wait_to_be_told};
use crate::network;

/// The first port; all ports are below 65,536 - 4,096.
const FIRST_PORT: u16 = 4_096;
/// Descriptors that a process needs for itself.
const OWN: u64 = 64;

/// Listens at many ports of a namespace of its own, so that nobody else's ports are taken.
pub(super) fn listeners(count: u16, connect: bool, await_hangup: bool) -> Result<()> {
    let mut hangup = SigSet::empty();
    hangup.add(Signal::SIGHUP);
    hangup.thread_block().context("blocking SIGHUP")?;
    let most = allow_descriptors()?;
    ensure!(u64::from(count) + OWN <= most, "only {most} descriptors may be open: see ulimit -n");
    ensure!(count <= u16::MAX - 2 * FIRST_PORT, "{count} ports are too many");
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace of its own")?;
    network::loopback_up()?;
    let mut listeners = Vec::with_capacity(count.into());
    for port in FIRST_PORT..FIRST_PORT + count {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let listener = TcpListener::bind(address).with_context(|| format!("listening at {address}"))?;
        if connect {
            // The server's end is closed first: its port is not to be used up by what lingers.
            let client = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
            drop(listener.accept().context("accepting a connection")?);
            drop(client);
        }
        listeners.push(listener);
        if await_hangup && listeners.len() == 1 {
            say("awaiting SIGHUP")?;
            hangup.wait().context("waiting for SIGHUP")?;
        }
    }
    say(&format!("ready {count}"))?;
    wait_to_be_told()
}

/// Holds many descriptors: in one process if so many are allowed, else in as few as possible, with about as many each.
/// Then this process listens, with the highest of its descriptors.
pub(super) fn descriptors(count: u64, port: u16) -> Result<()> {
    let most = allow_descriptors()?;
    ensure!(most > 2 * OWN, "only {most} descriptors may be open: see ulimit -n");
    let processes = count.div_ceil(most - OWN);
    let null = File::open("/dev/null").context("opening /dev/null")?;
    let held = (0..count.div_ceil(processes)).map(|_| null.as_fd().try_clone_to_owned());
    let held: Vec<OwnedFd> = held.collect::<std::io::Result<_>>().context("a further descriptor")?;
    for _ in 1..processes {
        copy_of_this()?;
    }
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let listener = TcpListener::bind(address).with_context(|| format!("listening at {address}"))?;
    say(&format!("ready {processes}"))?;
    wait_to_be_told()?;
    drop((listener, held));
    Ok(())
}

/// Another process that holds what this one holds, and ends with it.
fn copy_of_this() -> Result<()> {
    let parent = getpid();
    // SAFETY: this process has one thread, so the child finds no lock held by another.
    if let ForkResult::Child = unsafe { fork() }.context("forking")? {
        // SAFETY: prctl(2) with this option takes a number and touches no memory of ours.
        let asked = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, Signal::SIGKILL as libc::c_int) };
        // It may have ended before that.
        if asked != 0 || getppid() != parent {
            process::exit(1);
        }
        loop {
            thread::park();
        }
    }
    Ok(())
}

/// Allows this process as many descriptors as it may have, and says how many.
fn allow_descriptors() -> Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("asking how many descriptors may be open")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("allowing more open descriptors")?;
    Ok(most)
}
