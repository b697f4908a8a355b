//! The project's own tasks, run as `cargo xtask TASK`.

mod apt;
mod bench;
mod build;
mod demo;
mod dist;
mod document;
mod fuzz;
mod incidents;
mod installer;
mod libtest;
mod linker;
mod lint;
mod machine;
mod packages;
mod peers;
mod phases;
mod qemu;
mod setup;
mod simulate;
mod test;
#[path = "../../drain-observer/build/toolchain.rs"]
mod toolchain;
mod unpacked;
mod vm;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use setup::Purpose;
use std::process::ExitCode;
use workspace::Workspace;

/// Exit code for a machine or a command line that does not fit.
const ENVIRONMENT: u8 = 2;

/// Tasks of the project; each finds or installs what it needs and says what it does.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
    /// Install nothing: print the commands a person would run, and exit with code 2 if something is missing
    #[arg(long, global = true)]
    no_install: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Find or install everything that building, the demo and the tests need
    Setup,
    /// Build the release binary
    Build,
    /// Make what is shipped, in target/dist: a static binary, a tarball and a Debian package with everything that belongs to
    /// it, checksums
    Dist,
    /// Show the observer beside a server that loses connections on a restart and one that does not
    Demo,
    /// Measure what observing costs, beside other tools, and whether that keeps the project's budgets
    Bench(bench::Options),
    /// Check formatting, clippy for the host and for BPF, and the documentation
    Lint,
    /// Look for input that breaks a decoder, by coverage-guided fuzzing
    Fuzz(fuzz::Options),
    /// Show made-up restarts to the correlator, and check that it finds what happened
    Simulate(simulate::Options),
    /// Bring about every incident of the README's table on real servers, and rewrite the table with what the report
    /// says
    Incidents,
    /// Run the lints and all tests, the live ones against real servers and on other kernels included
    Test(test::Options),
    /// Try a Debian package, in the namespaces that `test` has made for it
    #[command(hide = true)]
    Trial(dist::trial::Options),
}

fn main() -> ExitCode {
    run(&Cli::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(ENVIRONMENT)
    })
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let prepare = |purpose| setup::prepare(&workspace, purpose, !cli.no_install);
    match &cli.task {
        Task::Setup => {
            prepare(Purpose::Everything)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Build => {
            prepare(Purpose::Build)?;
            build::run(&workspace)
        }
        Task::Dist => {
            prepare(Purpose::Build)?;
            dist::run(&workspace)
        }
        Task::Demo => {
            prepare(Purpose::Demo)?;
            demo::run(&workspace)
        }
        Task::Bench(options) if options.ask_for_help() => bench::help(&workspace),
        Task::Bench(options) => {
            options.check()?;
            prepare(Purpose::Bench)?;
            bench::run(&workspace, options)
        }
        Task::Fuzz(options) => {
            setup::prepare_fuzzing(!cli.no_install)?;
            fuzz::run(&workspace, options)
        }
        Task::Simulate(options) => {
            prepare(Purpose::Build)?;
            simulate::run(&workspace, options)
        }
        Task::Incidents => {
            prepare(Purpose::Test)?;
            incidents::run(&workspace)
        }
        Task::Lint => lint::run(&workspace, &prepare(Purpose::Lint)?),
        Task::Test(options) => test::run(&workspace, &prepare(options.purpose())?, options),
        Task::Trial(options) => dist::trial::run(&workspace, options),
    }
}
