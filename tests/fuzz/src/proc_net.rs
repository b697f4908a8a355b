//! /proc/net/tcp and tcp6.

use drain_observer::enrich::{
    proc_net::read,
    sockets::{Family, Query, SocketList},
};

const LIMIT: usize = 8;

/// Reads a table as that of either family.
pub fn proc_net(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        let mut list = SocketList::default();
        let query = Query { states: u32::MAX, limit: LIMIT, ..Query::listeners() };
        assert!(read(bytes, family, &query, &mut list).is_ok(), "bytes in memory can be read");
        assert!(list.sockets.len() <= LIMIT && list.sockets.iter().all(|socket| socket.family == family));
        let counted = list.sockets.len() as u64 + list.over_limit + list.malformed;
        let lines = bytes.split(|byte| *byte == b'\n').count() + bytes.len() / 1024;
        assert!(counted <= lines as u64, "{counted} sockets of {lines} lines");
    }
}
