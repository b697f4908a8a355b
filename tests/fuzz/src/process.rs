//! What /proc says of one process.

use drain_observer::enrich::process::{Stat, Status, command_line, namespace_inode};
use drain_observer::event::CommandLine;

/// Reads the input as each of its files.
pub fn process(bytes: &[u8]) {
    if let Some(stat) = Stat::parse(bytes) {
        assert!(bytes.windows(stat.comm.len() + 2).any(|part| part[1..].starts_with(&stat.comm)));
    }
    let _ = Status::parse(bytes);
    let _ = namespace_inode(bytes);
    if let Some(command) = command_line(bytes) {
        // A byte that is no text becomes a mark of three.
        let length: usize = command.arguments.iter().map(|argument| argument.len() + 1).sum();
        assert!(length <= 3 * CommandLine::MAX + 1, "{length}");
    }
}
