//! The release binary.

use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::process::{Command, ExitCode, ExitStatus};

/// Builds the release binary and says where it is.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let status = status(&mut command(workspace))?;
    if status.success() {
        println!("{}", workspace.observer().display());
    }
    Ok(exit_code(status))
}

/// The command that builds the release binary.
pub(crate) fn command(workspace: &Workspace) -> Command {
    workspace.cargo(["build", "--release", "--package", "drain-observer"])
}

/// Runs a command whose output is the user's to see.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))
}

/// A finished command's exit code as this program's own; a signal becomes 1.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
