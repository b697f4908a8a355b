//! What a distribution's boot does, as much of it as the observer and the tests need.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};

use super::protocol::MODULES;
use crate::network;

/// `MODULE_INIT_COMPRESSED_FILE` of include/uapi/linux/module.h.
const COMPRESSED: u32 = 4;

/// File system types and where they belong.
const MOUNTS: [(&str, &str); 6] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// Mounts, loads modules, brings loopback up.
pub(super) fn system() -> Result<()> {
    for (kind, target) in MOUNTS {
        fs::create_dir_all(target).with_context(|| format!("making {target}"))?;
        mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mounting {kind} at {target}"))?;
    }
    fs::create_dir_all("/tmp").context("making /tmp")?;
    for module in modules()? {
        load(&module).with_context(|| format!("loading {}", module.display()))?;
    }
    network::loopback_up()
}

fn modules() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(MODULES).with_context(|| format!("listing {MODULES}"))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.sort_unstable();
    Ok(files)
}

fn load(module: &Path) -> Result<()> {
    let file = File::open(module).context("opening it")?;
    let compressed = module.extension().is_some_and(|extension| extension != "ko");
    let flags = if compressed { COMPRESSED } else { 0 };
    finit_module(file, &CString::default(), ModuleInitFlags::from_bits_retain(flags)).context("finit_module")
}
