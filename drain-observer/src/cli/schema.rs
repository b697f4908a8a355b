//! `drain-observer schema`: the JSON Schemas of what is published as JSON.

use super::doctor;
use crate::report;
use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Arguments of `schema`.
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t)]
    of: Published,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Published {
    /// `report -o json`, and `gate -o json`
    #[default]
    Report,
    /// Each line of `report -o jsonl`
    Jsonl,
    /// Each line of `watch -o json`
    Watch,
    /// `doctor -o json`
    Doctor,
}

/// Prints the schema.
pub fn run(args: &SchemaArgs) -> Result<ExitCode> {
    let schema = match args.of {
        Published::Report => report::schema(),
        Published::Jsonl => report::lines_schema(),
        Published::Watch => report::live_schema(),
        Published::Doctor => doctor::schema(),
    };
    let text = serde_json::to_string_pretty(&schema).context("cannot turn the schema into text")?;
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.context("cannot write the schema to standard output").map(|()| ExitCode::SUCCESS),
    }
}
