//! Netlink replies to a dump of sockets.

use drain_observer::enrich::{
    sock_diag::read_datagram,
    sockets::{Query, SocketList},
};

const LIMIT: usize = 8;
/// Of the seeds' dump.
const SEQUENCE: u32 = 1;

/// Reads one datagram.
pub fn sock_diag(bytes: &[u8]) {
    let mut list = SocketList::default();
    let query = Query { states: u32::MAX, counters: true, ports: (0, u16::MAX), limit: LIMIT };
    if let Err(error) = read_datagram(bytes, SEQUENCE, &query, &mut list) {
        assert!(!error.to_string().is_empty(), "an error has a message");
    }
    let counted = list.sockets.len() as u64 + list.over_limit + list.malformed;
    assert!(
        list.sockets.len() <= LIMIT && counted <= bytes.len() as u64 / 16,
        "a message has 16 bytes of header"
    );
}
