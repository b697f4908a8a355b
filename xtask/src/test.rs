//! The whole check of the project: lints, unit tests, short fuzzing, live tests against real servers, and packages.

use crate::{
    build, dist, fuzz, lint,
    phases::{Phases, Skip},
    setup::{Purpose, Tools},
    vm::{self, Table},
    workspace::Workspace,
};
use anyhow::{Context as _, Result};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
};

/// The package of the tests that need a built observer, and its target that restarts real servers.
const PACKAGE: &str = "drain-observer-tests";
const LIVE: &str = "live";

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only the live tests whose name contains NAME, such as gate:: or incidents::puma::swallowed_hangup; no lints
    /// and no other tests
    #[arg(long, value_name = "NAME", conflicts_with = "no_live")]
    live: Option<String>,
    /// Leave out the live tests on this machine's kernel
    #[arg(long)]
    no_live: bool,
    /// Run only the live tests on other kernels, Debian's 6.1 and 6.12, each in a virtual machine under software emulation
    #[arg(long, conflicts_with_all = ["live", "no_live", "no_vm"])]
    vm: bool,
    /// Leave out the live tests on other kernels
    #[arg(long)]
    no_vm: bool,
    /// Only make the packages, and install, run and remove the Debian one in a Debian 12 of its own
    #[arg(long, conflicts_with_all = ["live", "no_live", "vm", "no_vm", "no_package"])]
    package: bool,
    /// Leave out the packages
    #[arg(long)]
    no_package: bool,
    /// Write what was found on other kernels to drain-observer/docs/kernels.md
    #[arg(long, conflicts_with_all = ["live", "no_vm"])]
    write_table: bool,
    /// Run that many live tests at a time [default: one a core]
    #[arg(long, value_name = "N")]
    live_threads: Option<usize>,
    /// Run each fuzz target that long; 0 = leave them out
    #[arg(long, value_name = "N", default_value_t = 5)]
    fuzz_seconds: u32,
    /// Pass even if tests were skipped
    #[arg(long)]
    allow_skips: bool,
}

impl Options {
    /// What the machine must be fit for.
    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Self { vm: true, .. } => Purpose::Kernels,
            Self { package: true, .. } => Purpose::Package,
            _ => Purpose::Test,
        }
    }
}

/// Runs the lints and the tests; the last line says how many tests passed and failed.
pub(crate) fn run(workspace: &Workspace, tools: &Tools, options: &Options) -> Result<ExitCode> {
    let mut phases = Phases::default();
    if options.package {
        let skipped = dist::check(&mut phases, workspace)?;
        phases.skipped("skipped tests", &skipped, options.allow_skips);
        return Ok(conclude(&phases));
    }
    let everything = options.live.is_none() && !options.vm;
    if everything {
        lint::check(&mut phases, workspace, tools);
    }
    let skips = skips(workspace)?;
    if phases.run("release build", &mut build::command(workspace)) {
        if everything {
            unit_tests(&mut phases, workspace, &skips);
            command_tests(&mut phases, workspace, &skips);
        }
        if everything && options.fuzz_seconds > 0 {
            fuzz::check(&mut phases, workspace, options.fuzz_seconds)?;
        }
        if !options.no_live && !options.vm {
            live_tests(&mut phases, workspace, options, &skips);
        }
        let mut skipped = skipped_tests(&skips)?;
        if options.vm || everything && !options.no_vm {
            let table = if options.write_table { Table::Write } else { Table::Compare };
            skipped.extend(vm::check(&mut phases, workspace, table)?);
        }
        if everything && !options.no_package {
            skipped.extend(dist::check(&mut phases, workspace)?);
        }
        phases.skipped("skipped tests", &skipped, options.allow_skips);
    } else {
        phases.not_run("tests", "there is no observer to test");
    }
    Ok(conclude(&phases))
}

fn conclude(phases: &Phases) -> ExitCode {
    phases.print_table();
    println!("{}", phases.counts());
    phases.exit_code()
}

fn unit_tests(phases: &mut Phases, workspace: &Workspace, skips: &Path) {
    let mut tests = workspace.cargo(["test", "--workspace", "--exclude", PACKAGE, "--no-fail-fast"]);
    phases.run_tests("tests without an observer", tests.env("DRAIN_OBSERVER_SKIPS", skips));
}

/// The tests of the observer's commands, which restart no server.
fn command_tests(phases: &mut Phases, workspace: &Workspace, skips: &Path) {
    let mut tests = workspace.cargo(["test", "--package", PACKAGE, "--no-fail-fast", "--lib", "--bins"]);
    for target in workspace.targets(PACKAGE, "test").into_iter().filter(|target| *target != LIVE) {
        tests.args(["--test", target]);
    }
    tests.env("DRAIN_OBSERVER", workspace.observer()).env("DRAIN_OBSERVER_SKIPS", skips);
    phases.run_tests("tests of the observer", &mut tests);
}

fn live_tests(phases: &mut Phases, workspace: &Workspace, options: &Options, skips: &Path) {
    let threads = options.live_threads.or_else(|| thread::available_parallelism().ok().map(usize::from));
    let mut tests = live(workspace, threads.unwrap_or(1), options.live.as_deref(), skips);
    let before = phases.counts();
    let passed = phases.run_tests("live tests", &mut tests);
    if passed && phases.counts().passed == before.passed {
        phases.fail("live tests run", "no live test ran; is the name right?");
    }
}

/// The command that runs the live tests whose name contains `name`, so many at a time.
pub(crate) fn live(workspace: &Workspace, threads: usize, name: Option<&str>, skips: &Path) -> Command {
    let mut tests = workspace.cargo(["test", "--package", PACKAGE, "--test", LIVE, "--"]);
    tests
        .arg(format!("--test-threads={threads}"))
        .args(name)
        .env("DRAIN_OBSERVER", workspace.observer())
        .env("DRAIN_OBSERVER_SKIPS", skips);
    tests
}

/// An empty file for the tests that cannot run to say so, one a line.
pub(crate) fn skips(workspace: &Workspace) -> Result<PathBuf> {
    let skips = workspace.target().join("live-skips");
    fs::write(&skips, "").with_context(|| format!("cannot empty {}", skips.display()))?;
    Ok(skips)
}

/// The tests that said so.
pub(crate) fn skipped_tests(skips: &Path) -> Result<Vec<Skip>> {
    let text = fs::read_to_string(skips).with_context(|| format!("cannot read {}", skips.display()))?;
    Ok(text.lines().map(|line| Skip::Test(line.to_owned())).collect())
}
