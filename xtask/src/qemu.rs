//! QEMU, which boots other kernels for the tests: the machine's own, or one unpacked into the tools directory.

use crate::{
    installer::{Installer, say},
    toolchain::{self, which},
    unpacked,
    workspace::Workspace,
};
use anyhow::Result;
use std::path::PathBuf;

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
        if let Err(error) = unpacked::unpack(PACKAGE, &[PROGRAM], &tools.join("qemu"), &tools.join("bin")) {
            say("QEMU", &format!("not there: {error:#}"));
        }
    }
    Ok(())
}
