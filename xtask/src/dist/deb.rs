//! The Debian package, by dpkg-deb from a directory: a tool that every Debian has, and all that it takes here.

use super::staging::{FILE, PROGRAM, Staging};
use crate::{installer::run_quietly, toolchain::which, workspace::Workspace};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Who answers for the package.
pub(super) const MAINTAINER: &str = "The drain-observer contributors <drain-observer@packages.invalid>";

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Files that an administrator may have changed, and dpkg asks about.
const CONFIGURATION: &str = "/etc/drain-observer.toml\n";

/// Whether there is a dpkg-deb.
pub(super) fn can_be_made() -> bool {
    which("dpkg-deb").is_some()
}

/// Packs a directory that has everything but the control files, and gives the package, beside it.
pub(super) fn make(workspace: &Workspace, tree: Staging, epoch: &str) -> Result<PathBuf> {
    let files = tree.files()?;
    let sums = stdout(Command::new("md5sum").arg("--").args(&files).current_dir(tree.root()))?;
    let architecture = stdout(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let version = workspace.version();
    let packaging = workspace.root().join("drain-observer/packaging/debian");
    let template = fs::read_to_string(packaging.join("control")).context("cannot read the control file")?;
    let control = filled_in(
        &template,
        &[
            ("version", version),
            ("architecture", &architecture),
            ("maintainer", MAINTAINER),
            ("installed-size", &installed_kib(tree.root(), &files)?.to_string()),
            ("built-using", &built_using()?),
        ],
    )?;
    tree.write("DEBIAN/control", control.as_bytes(), FILE)?;
    tree.write("DEBIAN/md5sums", sums.as_bytes(), FILE)?;
    tree.write("DEBIAN/conffiles", CONFIGURATION.as_bytes(), FILE)?;
    for script in SCRIPTS {
        tree.copy(&packaging.join(script), &format!("DEBIAN/{script}"), PROGRAM)?;
    }
    let package = tree.root().with_file_name(format!("drain-observer_{version}_{architecture}.deb"));
    run_quietly(
        Command::new("dpkg-deb")
            // Older releases read no newer compression.
            .args(["--root-owner-group", "-Zxz", "--build"])
            .arg(tree.root())
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", epoch),
    )?;
    Ok(package)
}

/// The sources of what is linked in and not from crates: whoever passes the package on is to have them at hand.
fn built_using() -> Result<String> {
    let format = "--showformat=${source:Package} (= ${source:Version})";
    let using = stdout(Command::new("dpkg-query").args(["--show", format, "libc6-dev"]))?;
    ensure!(!using.is_empty(), "dpkg does not know which libc6-dev is installed");
    Ok(using)
}

/// As dpkg counts: whole KiB of each file.
fn installed_kib(root: &Path, files: &[PathBuf]) -> Result<u64> {
    let kib = |file: &PathBuf| Ok(fs::metadata(root.join(file))?.len().div_ceil(1024));
    files.iter().map(kib).sum::<std::io::Result<u64>>().context("cannot tell how large the package will be")
}

/// A template with all its `${names}` filled in.
fn filled_in(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let filled = values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    match filled.lines().find(|line| line.contains("${")) {
        Some(line) => bail!("nothing is known to fill into `{line}`"),
        None => Ok(filled),
    }
}

fn stdout(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in_whole() {
        let filled = filled_in("Version: ${version}\nX: ${x}\n", &[("version", "1.2"), ("x", "y")]);
        assert_eq!(filled.expect("all are known"), "Version: 1.2\nX: y\n");
        let error = filled_in("Version: ${version}\n", &[("x", "y")]).expect_err("unknown").to_string();
        assert!(error.contains("`Version: ${version}`"), "{error}");
    }
}
