//! The command line: one file for each subcommand.

mod answering;
mod configuration;
pub mod doctor;
pub mod gate;
pub mod generate;
mod masking;
mod origin;
mod probing;
pub mod record;
pub mod report;
mod run_as;
pub mod schema;
pub mod serve;
pub mod tui;
pub mod watch;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit code for a command line or an environment that does not fit.
pub const ENVIRONMENT: u8 = 2;

/// Tells which client connections a restart lost, why, and which process and signal did it.
#[derive(Parser, Debug)]
#[command(
    name = "drain-observer",
    version,
    max_term_width = 100,
    after_help = "Typical use, as root:\n  \
        drain-observer record -P 8080 --output deploy.journal   # Ctrl-C when the restart is over\n  \
        drain-observer report deploy.journal\n  \
        drain-observer tui -P 8080                              # while a deploy goes on\n  \
        drain-observer gate -P 8080 -- systemctl reload puma    # in a deploy job\n  \
        drain-observer serve                                    # always on: flight recorder and metrics\n\n\
        Exit codes: 0 = done, 2 = usage or environment; gate's say more: see gate --help."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Record what happens into a journal, for `report` to read
    Record(record::Record),
    /// Say what a journal tells: restarts, what they lost, and why
    Report(report::ReportArgs),
    /// Say what happens as it happens: restarts, their steps, and each connection lost
    Watch(watch::WatchArgs),
    /// Show services, restarts and losses live, or play a journal back
    Tui(tui::TuiArgs),
    /// Run a command that restarts something, and say by the exit code whether connections were lost
    Gate(gate::GateArgs),
    /// Run as a daemon: record everything into a bounded directory, and serve Prometheus metrics
    Serve(serve::ServeArgs),
    /// Serve Prometheus metrics alone: `serve` without the flight recorder
    Exporter(serve::ExporterArgs),
    /// Say what this machine lets the observer see, and what to do about the rest
    Doctor(doctor::Doctor),
    /// Print the JSON Schema of what `-o json` and `-o jsonl` print
    Schema(schema::SchemaArgs),
    /// Write man pages or completions, for packages
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

impl Cli {
    /// Runs the subcommand. An error is for a person: what was tried, what happened, what to do.
    pub fn run(&self) -> Result<ExitCode> {
        match &self.command {
            Command::Record(args) => record::run(args),
            Command::Report(args) => report::run(args),
            Command::Watch(args) => watch::run(args),
            Command::Tui(args) => tui::run(args),
            Command::Gate(args) => gate::run(args),
            Command::Serve(args) => serve::run(args),
            Command::Exporter(args) => serve::run_exporter(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Schema(args) => schema::run(args),
            Command::Generate(args) => generate::run(args),
        }
    }
}
