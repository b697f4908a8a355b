//! The bench: what observing costs, and whether that keeps the project's budgets.

use crate::{
    build::{self, exit_code, status},
    peers,
    workspace::Workspace,
};
use anyhow::{Result, ensure};
use clap::Args;
use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

/// What to measure, and where to write it.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed on to the bench, which tells with `--help` what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    options: Vec<OsString>,
}

impl Options {
    /// Whether the bench is only to tell what it takes.
    pub(crate) fn ask_for_help(&self) -> bool {
        self.contain("-h") || self.contain("--help")
    }

    /// Whether all of them are the bench's own.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(
            !self.contain("--no-install"),
            "--no-install is no option of the bench, which gets all that follows its first one: give it first, as in \
             `cargo xtask --no-install bench --quick`"
        );
        Ok(())
    }

    fn contain(&self, wanted: &str) -> bool {
        self.options.iter().any(|option| option == wanted)
    }
}

/// Has the bench tell what it takes, which needs neither a machine fit for it nor an observer.
pub(crate) fn help(workspace: &Workspace) -> Result<ExitCode> {
    Ok(exit_code(status(command(workspace).arg("--help"))?))
}

/// Builds the observer and the bench, runs it, and passes its exit code through.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let built = status(&mut build::command(workspace))?;
    if !built.success() {
        return Ok(exit_code(built));
    }
    let mut bench = command(workspace);
    bench.arg("--peers").arg(peers::directory(workspace)).args(&options.options);
    Ok(exit_code(status(bench.env("DRAIN_OBSERVER", workspace.observer()))?))
}

fn command(workspace: &Workspace) -> Command {
    workspace.cargo(["run", "--release", "--package", "drain-observer-bench", "--"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        task: Task,
        #[arg(long, global = true)]
        no_install: bool,
    }

    #[derive(clap::Subcommand)]
    enum Task {
        Bench(Options),
    }

    fn parsed(line: &str) -> (bool, Options) {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        let Task::Bench(options) = cli.task;
        (cli.no_install, options)
    }

    #[test]
    fn an_option_that_would_not_arrive_is_refused() {
        for line in ["xtask --no-install bench --quick", "xtask bench --no-install --quick"] {
            let (no_install, options) = parsed(line);
            assert!(no_install && options.check().is_ok() && options.options == ["--quick"], "{line}");
        }
        let (_, options) = parsed("xtask bench --quick --no-install");
        let error = options.check().expect_err("it is swallowed").to_string();
        assert!(error.contains("`cargo xtask --no-install bench --quick`"), "{error}");
    }

    #[test]
    fn help_is_asked_for_wherever_it_stands() {
        for line in ["xtask bench -h", "xtask bench --help", "xtask bench --quick --help"] {
            assert!(parsed(line).1.ask_for_help(), "{line}");
        }
        assert!(!parsed("xtask bench --quick --only churn").1.ask_for_help());
    }
}
