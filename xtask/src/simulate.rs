//! The simulation: made-up restarts, and whether the correlator finds what happened.

use crate::{
    build::{exit_code, status},
    workspace::Workspace,
};
use anyhow::Result;
use clap::Args;
use std::{ffi::OsString, process::ExitCode};

/// What to simulate.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed on to the simulation, which tells with `--help` what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<OsString>,
}

/// Builds the simulation, runs it, and passes its exit code through.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let build =
        ["run", "--quiet", "--release", "--package", "drain-observer-simulate", "--bin", "simulate", "--"];
    Ok(exit_code(status(workspace.cargo(build).args(&options.options))?))
}
