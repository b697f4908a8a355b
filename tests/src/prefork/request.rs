//! What a client asks for.

use std::time::Duration;

/// A request, as much of it as matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// How long the server takes over it.
    pub(super) delay: Duration,
    /// Length of the response's body.
    pub(super) length: usize,
    /// 200 or 404.
    pub(super) found: bool,
    /// Whether the client asked for the connection's end.
    pub(super) close: bool,
}

impl Request {
    /// Reads a request's head, its empty last line included; the fixture's clients send no bodies.
    pub(super) fn parse(head: &str) -> Self {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let close = head.lines().any(|line| line.eq_ignore_ascii_case("connection: close"));
        let request = Self { delay: Duration::ZERO, length: 6, found: true, close };
        let mut parts = path.trim_start_matches('/').split('/');
        match (parts.next(), parts.next().map(str::parse)) {
            (Some(""), None) => request,
            (Some("sleep"), Some(Ok(millis))) => Self { delay: Duration::from_millis(millis), ..request },
            (Some("bytes"), Some(Ok(length))) => {
                Self { length: usize::try_from(length).unwrap_or(0), ..request }
            }
            _ => Self { found: false, ..request },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_decides() {
        let parse = |path: &str| Request::parse(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(parse("/").length, 6);
        assert_eq!(parse("/sleep/250").delay, Duration::from_millis(250));
        assert_eq!(parse("/bytes/99").length, 99);
        assert!(parse("/").found && !parse("/nowhere").found && !parse("/sleep/soon").found);
        assert!(!parse("/").close && Request::parse("GET / HTTP/1.1\r\nconnection: Close\r\n\r\n").close);
    }
}
