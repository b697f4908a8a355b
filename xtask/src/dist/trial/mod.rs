//! The Debian package on a fresh Debian 12: installed, asked, run as a daemon, removed, purged.
//!
//! All of it happens in namespaces of its own (mounts, processes, network, names, cgroups), which `unshare` makes before
//! this program is run in them again: its processes and mounts go with it, whatever happens. The tree is the lower layer of
//! an overlay whose upper one is in memory, so that what a step changed can be read there.

mod changes;
mod daemon;
mod init;
mod steps;
mod tree;
mod unit;

use super::debian;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use clap::Args;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};
use steps::Step;
use tree::Tree;

/// Exit code where a step failed.
const FAILED: u8 = 1;

/// What is to be tried, and where.
#[derive(Args)]
pub(crate) struct Options {
    /// Root directory of a fresh Debian
    tree: PathBuf,
    /// The package
    package: PathBuf,
}

/// The command that tries a package in a tree; it prints as Rust's test harness does.
pub(crate) fn command(tree: &Path, package: &Path) -> Result<Command> {
    let this = env::current_exe().context("cannot tell where this program lies")?;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid", "--fork"])
        .args(["--mount-proc", "--kill-child", "--"])
        .arg(this)
        .arg("trial")
        .args([tree, package]);
    Ok(command)
}

/// Tries it, in the namespaces that `command` has made.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let began = Instant::now();
    let tree = Tree::mount(&options.tree, &debian::mount_point(&options.tree)?, &options.package)?;
    let steps = steps::all();
    let (mut passed, mut failed) = (0, 0);
    for Step { name, run } in &steps {
        // One step builds on the other.
        match run(&tree, workspace) {
            Ok(()) => {
                println!("test package::{name} ... ok");
                passed += 1;
            }
            Err(error) => {
                println!("test package::{name} ... FAILED\n    {error:#}");
                failed = steps.len() - passed;
                break;
            }
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in {seconds:.2}s\n"
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
