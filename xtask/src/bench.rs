//! The bench: what observing costs, and whether that keeps the project's budgets.

use crate::{
    build::{self, exit_code, status},
    peers,
    workspace::Workspace,
};
use anyhow::Result;
use clap::Args;
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// What to measure, and where to write it.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Less of everything: under three minutes, and rougher
    #[arg(long)]
    quick: bool,
    /// Journals of up to 1 GB besides
    #[arg(long, conflicts_with = "quick")]
    long: bool,
    /// Measure this alone; repeatable. A name that is none has them listed
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Write the results as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table and the growth picture into the observer's docs
    #[arg(long)]
    write_docs: bool,
}

impl Options {
    fn arguments(&self) -> Vec<OsString> {
        let flags = [("--quick", self.quick), ("--long", self.long), ("--write-docs", self.write_docs)];
        let flags = flags.iter().filter(|(_, on)| *on).map(|(flag, _)| flag.into());
        let only = self.only.iter().flat_map(|name| ["--only".into(), name.into()]);
        let json = self.json.iter().flat_map(|file| ["--json".into(), file.into()]);
        flags.chain(only).chain(json).collect()
    }
}

/// Builds the observer and the bench, runs it, and passes its exit code through.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let built = status(&mut build::command(workspace))?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    let mut bench = workspace.cargo(["run", "--release", "--package", "drain-observer-bench", "--"]);
    bench.arg("--peers").arg(peers::directory(workspace)).args(options.arguments());
    Ok(exit_code(status(bench.env("DRAIN_OBSERVER", workspace.observer()))?))
}
