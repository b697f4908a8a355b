//! Netlink replies to a dump of unix sockets.

use drain_observer::enrich::unix_diag::{UnixList, read_datagram};

/// Of the seeds' dump.
const SEQUENCE: u32 = 1;
const LISTEN: u8 = 10;

/// Reads one datagram.
pub fn unix_diag(bytes: &[u8]) {
    let mut list = UnixList::default();
    if let Err(error) = read_datagram(bytes, SEQUENCE, LISTEN, &mut list) {
        assert!(!error.to_string().is_empty(), "an error has a message");
    }
    assert!(list.sockets.len() as u64 <= bytes.len() as u64 / 16, "a message has 16 bytes of header");
    for socket in &list.sockets {
        assert!((1..=108).contains(&socket.name.as_bytes().len()), "a socket's name has a length");
        assert!(!socket.name.to_string().chars().any(char::is_control), "a terminal can show it");
    }
}
