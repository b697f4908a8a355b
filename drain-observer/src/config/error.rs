//! What is wrong with a file of settings.

use crate::report::harmless;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// So many problems of a file are told; the others are counted.
const TOLD: usize = 20;

/// Why there are no settings to be had.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings in {path}: {error}; give another --config, or none", path = harmless(&path.to_string_lossy()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is a directory, a device, a pipe or a socket.
    #[error("{path} is no regular file: give --config a file of settings, or none", path = harmless(&path.to_string_lossy()))]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// It is too long to be read.
    #[error("{path} has more than {limit} bytes, which no settings take: give --config another file, or none", path = harmless(&path.to_string_lossy()))]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that it may have.
        limit: u64,
    },
    /// What it says cannot be.
    #[error("the settings in {path} cannot be used:{problems}", path = harmless(&path.to_string_lossy()), problems = listed(path, problems))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All that is wrong with it.
        problems: Problems,
    },
    /// Flags and file do not go together; in the words of the command line.
    #[error("{}", harmless_lines(.0))]
    Together(String),
}

/// What is wrong with a file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first ones.
    pub told: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its line, from 1.
    pub line: usize,
    /// Its character in the line, from 1.
    pub column: usize,
    /// What is wrong and what would be right. Nothing in it acts on a terminal.
    pub text: String,
}

impl Problems {
    /// From what was found at bytes of a text.
    pub(super) fn of(text: &str, mut found: Vec<(usize, String)>) -> Self {
        found.sort();
        let more = found.len().saturating_sub(TOLD);
        let problem = |(at, said): (usize, String)| {
            let (line, column) = position(text, at);
            Problem { line, column, text: harmless(&said) }
        };
        Self { told: found.into_iter().take(TOLD).map(problem).collect(), more }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}

/// Line and character of a byte of a text, from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    // Bytes that go on with a character are none.
    let column = before[begin..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    (line + 1, column + 1)
}

fn listed(path: &std::path::Path, problems: &Problems) -> String {
    let path = harmless(&path.to_string_lossy());
    let mut lines: String = problems.told.iter().map(|problem| format!("\n  {path}:{problem}")).collect();
    if problems.more > 0 {
        lines.push_str(&format!("\n  and {} more", problems.more));
    }
    lines
}

fn harmless_lines(text: &str) -> String {
    text.strip_prefix("error: ")
        .unwrap_or(text)
        .trim_end()
        .lines()
        .map(harmless)
        .collect::<Vec<_>>()
        .join("\n")
}
