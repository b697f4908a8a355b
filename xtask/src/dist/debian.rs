//! A fresh Debian 12 in a directory, to try the package in: made once by debootstrap, and never written to again.

use crate::{
    apt,
    installer::{Installer, run_quietly, say},
    machine, packages,
    workspace::Workspace,
};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const SUITE: &str = "bookworm";
const WHAT: &str = "Debian 12";
/// What every Debian host has and debootstrap's smallest choice does not: systemd as init. The package itself needs
/// adduser.
const INCLUDED: &str = "systemd-sysv,adduser";

/// The tree, if it was made.
pub(crate) fn find(workspace: &Workspace) -> Option<PathBuf> {
    let tree = tree(workspace);
    tree.join("etc/debian_version").is_file().then_some(tree)
}

/// An empty directory beside it, for a trial to mount its own file systems at.
pub(super) fn mount_point(tree: &Path) -> Result<PathBuf> {
    let scratch = tree.with_extension("trial");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    Ok(scratch)
}

/// Makes the tree where there is none. What cannot be had is said and no more: the tests say that they were skipped.
pub(crate) fn prepare(installer: &mut Installer, workspace: &Workspace) -> Result<()> {
    if let Some(found) = find(workspace) {
        say(WHAT, &found.display().to_string());
        return Ok(());
    }
    if !installer.installs() || !machine::is_root() {
        say(WHAT, "not there; `cargo xtask setup` as root makes a tree of it");
        return Ok(());
    }
    let missing = packages::missing(&packages::TRIAL);
    if !missing.is_empty() && !installer.offers(packages::TRIAL[0].name)? {
        say(WHAT, &format!("not there, and no packages {} to make it with", missing.join(" and ")));
        return Ok(());
    }
    installer.packages(WHAT, &missing)?;
    if let Err(error) = make(workspace) {
        say(WHAT, &format!("not there: {error:#}"));
    }
    Ok(())
}

fn make(workspace: &Workspace) -> Result<()> {
    let tree = tree(workspace);
    let mirror = mirror()?;
    say(WHAT, &format!("unpacking into {} from this machine's mirror", tree.display()));
    let partial = tree.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    // What it mounts goes with the namespace, also when it fails.
    let mut debootstrap = Command::new("unshare");
    debootstrap
        .args(["--mount", "debootstrap", "--variant=minbase", &format!("--include={INCLUDED}"), SUITE])
        .arg(&partial)
        .arg(mirror);
    for (key, value) in apt::proxies() {
        debootstrap.env(key, value);
    }
    run_quietly(&mut debootstrap)?;
    let archives = partial.join("var/cache/apt/archives");
    run_quietly(Command::new("find").arg(&archives).args(["-name", "*.deb", "-delete"]))?;
    fs::rename(&partial, &tree).with_context(|| format!("cannot move it to {}", tree.display()))
}

/// Where this machine takes Debian's packages from.
fn mirror() -> Result<String> {
    let sources = apt::sources()?;
    match of_debian(&sources) {
        Some(mirror) => Ok(mirror.to_owned()),
        None => bail!("apt here has no mirror of Debian's own packages to take it from"),
    }
}

/// The mirror of a release as a whole, of lines `ADDRESS CODENAME COMPONENT ORIGIN`: updates and security have parts of it.
fn of_debian(sources: &str) -> Option<&str> {
    sources.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (address, codename) = (fields.next()?, fields.next()?);
        let is_main = fields.next() == Some("main") && fields.next() == Some("Debian");
        (is_main && !codename.contains('-')).then_some(address)
    })
}

fn tree(workspace: &Workspace) -> PathBuf {
    workspace.target().join("debian").join(SUITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_has_a_whole_release_of_debians() {
        let lines = "http://one/ other main Somebody\nhttp://two/debian-security bookworm-security main Debian\n\
            http://three/debian bookworm-updates main Debian\nhttp://four/debian bookworm main Debian\n";
        assert_eq!(of_debian(lines), Some("http://four/debian"));
        assert_eq!(of_debian("http://five/ubuntu jammy main Ubuntu\n"), None);
        assert_eq!(of_debian(""), None);
    }
}
