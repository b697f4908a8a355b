//! The command line: selection, lengths and moments of time, sizes.

use clap::Parser as _;
use drain_observer::cli::Cli;
use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

/// Parses one argument a line, and nothing else: no command runs.
pub fn command_line(bytes: &[u8]) {
    let arguments = bytes.split(|byte| *byte == b'\n').map(OsStr::from_bytes);
    match Cli::try_parse_from(std::iter::once(OsStr::new("drain-observer")).chain(arguments)) {
        Ok(cli) => drop(format!("{cli:?}")),
        Err(error) => assert!(!error.to_string().is_empty(), "an error has a message"),
    }
}
