//! What nginx wrote of connections to its upstream that failed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A connection from nginx to its upstream that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How.
    pub kind: FailureKind,
    /// Seconds since midnight, UTC.
    pub second: u64,
    /// The whole line.
    pub line: String,
}

/// How a connection to an upstream fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// ECONNRESET while it waited for the response.
    Reset,
    /// The end of the connection, where a response was due.
    Eof,
    /// ENOENT or ECONNREFUSED.
    Refused,
    /// EAGAIN: the accept queue was full.
    Full,
    /// EPIPE on writing the request.
    Broken,
}

impl FailureKind {
    /// The outcomes by which a report may truthfully name it.
    pub fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Reset => &["queue_reset", "unread_reset"],
            Self::Eof => &["unanswered"],
            Self::Refused => &["refused"],
            Self::Full => &["overflowed"],
            Self::Broken => &["late_request"],
        }
    }
}

/// Reads the failures of connections to the upstream at this path from an error log of level `info` whose times are UTC.
pub fn read(log: &Path, upstream: &Path) -> Result<Vec<Failure>> {
    let text = fs::read_to_string(log).with_context(|| format!("reading {}", log.display()))?;
    let about = format!("upstream: \"http://unix:{}", upstream.display());
    text.lines().filter(|line| line.contains(&about)).map(parse).collect()
}

/// A line such as `2026/11/21 18:03:11 [error] 7#7: *5 recv() failed (104: Connection reset by peer) while ..`.
fn parse(line: &str) -> Result<Failure> {
    let kind = if line.contains("failed (104:") {
        FailureKind::Reset
    } else if line.contains("prematurely closed connection") {
        FailureKind::Eof
    } else if line.contains("failed (2:") || line.contains("failed (111:") {
        FailureKind::Refused
    } else if line.contains("failed (11:") {
        FailureKind::Full
    } else if line.contains("failed (32:") {
        FailureKind::Broken
    } else {
        bail!("nginx says something else of its upstream: {line}")
    };
    let second = seconds(line).with_context(|| format!("a line without a time: {line}"))?;
    Ok(Failure { kind, second, line: line.to_owned() })
}

fn seconds(line: &str) -> Option<u64> {
    let mut parts = line.split(' ').nth(1)?.split(':').map(|part| part.parse::<u64>().ok());
    Some(parts.next()?? * 3_600 + parts.next()?? * 60 + parts.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_kind_and_time() {
        let says = |what: &str| {
            let line =
                format!("2026/11/21 18:03:11 [error] 7#7: *5 {what} while x, upstream: \"http://unix:/s:/\"");
            parse(&line).map(|failure| (failure.kind, failure.second))
        };
        let second = 18 * 3_600 + 3 * 60 + 11;
        for (what, kind) in [
            ("recv() failed (104: Connection reset by peer)", FailureKind::Reset),
            ("upstream prematurely closed connection", FailureKind::Eof),
            ("connect() to unix:/s failed (2: No such file or directory)", FailureKind::Refused),
            ("connect() to unix:/s failed (111: Connection refused)", FailureKind::Refused),
            ("connect() to unix:/s failed (11: Resource temporarily unavailable)", FailureKind::Full),
            ("writev() failed (32: Broken pipe)", FailureKind::Broken),
        ] {
            assert_eq!(says(what).expect("a known line"), (kind, second), "{what}");
        }
        assert!(says("upstream timed out (110: Connection timed out)").is_err());
    }
}
