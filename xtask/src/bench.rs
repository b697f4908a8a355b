//! The bench: what observing costs, and whether that keeps the project's budgets.

use crate::{
    build::{self, exit_code, status},
    peers,
    workspace::Workspace,
};
use anyhow::Result;
use clap::Args;
use std::{ffi::OsString, process::ExitCode};

/// What to measure, and where to write it.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed on to the bench, which tells with `--help` what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<OsString>,
}

/// Builds the observer and the bench, runs it, and passes its exit code through.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let built = status(&mut build::command(workspace))?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    let mut bench = workspace.cargo(["run", "--release", "--package", "drain-observer-bench", "--"]);
    bench.arg("--peers").arg(peers::directory(workspace)).args(&options.options);
    Ok(exit_code(status(bench.env("DRAIN_OBSERVER", workspace.observer()))?))
}
