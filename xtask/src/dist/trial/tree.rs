//! The tree as the steps find it: an overlay with /proc, /sys and what a host has besides.

use crate::installer::run_quietly;
use anyhow::{Context as _, Result, ensure};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Where the package lies in the tree: in a place that systemd does not clear when it starts.
pub(super) const PACKAGE: &str = "/media/drain-observer.deb";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The mounts, in order: type, place, options. What lies in those in memory is no part of what is compared.
const MOUNTS: [(&str, &str, &str); 5] = [
    ("proc", "proc", "nosuid,nodev,noexec"),
    ("sysfs", "sys", "nosuid,nodev,noexec"),
    ("tmpfs", "tmp", "mode=1777"),
    ("tmpfs", "run", "mode=755"),
    ("tmpfs", "media", "mode=755"),
];

/// The tree.
pub(super) struct Tree {
    root: PathBuf,
    lower: PathBuf,
    upper: PathBuf,
}

impl Tree {
    /// Mounts an overlay of `lower` somewhere below `scratch`, an empty directory, and puts the package into it.
    pub(super) fn mount(lower: &Path, scratch: &Path, package: &Path) -> Result<Self> {
        mount("tmpfs", scratch, "mode=755")?;
        let [root, upper, work] = ["root", "upper", "work"].map(|name| scratch.join(name));
        for directory in [&root, &upper, &work] {
            fs::create_dir(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let shown = |path: &Path| path.display().to_string();
        let layers = format!("lowerdir={},upperdir={},workdir={}", shown(lower), shown(&upper), shown(&work));
        mount("overlay", &root, &layers)?;
        for (kind, place, options) in MOUNTS {
            mount(kind, &root.join(place), options)?;
        }
        run_quietly(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        let into = root.join(PACKAGE.trim_start_matches('/'));
        fs::copy(package, &into).with_context(|| format!("cannot copy {}", package.display()))?;
        Ok(Self { root, lower: lower.to_path_buf(), upper })
    }

    /// Its root directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The tree before anything was done to it, and what was changed.
    pub(super) fn layers(&self) -> (&Path, &Path) {
        (&self.lower, &self.upper)
    }

    /// A file of it, by its absolute path.
    pub(super) fn read(&self, file: &str) -> Result<String> {
        let path = self.root.join(file.trim_start_matches('/'));
        fs::read_to_string(path).with_context(|| format!("cannot read {file}"))
    }

    /// A command in it, with the environment of a fresh log-in of root's.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).arg(program.as_ref());
        command.env_clear().envs([("PATH", PATH), ("LC_ALL", "C"), ("HOME", "/root"), ("TERM", "dumb")]);
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    }

    /// Runs a command in it that has to succeed, and gives what it printed.
    pub(super) fn run(&self, line: &[&str]) -> Result<String> {
        let (program, arguments) = line.split_first().context("a command has a name")?;
        succeeded(line, self.command(program).args(arguments).output()?)
    }
}

/// What a command printed; an error with all that it said if it failed.
pub(super) fn succeeded(line: &[&str], output: Output) -> Result<String> {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}`: {}\n{printed}\n{said}", line.join(" "), output.status);
    Ok(printed)
}

/// Mounts a file system without a device.
pub(super) fn mount(kind: &str, at: &Path, options: &str) -> Result<()> {
    run_quietly(Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(at))
}
