//! The least of HTTP: one request, its answer in one piece.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Longest wait for any part of an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// The status and body of what `target`, a path perhaps with a query, gives.
pub fn get(address: SocketAddr, target: &str) -> Result<(u16, String)> {
    let asking = || format!("asking http://{address}{target}");
    let stream = TcpStream::connect(address).with_context(asking)?;
    stream.set_read_timeout(Some(LIMIT)).with_context(asking)?;
    ask(stream, target).with_context(asking)
}

/// As [`get()`], of a server at a socket file.
pub fn get_at(path: &Path, target: &str) -> Result<(u16, String)> {
    let asking = || format!("asking {} for {target}", path.display());
    let stream = UnixStream::connect(path).with_context(asking)?;
    stream.set_read_timeout(Some(LIMIT)).with_context(asking)?;
    ask(stream, target).with_context(asking)
}

/// A text as a part of a query.
pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn ask(mut stream: impl Read + Write, target: &str) -> Result<(u16, String)> {
    // With HTTP/1.0 the body comes in one piece.
    write!(stream, "GET {target} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("it has no status")?;
    Ok((status, body.to_owned()))
}
