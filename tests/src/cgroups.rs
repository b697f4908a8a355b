//! Control groups that tests make, in the hierarchies that this machine has.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::wait;

/// How long a process that has ended may be counted as one of its cgroup.
const LIMIT: Duration = Duration::from_secs(5);

/// Versions of the kernel's interface (man 7 cgroups).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for each controller; of these, systemd's own, which has none.
    V1,
    /// One for all.
    V2,
}

/// Where the hierarchy of this version is mounted for us to write to; none where it is not.
pub fn hierarchy(version: Version) -> Result<Option<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading what is mounted where")?;
    let roots = mounts.lines().filter_map(|line| mounted(line, version)).map(PathBuf::from);
    Ok(roots.into_iter().find(|root| access(root, AccessFlags::W_OK).is_ok()))
}

/// The mount point in a line of mountinfo, `ID PARENT DEVICE ROOT POINT OPTIONS .. - TYPE SOURCE OPTIONS`, if it is of
/// that version's hierarchy.
fn mounted(line: &str, version: Version) -> Option<&str> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let (name, options) = (kind.next()?, kind.nth(1)?);
    let fits = match version {
        Version::V1 => name == "cgroup" && options.split(',').any(|option| option == "name=systemd"),
        Version::V2 => name == "cgroup2",
    };
    mount.split(' ').nth(4).filter(|_| fits)
}

/// Cgroups below one of the test's own, removed when this is dropped: by then nobody may be left in them.
#[derive(Debug)]
pub struct Tree {
    /// Outer ones before inner ones.
    made: Vec<PathBuf>,
}

impl Tree {
    /// An empty one with a name of its own.
    pub fn new(hierarchy: &Path, name: &str) -> Result<Self> {
        let mut tree = Self { made: Vec::new() };
        tree.add(hierarchy.join(format!("dob-{name}-{}", std::process::id())))?;
        Ok(tree)
    }

    /// Makes the cgroup of this path, with those around it; gives its directory.
    pub fn make(&mut self, path: &str) -> Result<PathBuf> {
        let mut whole = self.made[0].clone();
        for name in path.split('/') {
            whole.push(name);
            self.add(whole.clone())?;
        }
        Ok(whole)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        if !self.made.contains(&path) {
            fs::create_dir(&path).with_context(|| format!("making the cgroup {}", path.display()))?;
            self.made.push(path);
        }
        Ok(())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            let removed = wait::until("a cgroup to be empty", LIMIT, || match fs::remove_dir(path) {
                Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => Ok(None),
                result => result.map(Some).context("removing it"),
            });
            if let Err(error) = removed {
                eprintln!("{} is left behind: {error:#}", path.display());
            }
        }
    }
}

/// Moves a process, 0 for the caller, into a cgroup; its children stay where they are.
pub fn enter(cgroup: &Path, pid: i32) -> Result<()> {
    let procs = cgroup.join("cgroup.procs");
    fs::write(&procs, pid.to_string())
        .with_context(|| format!("moving process {pid} to {}", cgroup.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_among_mounts() {
        let v2 = "31 30 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
        let systemd = "32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd";
        let memory = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        assert_eq!(mounted(v2, Version::V2), Some("/sys/fs/cgroup/unified"));
        assert_eq!(mounted(systemd, Version::V1), Some("/sys/fs/cgroup/systemd"));
        for line in [memory, systemd, "22 1 0:20 / /proc rw - proc proc rw", ""] {
            assert_eq!(mounted(line, Version::V2), None, "{line}");
        }
        assert_eq!(mounted(memory, Version::V1), None);
    }
}
