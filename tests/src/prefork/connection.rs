//! One accepted connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::request::Request;

/// Longest request head accepted.
const MAX_HEAD: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Before this nothing is read from it.
    pub(super) read_from: Instant,
    head: Vec<u8>,
    served: bool,
}

/// What a read brought.
#[derive(Debug)]
pub(super) enum Turn {
    /// A whole request.
    Request(Request),
    /// Not yet a whole request.
    More,
    /// The client left, or speaks something else.
    Over,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, read_from: Instant) -> Self {
        Self { stream, read_from, head: Vec::new(), served: false }
    }

    /// Reads once; the caller knows that this does not block.
    pub(super) fn read(&mut self) -> Turn {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => return Turn::Over,
            Ok(count) => self.head.extend_from_slice(&buffer[..count]),
        }
        match self.head.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(at) => {
                let head: Vec<u8> = self.head.drain(..at + 4).collect();
                Turn::Request(Request::parse(&String::from_utf8_lossy(&head)))
            }
            None if self.head.len() > MAX_HEAD => Turn::Over,
            None => Turn::More,
        }
    }

    /// Answers; false when the connection ends with this answer.
    pub(super) fn respond(&mut self, request: &Request, draining: bool) -> bool {
        let keep = !request.close && !draining;
        let status = if request.found { "200 OK" } else { "404 Not Found" };
        let connection = if keep { "keep-alive" } else { "close" };
        let mut response = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            request.length
        )
        .into_bytes();
        response.resize(response.len() + request.length, b'.');
        self.served = true;
        self.stream.write_all(&response).is_ok() && keep
    }

    /// Whether it was answered and has not asked again.
    pub(super) fn is_idle(&self) -> bool {
        self.served && self.head.is_empty()
    }

    /// Whether a draining worker waits for it: while the grace lasts, for the rest of a request, and for the
    /// first request of a connection that was accepted and never asked for anything.
    pub(super) fn unfinished(&self, grace: bool) -> bool {
        grace && (!self.head.is_empty() || !self.served)
    }
}
