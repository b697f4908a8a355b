//! Servers that die before anybody can ask who they are.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::process;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use socket2::{Domain, Protocol, Socket, Type};

use super::say;

/// Longest wait of a ghost for its client, and of the client for its end.
const LIMIT: Duration = Duration::from_secs(10);

/// Listens so many times, each time in a process that is killed with a client in its queue; says how many clients were
/// reset.
pub(super) fn ghosts(count: u32, port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut resets = 0;
    for _ in 0..count {
        resets += u32::from(is_reset_by_a_ghost(address)?);
    }
    say(&format!("done {resets}"))
}

fn is_reset_by_a_ghost(address: SocketAddr) -> Result<bool> {
    let (mut ready, pipe) = std::io::pipe().context("making a pipe")?;
    // SAFETY: this process has one thread, so the child finds no lock held by another.
    let ghost = match unsafe { fork() }.context("forking")? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            drop(ready);
            if let Err(error) = haunt(address, pipe) {
                eprintln!("{error:#}");
            }
            process::exit(1)
        }
    };
    drop(pipe);
    let mut word = [0; 1];
    ready.read_exact(&mut word).context("a ghost to listen")?;
    let client = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("making a socket")?;
    client.set_read_timeout(Some(LIMIT)).context("a limit to reading")?;
    // Where the ghost is quicker than the handshake's end, connect(2) has the reset already.
    let reset = match client.connect(&address.into()).and_then(|()| (&client).read(&mut word)) {
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    let status = waitpid(ghost, None).context("waiting for a ghost")?;
    ensure!(
        matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
        "a ghost ended with {status:?}, not of SIGKILL"
    );
    Ok(reset)
}

/// Listens until a client waits, and dies of it.
fn haunt(address: SocketAddr, mut ready: std::io::PipeWriter) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("making a socket")?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into()).with_context(|| format!("binding {address}"))?;
    socket.listen(8).context("listening")?;
    let listener: TcpListener = socket.into();
    std::io::Write::write_all(&mut ready, b"+").context("saying so")?;
    let mut polled = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::try_from(LIMIT).context("a poll's timeout")?).context("waiting")?;
    raise(Signal::SIGKILL).context("dying")
}
