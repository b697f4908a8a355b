//! Numbers and names in a finding's sentence.

use crate::event::{BootNs, Task};

/// `2.0 s`, `0.150 s` below one second, `0.4 ms` below one millisecond.
pub(super) fn seconds(ns: BootNs) -> String {
    let seconds = ns as f64 / 1e9;
    if ns < 50_000 {
        "less than 0.1 ms".to_owned()
    } else if ns < 1_000_000 {
        format!("{:.1} ms", seconds * 1e3)
    } else if ns < 1_000_000_000 {
        format!("{seconds:.3} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// `1 connection`, `2 connections`.
pub(super) fn connections(count: u64) -> String {
    count_of(count, "connection", "connections")
}

/// `1 process`, `2 processes`.
pub(super) fn processes(count: usize) -> String {
    count_of(count as u64, "process", "processes")
}

/// A number with its noun.
pub(super) fn count_of(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// `puma (pid 100)`, or the kernel.
pub(super) fn sender(task: Option<&Task>) -> String {
    task.map_or_else(|| "the kernel".to_owned(), process)
}

/// `puma (pid 100)`.
pub(super) fn process(task: &Task) -> String {
    format!("{} (pid {})", task.comm, task.pid)
}

/// `pid 100`, `pids 100, 101`, at most eight of them.
pub(super) fn pids(pids: &[u32]) -> String {
    const MOST: usize = 8;
    let named: Vec<String> = pids.iter().take(MOST).map(u32::to_string).collect();
    let more = if pids.len() > MOST { format!(" and {} more", pids.len() - MOST) } else { String::new() };
    format!("{} {}{more}", if pids.len() == 1 { "pid" } else { "pids" }, named.join(", "))
}
