//! Listening sockets as `/proc/net/tcp` and `tcp6` show them.

pub mod unix;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait;

/// How the table names a connection's state.
const ESTABLISHED: &str = "01";

/// One listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Connections that wait to be accepted.
    pub queue: u32,
    /// Inode of the socket, as in `/proc/PID/fd`.
    pub inode: u64,
}

/// The sockets that listen on `port` in the calling thread's network namespace, of both families.
pub fn listeners(port: u16) -> Result<Vec<Listener>> {
    let mut found = Vec::new();
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        let text = fs::read_to_string(table).with_context(|| format!("reading {table}"))?;
        found.extend(text.lines().skip(1).filter_map(|line| parse(line, port)));
    }
    Ok(found)
}

/// Connections that wait to be accepted at `port`, over all its sockets.
pub fn queue(port: u16) -> Result<u32> {
    Ok(listeners(port)?.iter().map(|listener| listener.queue).sum())
}

/// Waits until exactly `length` connections wait to be accepted at `port`.
pub fn wait_for_queue(port: u16, length: u32, limit: Duration) -> Result<()> {
    let mut seen = 0;
    wait::until(&format!("an accept queue of {length} at port {port}"), limit, || {
        seen = queue(port)?;
        Ok((seen == length).then_some(()))
    })
    .with_context(|| format!("the accept queue holds {seen}"))
}

/// Waits until nothing listens on `port`.
pub fn wait_for_no_listener(port: u16, limit: Duration) -> Result<()> {
    wait::until(&format!("port {port} to have no listener"), limit, || {
        Ok(listeners(port)?.is_empty().then_some(()))
    })
}

/// Waits until the server at `port` has `count` connections, accepted or not.
pub fn wait_for_connections(port: u16, count: usize, limit: Duration) -> Result<()> {
    let mut seen = Vec::new();
    let waited = wait::until(&format!("{count} connections at port {port}"), limit, || {
        let text =
            fs::read_to_string("/proc/thread-self/net/tcp").context("reading /proc/thread-self/net/tcp")?;
        let found = text.lines().skip(1).filter(|line| is_connection(line, port)).count();
        if seen.last() != Some(&found) {
            seen.push(found);
        }
        Ok((found == count).then_some(()))
    });
    waited.with_context(|| format!("there were, one after the other, {seen:?}"))
}

fn is_connection(line: &str, port: u16) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next().and_then(|local| local.rsplit_once(':'));
    let at_port = local.is_some_and(|(_, found)| u16::from_str_radix(found, 16) == Ok(port));
    at_port && fields.nth(1) == Some(ESTABLISHED)
}

/// Waits until `count` connections of the server at `port` have unsent data and make no headway: their
/// writers are blocked.
pub fn wait_for_blocked_writers(port: u16, count: usize, limit: Duration) -> Result<()> {
    /// Looks without a change after which a queue counts as stuck.
    const STEADY: usize = 25;
    let (mut last, mut steady) = (Vec::new(), 0);
    wait::until(&format!("{count} blocked writers at port {port}"), limit, || {
        let now = send_queues(port)?;
        steady = if now == last { steady + 1 } else { 0 };
        last = now;
        Ok((last.len() == count && steady >= STEADY).then_some(()))
    })
}

/// What the connections of the server at `port` have not had acknowledged, where that is anything.
fn send_queues(port: u16) -> Result<Vec<(String, u32)>> {
    let text =
        fs::read_to_string("/proc/thread-self/net/tcp").context("reading /proc/thread-self/net/tcp")?;
    Ok(text.lines().skip(1).filter_map(|line| send_queue(line, port)).collect())
}

fn send_queue(line: &str, port: u16) -> Option<(String, u32)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let (unacknowledged, _) = fields.get(4)?.split_once(':')?;
    let bytes = u32::from_str_radix(unacknowledged, 16).ok()?;
    let wanted =
        u16::from_str_radix(local_port, 16).ok()? == port && *fields.get(3)? == ESTABLISHED && bytes > 0;
    wanted.then(|| ((*fields[2]).to_owned(), bytes))
}

/// Reads one line of the table, if it is a socket listening on `port`.
fn parse(line: &str, port: u16) -> Option<Listener> {
    // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ...
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    if u16::from_str_radix(local_port, 16).ok()? != port || *fields.get(3)? != LISTEN {
        return None;
    }
    let (_, queue) = fields.get(4)?.split_once(':')?;
    Some(Listener { queue: u32::from_str_radix(queue, 16).ok()?, inode: fields.get(9)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_accept_queue_of_a_listener() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 4711 1";
        assert_eq!(parse(line, 8080), Some(Listener { queue: 3, inode: 4711 }));
        assert_eq!(parse(line, 8081), None);
        assert_eq!(parse(&line.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(parse("sl local_address", 8080), None);
    }
}
