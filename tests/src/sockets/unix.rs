//! Unix sockets as `/proc/net/unix` shows them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait;

const TABLE: &str = "/proc/thread-self/net/unix";
/// `SO_ACCEPTCON` among the flags.
const LISTENS: &[u8] = b"00010000";

/// Whether a socket bound to this path listens.
pub fn listens(path: &Path) -> Result<bool> {
    Ok(rows(path)?.iter().any(|row| row.listens))
}

/// Connections that wait to be accepted at this path, over all sockets that were bound to it.
pub fn queue(path: &Path) -> Result<usize> {
    // Nobody has a descriptor of them, so they have no inode yet.
    Ok(rows(path)?.iter().filter(|row| !row.listens && row.inode == 0).count())
}

/// Waits until exactly `length` connections wait to be accepted at this path.
pub fn wait_for_queue(path: &Path, length: usize, limit: Duration) -> Result<()> {
    wait_for(queue, path, limit, &format!("an accept queue of {length}"), |queue| queue == length)
}

/// Waits until `length` connections or more wait to be accepted at this path.
pub fn wait_for_long_queue(path: &Path, length: usize, limit: Duration) -> Result<()> {
    wait_for(queue, path, limit, &format!("an accept queue of {length} or more"), |queue| queue >= length)
}

/// Waits until a server at this path has accepted, and not closed, exactly `count` connections.
pub fn wait_for_accepted(path: &Path, count: usize, limit: Duration) -> Result<()> {
    wait_for(accepted, path, limit, &format!("{count} accepted connections"), |accepted| accepted == count)
}

/// Waits until nothing listens at this path.
pub fn wait_for_no_listener(path: &Path, limit: Duration) -> Result<()> {
    wait::until(&format!("{} to have no listener", path.display()), limit, || {
        Ok((!listens(path)?).then_some(()))
    })
}

fn accepted(path: &Path) -> Result<usize> {
    Ok(rows(path)?.iter().filter(|row| !row.listens && row.inode != 0).count())
}

fn wait_for(
    count: impl Fn(&Path) -> Result<usize>,
    path: &Path,
    limit: Duration,
    what: &str,
    wanted: impl Fn(usize) -> bool,
) -> Result<()> {
    let mut seen = 0;
    wait::until(&format!("{what} at {}", path.display()), limit, || {
        seen = count(path)?;
        Ok(wanted(seen).then_some(()))
    })
    .with_context(|| format!("there are {seen}"))
}

struct Row {
    listens: bool,
    inode: u64,
}

/// The sockets bound to this path in the calling thread's network namespace, and the connections that came to them. An
/// abstract name begins with `@`.
fn rows(path: &Path) -> Result<Vec<Row>> {
    let table = fs::read(TABLE).with_context(|| format!("reading {TABLE}"))?;
    let lines = table.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| parse(line, path.as_os_str().as_bytes())).collect())
}

/// A row such as `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/app.sock`.
fn parse(line: &[u8], path: &[u8]) -> Option<Row> {
    let rest = line.strip_suffix(path)?.strip_suffix(b" ")?;
    let mut fields = rest.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    let listens = fields.nth(3)? == LISTENS;
    let inode = std::str::from_utf8(fields.nth(2)?).ok()?.parse().ok()?;
    // Otherwise the path is the end of another one with a space in it.
    fields.next().is_none().then_some(Row { listens, inode })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_queue_is_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a b");
        assert!(!listens(&path).expect("a table"));
        let listener = UnixListener::bind(&path).expect("a listener");
        let _clients = [(); 2].map(|()| UnixStream::connect(&path).expect("a connection"));
        assert!(listens(&path).expect("a table"));
        assert_eq!(queue(&path).expect("a table"), 2);
        let _accepted = listener.accept().expect("one that waits");
        assert_eq!(queue(&path).expect("a table"), 1);
        assert_eq!(super::accepted(&path).expect("a table"), 1);
        assert!(!listens(Path::new("b")).expect("a table"), "the end of another name");
    }
}
