//! `drain-observer schema`: the JSON Schema of the report.

use crate::report;
use anyhow::{Context as _, Result};
use clap::Args;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Print the JSON Schema of the report.
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {}

/// Prints the schema.
pub fn run(_: &SchemaArgs) -> Result<ExitCode> {
    let text = serde_json::to_string_pretty(&report::schema()).context("cannot turn the schema into text")?;
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.context("cannot write the schema to standard output").map(|()| ExitCode::SUCCESS),
    }
}
