//! The lints: formatting, clippy for the host and for BPF, documentation. Warnings are errors.

use crate::{phases::Phases, setup::Tools, workspace::Workspace};
use anyhow::Result;
use std::process::ExitCode;

/// Runs all lints.
pub(crate) fn run(workspace: &Workspace, tools: &Tools) -> Result<ExitCode> {
    let mut phases = Phases::default();
    check(&mut phases, workspace, tools);
    phases.print_table();
    Ok(phases.exit_code())
}

/// Adds the lints to the phases of a larger run.
pub(crate) fn check(phases: &mut Phases, workspace: &Workspace, tools: &Tools) {
    phases.run("formatting", &mut workspace.cargo(["fmt", "--all", "--check"]));

    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    phases.run("clippy for the host", &mut workspace.cargo(clippy));

    // Another compiler's results would only push the host's out of a shared directory.
    let mut clippy = tools.bpf_cargo(workspace, "clippy");
    clippy.arg("--target-dir").arg(workspace.target().join("bpf-lint")).args(["--", "-D", "warnings"]);
    phases.run(&format!("clippy for BPF ({})", tools.compiler()), &mut clippy);

    let mut doc = workspace.cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    phases.run("documentation", doc.env("RUSTDOCFLAGS", "-D warnings"));
}
