//! The demo: the observer beside a server that loses connections on a restart and one that does not.

use crate::{
    build::{self, exit_code, status},
    workspace::Workspace,
};
use anyhow::Result;
use std::process::ExitCode;

/// Builds the observer, runs the demo, and passes its exit code through.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let built = status(&mut build::command(workspace))?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    let mut demo = workspace.cargo(["run", "--release", "--package", "drain-observer-tests"]);
    demo.args(["--bin", "demo", "--", "--observer"]).arg(workspace.observer());
    Ok(exit_code(status(&mut demo)?))
}
