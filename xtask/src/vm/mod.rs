//! The live tests on other kernels: each boots in a virtual machine, under software emulation, with the same release
//! binary of the observer, and the project's own server and client as the load.

mod boot;
mod console;
mod cpio;
mod initramfs;
pub(crate) mod kernels;
mod programs;
#[path = "../../../tests/src/guest/protocol.rs"]
mod protocol;
mod table;

use crate::{
    libtest::Counts,
    phases::{Phases, Skip},
    qemu,
    workspace::Workspace,
};
use anyhow::{Context as _, Result, anyhow};
use console::{Console, Ending};
use kernels::{Kernel, SERIES};
use programs::Programs;
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

/// The tests that run there, by parts of their names: those that need no server but the project's own.
const TESTS: [&str; 4] = [
    // What the probes ask of the kernel.
    "probes::",
    // The fixture's restarts, and its incidents.
    "fixture::",
    // Every way of losing a connection.
    "losses::",
    // Units, containers and pods, from cgroups of v2 alone.
    "attribution::",
];

/// Of these, what can't run there: there are no cgroups but those of v2.
const LEFT_OUT: [&str; 1] = ["attribution::named_by_paths_of_v1"];

/// How many tests run at a time in a machine: most of their time they wait.
const THREADS: usize = 3;

/// What is asked of a run besides passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Say whether the table in the documentation is as it was found to be.
    Compare,
    /// Write it.
    Write,
}

/// Adds the tests on other kernels to a larger run; gives what could not run, and why.
pub(crate) fn check(phases: &mut Phases, workspace: &Workspace, table: Table) -> Result<Vec<Skip>> {
    let (emulator, kernels) = match find(workspace) {
        Ok(found) => found,
        Err(reason) => {
            return Ok(vec![Skip::Phase(format!("kernels {}: {reason:#}", SERIES.join(" and ")))]);
        }
    };
    let mut skipped = Vec::new();
    let mut consoles = Vec::new();
    let passed = phases.run_own(&format!("kernels {}", SERIES.join(" and ")), |counts| {
        consoles = boot_all(workspace, &emulator, &kernels)?;
        let problems: Vec<String> = consoles.iter_mut().flat_map(|booted| booted.finish(counts)).collect();
        skipped = consoles.iter().flat_map(Booted::skipped).collect();
        if problems.is_empty() { Ok(()) } else { Err(anyhow!("{}", problems.join("; "))) }
    });
    if passed && skipped.is_empty() {
        let consoles: Vec<&Console> = consoles.iter().map(|booted| &booted.console).collect();
        self::table::settle(workspace, &consoles, table)?;
    }
    Ok(skipped)
}

/// Where all of this lies.
fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target().join("vm")
}

fn find(workspace: &Workspace) -> Result<(PathBuf, Vec<Kernel>)> {
    let kernels: Result<Vec<Kernel>> = SERIES.iter().map(|series| Kernel::find(workspace, series)).collect();
    let emulator = qemu::find(workspace).context("no QEMU: `cargo xtask setup` says what to do")?;
    Ok((emulator, kernels?))
}

/// A machine that has come to its end.
struct Booted {
    series: &'static str,
    console: Console,
    ending: Ending,
    log: PathBuf,
}

/// Boots all kernels at the same time.
fn boot_all(workspace: &Workspace, emulator: &Path, kernels: &[Kernel]) -> Result<Vec<Booted>> {
    let programs = Programs::build(workspace)?;
    thread::scope(|scope| {
        let boots: Vec<_> = kernels
            .iter()
            .map(|kernel| scope.spawn(|| boot(&directory(workspace), emulator, kernel, &programs)))
            .collect();
        boots.into_iter().map(|boot| boot.join().map_err(|_| anyhow!("a thread panicked"))?).collect()
    })
}

fn boot(directory: &Path, emulator: &Path, kernel: &Kernel, programs: &Programs) -> Result<Booted> {
    let [initramfs, log] =
        ["initramfs", "console"].map(|what| directory.join(format!("{}.{what}", kernel.series)));
    let mut arguments: Vec<String> = TESTS.map(str::to_owned).to_vec();
    arguments.extend(LEFT_OUT.into_iter().flat_map(|name| ["--skip".to_owned(), name.to_owned()]));
    arguments.push(format!("--test-threads={THREADS}"));
    initramfs::write(&initramfs, kernel, programs, &arguments)?;
    let booted = boot::run(emulator, kernel, &initramfs, &log);
    // Also after a boot that failed: it is large.
    let removed = fs::remove_file(&initramfs);
    let (console, ending) = booted?;
    removed.with_context(|| format!("cannot remove {}", initramfs.display()))?;
    Ok(Booted { series: kernel.series, console, ending, log })
}

impl Booted {
    /// Counts the tests; prints and gives what went wrong.
    fn finish(&mut self, counts: &mut Counts) -> Vec<String> {
        let mut problems = self.console.problems(&self.ending, &TESTS);
        *counts += self.console.counts.unwrap_or_default();
        let series = self.series;
        if !problems.is_empty() {
            println!("\nkernel {series}: the console's last lines, of {}:", self.log.display());
            self.console.last().for_each(|line| println!("{series:>5} | {line}"));
            problems.extend(self.keep_journals().err().map(|error| format!("{error:#}")));
        }
        let problems = problems.into_iter().map(|problem| format!("{series}: {problem}"));
        problems.inspect(|problem| println!("kernel {problem}")).collect()
    }

    fn keep_journals(&self) -> Result<()> {
        for (scenario, journal) in &self.console.journals {
            let file = self.log.with_file_name(format!("{}.{scenario}.journal", self.series));
            fs::write(&file, journal).with_context(|| format!("cannot write {}", file.display()))?;
            println!("kernel {}: kept {}", self.series, file.display());
        }
        Ok(())
    }

    fn skipped(&self) -> Vec<Skip> {
        let release = self.console.release.as_deref().unwrap_or(self.series);
        self.console.skipped.iter().map(|test| Skip::Test(format!("on {release}: {test}"))).collect()
    }
}
