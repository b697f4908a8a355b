//! What is given to people who build nothing: a static binary, packages of it, and what belongs to them.

mod archive;
mod binary;
mod contents;
mod deb;
pub(crate) mod debian;
mod licences;
mod staging;
pub(crate) mod trial;

use crate::{
    phases::{Phases, Skip},
    workspace::Workspace,
};
use anyhow::{Context as _, Result};
use contents::Contents;
use staging::Staging;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// What was made.
pub(crate) struct Made {
    /// The Debian package, where there is a dpkg-deb to make it.
    pub(crate) package: Option<PathBuf>,
    /// Everything else: the tarball and the checksums.
    others: Vec<PathBuf>,
}

/// Makes everything in `target/dist` and says where it is.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let made = make(workspace)?;
    if made.package.is_none() {
        eprintln!("no Debian package: there is no dpkg-deb here");
    }
    for file in made.package.iter().chain(&made.others) {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds making the packages, and trying the Debian one, to a larger run; gives what could not run, and why.
pub(crate) fn check(phases: &mut Phases, workspace: &Workspace) -> Result<Vec<Skip>> {
    let mut made = None;
    let passed = phases.run_own("packages", |_| {
        made = Some(make(workspace)?);
        Ok(())
    });
    if !passed {
        return Ok(Vec::new());
    }
    let package = made.and_then(|made| made.package).context("there is no dpkg-deb");
    let tree = debian::find(workspace)
        .context("there is no Debian 12 to try it in: `cargo xtask setup` says what to do");
    match (package, tree) {
        (Ok(package), Ok(tree)) => {
            phases.run_tests("package on Debian 12", &mut trial::command(&tree, &package)?);
            Ok(Vec::new())
        }
        (Err(reason), _) | (_, Err(reason)) => Ok(vec![Skip::Phase(format!("package: {reason:#}"))]),
    }
}

/// Makes everything, the same bytes from the same commit and tools.
fn make(workspace: &Workspace) -> Result<Made> {
    let dist = directory(workspace);
    let epoch = epoch(workspace)?;
    let binary = binary::build(workspace)?;
    let contents = Contents::gather(workspace, &binary, &dist)?;

    let (version, arch) = (workspace.version(), env::consts::ARCH);
    let name = format!("drain-observer-{version}-{arch}-linux");
    let unpacked = Staging::begin(&dist.join(&name))?;
    contents.lay_out_for_people(&unpacked)?;
    let tarball = archive::tarball(unpacked, &epoch)?;

    let package = if deb::can_be_made() {
        let tree = Staging::begin(&dist.join("debian"))?;
        contents.lay_out_for_debian(&tree, version, &epoch)?;
        Some(deb::make(workspace, tree, &epoch)?)
    } else {
        None
    };
    let files: Vec<&Path> = package.iter().chain([&tarball]).map(PathBuf::as_path).collect();
    let sums = archive::checksums(&dist, &files)?;
    Ok(Made { package, others: vec![tarball, sums] })
}

fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target().join("dist")
}

/// The time that everything in the archives has, in seconds since 1970: `$SOURCE_DATE_EPOCH`, or that of the commit.
fn epoch(workspace: &Workspace) -> Result<String> {
    if let Ok(given) = env::var("SOURCE_DATE_EPOCH") {
        given.parse::<u64>().context("SOURCE_DATE_EPOCH is no number of seconds")?;
        return Ok(given);
    }
    let log = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(workspace.root())
        .output()
        .ok()
        .filter(|log| log.status.success());
    let committed = log.map(|log| String::from_utf8_lossy(&log.stdout).trim().to_owned());
    committed
        .filter(|time| time.parse::<u64>().is_ok())
        .context("git does not tell when this was committed: set SOURCE_DATE_EPOCH, in seconds since 1970")
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
