//! QEMU, which boots other kernels for the tests: the machine's own, or one unpacked into the tools directory.
//!
//! It is unpacked rather than installed because its packages are many and can conflict with what a machine has;
//! unpacked, they change nothing outside the project.

use crate::{
    apt,
    installer::{Installer, run_quietly, say},
    toolchain::{self, which},
    workspace::Workspace,
};
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// QEMU, if it is installed or unpacked.
pub(crate) fn find(workspace: &Workspace) -> Option<PathBuf> {
    let own = toolchain::tools_dir(workspace.root()).join("bin").join(PROGRAM);
    which(PROGRAM).or_else(|| own.is_file().then_some(own))
}

/// Finds or unpacks QEMU. Failing to get it is said and no more: the tests say that they were skipped.
pub(crate) fn prepare(installer: &mut Installer, workspace: &Workspace) -> Result<()> {
    let tools = toolchain::tools_dir(workspace.root());
    if let Some(found) = find(workspace) {
        say("QEMU", &found.display().to_string());
    } else if !installer.installs() {
        say("QEMU", &format!("not there; `apt-get install {PACKAGE}` brings it"));
    } else if !installer.offers(PACKAGE)? {
        say("QEMU", &format!("not there, and no package {PACKAGE} to take it from"));
    } else {
        say("QEMU", &format!("unpacking {PACKAGE} into {}", tools.display()));
        if let Err(error) = unpack(&tools) {
            say("QEMU", &format!("not there: {error:#}"));
        }
    }
    Ok(())
}

fn unpack(tools: &Path) -> Result<()> {
    let root = tools.join("qemu");
    let archives = tools.join("qemu-archives");
    for archive in apt::download(PACKAGE, &archives)? {
        run_quietly(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&root))?;
    }
    fs::remove_dir_all(&archives).with_context(|| format!("cannot remove {}", archives.display()))?;
    write_wrapper(&tools.join("bin"), &root)
}

/// Writes the script that runs the unpacked program with its own libraries.
fn write_wrapper(bin: &Path, root: &Path) -> Result<()> {
    let libraries = ["usr/lib", "lib"].iter().flat_map(|dir| subdirectories(&root.join(dir)));
    let libraries: Vec<String> = libraries.map(|dir| dir.display().to_string()).collect();
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
        libraries.join(":"),
        root.join("usr/bin").join(PROGRAM).display()
    );
    let wrapper = bin.join(PROGRAM);
    fs::create_dir_all(bin)
        .and_then(|()| fs::write(&wrapper, text))
        .and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", wrapper.display()))
}

fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
