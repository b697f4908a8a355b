//! Builds the eBPF side and hands its object to the crate, which embeds it as `DRAIN_OBSERVER_EBPF`.

mod toolchain;

use anyhow::{Context as _, Result, anyhow, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};
use toolchain::{BpfToolchain, Target};

const OBJECT: &str = "drain-observer-ebpf";

/// What to do about anything that is missing.
const REMEDY: &str = "run `cargo xtask setup`, which finds or installs what the eBPF side needs";

fn main() -> ExitCode {
    if let Err(error) = build() {
        // Not by returning it, which would bury the remedy under a backtrace.
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn build() -> Result<()> {
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let object = out_dir.join(format!("{OBJECT}.o"));
    // A fuzzer feeds the decoders and loads no probes: it can do without what building them takes.
    if env::var_os("CARGO_CFG_FUZZING").is_some() {
        fs::write(&object, []).with_context(|| format!("cannot write {}", object.display()))?;
        embed(&object);
        println!("cargo:rerun-if-changed=build");
        return Ok(());
    }
    let workspace = workspace()?;

    let target = target()?;
    let toolchain = BpfToolchain::find(&target).map_err(|missing| anyhow!("{missing}; {REMEDY}"))?;
    let linker = toolchain::find_linker(&workspace).map_err(|missing| anyhow!("{missing}; {REMEDY}"))?;
    rerun_if_changed(&workspace, &linker);

    let target_dir = out_dir.join("ebpf");
    let mut build = toolchain.command(&workspace, &linker, &target, "build");
    build.arg("--quiet").arg("--target-dir").arg(&target_dir);
    run(&mut build).with_context(|| format!("cannot build the eBPF side with {toolchain}"))?;

    let built = target_dir.join(target.triple()).join("release").join(OBJECT);
    fs::copy(&built, &object)
        .with_context(|| format!("cannot copy {} to {}", built.display(), object.display()))?;
    embed(&object);
    Ok(())
}

fn embed(object: &Path) {
    println!("cargo:rustc-env=DRAIN_OBSERVER_EBPF={}", object.display());
}

fn workspace() -> Result<PathBuf> {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = manifest_dir.parent().context("the package lies in no workspace")?;
    Ok(workspace.to_path_buf())
}

fn target() -> Result<Target> {
    Ok(Target {
        arch: variable("CARGO_CFG_TARGET_ARCH")?,
        big_endian: variable("CARGO_CFG_TARGET_ENDIAN")? == "big",
    })
}

fn rerun_if_changed(workspace: &Path, linker: &Path) {
    let sources = ["drain-observer-ebpf", "drain-observer/build", "Cargo.toml", "Cargo.lock"];
    for path in sources.map(|source| workspace.join(source)).iter().map(PathBuf::as_path).chain([linker]) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

/// Runs a build, passing the compiler's messages on: as cargo's warnings, or as errors when it failed.
fn run(build: &mut Command) -> Result<()> {
    let output = build.output().with_context(|| format!("cannot start {build:?}; {REMEDY}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{messages}");
        bail!("the compiler's messages are above ({}); if it lacks something, {REMEDY}", output.status);
    }
    for line in messages.lines() {
        println!("cargo:warning={line}");
    }
    Ok(())
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("cargo did not set {name}"))
}
