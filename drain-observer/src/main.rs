//! The `drain-observer` program: everything is in the library.

use clap::Parser as _;
use drain_observer::cli::{Cli, ENVIRONMENT};
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().run().unwrap_or_else(|error| {
        eprintln!("drain-observer: {error:#}");
        ExitCode::from(ENVIRONMENT)
    })
}
