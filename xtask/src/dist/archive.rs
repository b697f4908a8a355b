//! The tarball and the checksums.

use super::staging::Staging;
use crate::installer::run_quietly;
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Packs a directory into an archive beside it, in which nothing depends on when, where and by whom it was made.
pub(super) fn tarball(staging: Staging, epoch: &str) -> Result<PathBuf> {
    let root = staging.root();
    let (parent, name) = (root.parent().context("it lies in target")?, root.file_name().unwrap_or_default());
    let name = name.to_string_lossy();
    let tar = parent.join(format!("{name}.tar"));
    run_quietly(
        Command::new("tar")
            .args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{epoch}"))
            .arg("--file")
            .arg(&tar)
            .arg("--directory")
            .arg(parent)
            .arg(name.as_ref()),
    )?;
    run_quietly(Command::new("gzip").args(["--best", "--no-name", "--force"]).arg(&tar))?;
    Ok(parent.join(format!("{name}.tar.gz")))
}

/// Writes `SHA256SUMS` of these files, which all lie in `directory`, as `sha256sum --check` reads it.
pub(super) fn checksums(directory: &Path, files: &[&Path]) -> Result<PathBuf> {
    let names = files.iter().filter_map(|file| file.file_name());
    let output = Command::new("sha256sum")
        .arg("--")
        .args(names)
        .current_dir(directory)
        .output()
        .context("cannot run sha256sum")?;
    ensure!(output.status.success(), "sha256sum: {}", String::from_utf8_lossy(&output.stderr).trim());
    let sums = directory.join("SHA256SUMS");
    fs::write(&sums, output.stdout).with_context(|| format!("cannot write {}", sums.display()))?;
    Ok(sums)
}
