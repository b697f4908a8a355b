//! What /proc says of one process.

use drain_observer::enrich::process::{Stat, Status, namespace_inode};

/// Reads the input as each of its files.
pub fn process(bytes: &[u8]) {
    if let Some(stat) = Stat::parse(bytes) {
        assert!(bytes.windows(stat.comm.len() + 2).any(|part| part[1..].starts_with(&stat.comm)));
    }
    let _ = Status::parse(bytes);
    let _ = namespace_inode(bytes);
}
