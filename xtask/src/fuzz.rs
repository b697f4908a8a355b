//! Coverage-guided fuzzing of everything that decodes bytes from outside, by libFuzzer and the instrumentation that
//! a stable compiler has.

use crate::{phases::Phases, workspace::Workspace};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// The package of the fuzz targets: each is one of its binaries, and has a directory of seeds.
const PACKAGE: &str = "drain-observer-fuzz";
const SEEDS: &str = "tests/fuzz/corpus";

/// What the instrumentation of `cargo fuzz` is made of. It is for the host, named as a target, so that build
/// scripts and procedural macros go without.
const RUSTFLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cdebug-assertions",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// One input may take that many seconds and MiB: a hundred times what the worst of them need.
const TIMEOUT: u32 = 10;
const MEMORY: u32 = 1024;

/// What to fuzz.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only this target
    target: Option<String>,
    /// Run each target that long
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// Runs the fuzz targets one after the other.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let mut targets = workspace.targets(PACKAGE, "bin");
    if let Some(wanted) = &options.target {
        if !targets.contains(&wanted.as_str()) {
            bail!("there is no fuzz target {wanted}; there are {}", targets.join(", "));
        }
        targets.retain(|target| target == wanted);
    }
    let mut phases = Phases::default();
    fuzz(&mut phases, workspace, &targets, options.seconds)?;
    phases.print_table();
    Ok(phases.exit_code())
}

/// Adds a short run of every target to the phases of a larger run.
pub(crate) fn check(phases: &mut Phases, workspace: &Workspace, seconds: u32) -> Result<()> {
    fuzz(phases, workspace, &workspace.targets(PACKAGE, "bin"), seconds)
}

fn fuzz(phases: &mut Phases, workspace: &Workspace, targets: &[&str], seconds: u32) -> Result<()> {
    let mut build = cargo(workspace, "build");
    build.args(targets.iter().flat_map(|target| ["--bin", target]));
    if !phases.run("fuzz targets", &mut build) {
        phases.not_run("fuzzing", "there is nothing to run");
        return Ok(());
    }
    for target in targets {
        let log = directory(workspace, "log")?.join(target);
        let passed = phases.run(&format!("fuzzing {target}"), &mut fuzzer(workspace, target, seconds, &log)?);
        let text = fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
        if passed {
            print!("{}", statistics(&text));
        } else {
            print!("{text}");
            println!(
                "mend what the last `Test unit written to` names, and keep that file in {SEEDS}/{target}"
            );
        }
    }
    Ok(())
}

/// A run of one target. What it finds interesting lies beside its binary, for the next run to go on with.
fn fuzzer(workspace: &Workspace, target: &str, seconds: u32, log: &Path) -> Result<Command> {
    let corpus = directory(workspace, &format!("corpus/{target}"))?;
    let findings = directory(workspace, &format!("findings/{target}"))?;
    // libFuzzer says more than anybody wants to know while all is well.
    let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = cargo(workspace, "run");
    command.args(["--quiet", "--bin", target, "--"]);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={TIMEOUT}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-artifact_prefix={}/", findings.display()),
    ]);
    command.args(["-verbosity=0", "-print_final_stats=1"]);
    command.arg(corpus).arg(workspace.root().join(SEEDS).join(target));
    command.stdout(log.try_clone().context("cannot share the log")?).stderr(log);
    Ok(command)
}

/// A directory of the fuzzers' own, beside what is built for them.
fn directory(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let directory = workspace.target().join("fuzz").join(name);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// What libFuzzer says at its end about the run: `inputs: 123`.
fn statistics(log: &str) -> String {
    const KEPT: [(&str, &str); 3] = [
        ("number_of_executed_units", "inputs"),
        ("average_exec_per_sec", "inputs a second"),
        ("new_units_added", "inputs that reached something new"),
    ];
    let number = |name: &str| {
        let mut lines = log.lines().filter_map(|line| line.strip_prefix("stat::")?.split_once(':'));
        lines.find(|(found, _)| *found == name).map(|(_, number)| number.trim())
    };
    KEPT.iter().filter_map(|(name, words)| Some(format!("{words}: {}\n", number(name)?))).collect()
}

fn cargo(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = workspace.cargo([subcommand, "--release", "--package", PACKAGE]);
    command
        .args(["--features", "libfuzzer", "--target", "host-tuple", "--target-dir"])
        .arg(workspace.target().join("fuzz"))
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
        // What an optimised link gains in speed it loses in waiting for it; and libFuzzer itself is not where time goes.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CXXFLAGS", "-O1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_found_among_the_rest() {
        let log =
            "INFO: 2 files\nstat::number_of_executed_units: 246837\nstat::average_exec_per_sec:     27426\n";
        assert_eq!(statistics(log), "inputs: 246837\ninputs a second: 27426\n");
        assert_eq!(statistics("==1== ERROR: libFuzzer: deadly signal\n"), "");
    }
}
