//! Ports for servers under test.

use std::net::{Ipv6Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

/// Below Linux's usual ephemeral range, so that no client's source port takes a server's port in between.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that nothing is bound to, given out once by this process.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin at different places.
    let offset = process::id().wrapping_mul(37) % u32::from(COUNT);
    for _ in 0..COUNT {
        let index = (offset + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let port = FIRST + u16::try_from(index).expect("index is below COUNT");
        // The IPv6 wildcard, dual-stack by default, collides with either family. It does not listen: who observes
        // would take it for a service.
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).context("making a socket")?;
        if socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into()).is_ok() {
            return Ok(port);
        }
    }
    bail!("found no free port in {FIRST}..{}: too many listeners on this machine", FIRST + COUNT)
}
