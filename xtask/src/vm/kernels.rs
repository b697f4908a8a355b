//! The kernels: Debian's packages, downloaded and unpacked, never installed.

use crate::{
    apt,
    installer::{Installer, run_quietly, say},
    workspace::Workspace,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The series to test on. "cloud" is the variant for virtual machines: the same code, fewer drivers.
pub(super) const SERIES: [&str; 2] = ["6.1", "6.12"];
const FLAVOUR: &str = "-cloud-amd64";

/// Modules that the observer asks sock_diag through; each after those that it depends on.
const MODULES: [&str; 3] = ["inet_diag", "tcp_diag", "unix_diag"];

/// An unpacked kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// `6.1`.
    pub(super) series: &'static str,
    /// Its boot image.
    pub(super) image: PathBuf,
    /// Its modules to load, in order.
    pub(super) modules: Vec<PathBuf>,
}

impl Kernel {
    /// The unpacked kernel of a series, or why there is none.
    pub(super) fn find(workspace: &Workspace, series: &'static str) -> Result<Self> {
        ensure!(env::consts::ARCH == "x86_64", "the kernels that are tested on are those for x86_64");
        let package = unpacked(workspace, series).with_context(|| {
            format!("no package linux-image-{series}*{FLAVOUR} is unpacked below target/vm")
        })?;
        let image = files(&package.join("boot"))?.into_iter().find(|file| is_image(file));
        let image = image.with_context(|| format!("{} holds no kernel", package.display()))?;
        let all = files(&package.join("lib/modules"))?;
        let modules: Result<Vec<PathBuf>> = MODULES.iter().map(|module| find_module(&all, module)).collect();
        let modules = modules.with_context(|| format!("{} lacks something", package.display()))?;
        Ok(Self { series, image, modules })
    }
}

/// Downloads and unpacks the newest kernel of each series. What cannot be had is said and no more: the tests say that
/// they were skipped.
pub(crate) fn prepare(installer: &mut Installer, workspace: &Workspace) -> Result<()> {
    for series in SERIES {
        let what = format!("kernel {series}");
        let here = unpacked(workspace, series);
        match (newest(installer, series)?, here) {
            (Some(package), Some(here)) if here.ends_with(&package) => say(&what, &package),
            (Some(package), _) if installer.installs() => {
                say(&what, &format!("unpacking {package} below {}", directory(workspace).display()));
                if let Err(error) = unpack(workspace, series, &package) {
                    say(&what, &format!("not there: {error:#}"));
                }
            }
            (_, Some(here)) => say(&what, &here.file_name().unwrap_or_default().to_string_lossy()),
            (package, None) => {
                let package = package.unwrap_or_else(|| format!("linux-image-{series}*{FLAVOUR}"));
                say(&what, &format!("not there; set-up unpacks it from Debian's package {package}"));
            }
        }
    }
    Ok(())
}

fn newest(installer: &mut Installer, series: &str) -> Result<Option<String>> {
    // Asked by a name that is there in every release, so that missing lists are brought up to date.
    if !installer.offers("linux-image-cloud-amd64")? {
        return Ok(None);
    }
    let offered = apt::names(&format!("^linux-image-{series}[.].*{FLAVOUR}$"))?;
    Ok(offered.into_iter().max_by_key(|name| version(name)))
}

/// The numbers in a package's name, which order kernels as their versions do.
fn version(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn unpack(workspace: &Workspace, series: &str, package: &str) -> Result<()> {
    let directory = directory(workspace);
    let partial = directory.join("partial");
    remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let archive = apt::download_alone(package, &partial)?;
    let unpacked = partial.join("unpacked");
    run_quietly(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&unpacked))?;
    // One kernel a series is kept.
    for older in packages(workspace, series) {
        remove(&older)?;
    }
    let target = directory.join(package);
    fs::rename(&unpacked, &target)
        .with_context(|| format!("cannot move the kernel to {}", target.display()))?;
    remove(&partial)
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}

fn unpacked(workspace: &Workspace, series: &str) -> Option<PathBuf> {
    packages(workspace, series).into_iter().max_by_key(|path| version(&path.to_string_lossy()))
}

fn packages(workspace: &Workspace, series: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory(workspace)).into_iter().flatten().flatten();
    let of_series =
        |name: &str| name.starts_with(&format!("linux-image-{series}.")) && name.ends_with(FLAVOUR);
    let found = entries.filter(|entry| entry.file_name().to_str().is_some_and(of_series));
    found.map(|entry| entry.path()).collect()
}

fn directory(workspace: &Workspace) -> PathBuf {
    super::directory(workspace).join("kernels")
}

fn is_image(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
}

/// A module's file, which can be compressed.
fn find_module(files: &[PathBuf], module: &str) -> Result<PathBuf> {
    let names = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].map(|suffix| format!("{module}{suffix}"));
    let found = files.iter().find(|file| names.iter().any(|name| file.ends_with(name)));
    found.cloned().with_context(|| format!("there is no module {module}"))
}

/// All files below a directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_not_the_last_in_the_alphabet() {
        let names = ["linux-image-6.1.0-9-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64"];
        assert_eq!(names.into_iter().max_by_key(|name| version(name)), Some(names[1]));
        let names = ["linux-image-6.12.117+deb12-cloud-amd64", "linux-image-6.12.99+deb12-cloud-amd64"];
        assert_eq!(names.into_iter().max_by_key(|name| version(name)), Some(names[0]));
    }

    #[test]
    fn modules_are_found_by_their_whole_name_compressed_or_not() {
        let files =
            ["/m/net/mptcp_diag.ko", "/m/net/tcp_diag.ko.xz", "/m/net/inet_diag.ko"].map(PathBuf::from);
        assert_eq!(find_module(&files, "tcp_diag").expect("it is there"), files[1]);
        assert_eq!(find_module(&files, "inet_diag").expect("it is there"), files[2]);
        assert!(find_module(&files, "unix_diag").is_err());
    }

    #[test]
    fn a_module_comes_after_what_it_depends_on() {
        let place = |module| MODULES.iter().position(|other| *other == module).expect("one of them");
        assert!(place("inet_diag") < place("tcp_diag"));
    }
}
