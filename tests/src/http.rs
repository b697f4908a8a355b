//! The least of HTTP: one request, its answer in one piece.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// Longest wait for any part of an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// The status and body of what `target`, a path perhaps with a query, gives.
pub fn get(address: SocketAddr, target: &str) -> Result<(u16, String)> {
    let asking = || format!("asking http://{address}{target}");
    let mut stream = TcpStream::connect(address).with_context(asking)?;
    stream.set_read_timeout(Some(LIMIT)).with_context(asking)?;
    // With HTTP/1.0 the body comes in one piece.
    write!(stream, "GET {target} HTTP/1.0\r\n\r\n").with_context(asking)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(asking)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(asking)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(asking)?;
    Ok((status, body.to_owned()))
}

/// A text as a part of a query.
pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
