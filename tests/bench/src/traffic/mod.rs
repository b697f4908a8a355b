//! Load as lean as it gets, so that what is measured beside it weighs as much as it can: a server that does nothing
//! between its system calls, and a client that keeps no record.
//!
//! Both speak HTTP/1.1, so either can be paired with a real server or client.

mod client;
mod server;

pub(crate) use client::{Done, Load};
pub(crate) use server::{Options as ServerOptions, Server, serve};

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// The last words of a request's head.
const END: &[u8] = b"\r\n\r\n";
/// A request after which the client asks again.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
/// A request after which the server closes.
const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
/// Length of a response's body.
const BODY: usize = 6;

/// Where the server listens.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A port at every address of this host.
    Port(u16),
    /// A unix stream socket.
    Path(PathBuf),
}

/// Connections to one address after which another is taken: less than there are ephemeral ports, so that none is used
/// twice while TIME_WAIT lasts.
const PER_ADDRESS: u64 = 16_384;

/// An address of 127.0.0.0/8 that this process has not used yet, with this port.
fn fresh_address(port: u16) -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // From 127.2.0.0 on: who else is on this machine uses the first ones.
    let host = NEXT.fetch_add(1, Ordering::Relaxed) % 0xfc_0000;
    SocketAddrV4::new(Ipv4Addr::from_bits(0x7f02_0000 + host), port).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::thread;

    #[test]
    fn client_and_server_understand_each_other() {
        for requests in [1, 2, 20] {
            let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
            let server = thread::spawn(move || server::attend(theirs));
            client::exchange(ours, requests).expect("all is answered, then comes the end");
            server.join().expect("no panic").expect("all was asked");
        }
    }

    #[test]
    fn a_server_that_leaves_early_is_noticed() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        drop(theirs);
        assert!(client::exchange(ours, 1).is_err());
    }

    #[test]
    fn an_address_is_used_once() {
        let addresses = [fresh_address(80), fresh_address(80), fresh_address(80)];
        assert!(addresses[0] != addresses[1] && addresses[1] != addresses[2]);
        assert!(addresses.iter().all(|address| address.ip().is_loopback()), "{addresses:?}");
    }
}
