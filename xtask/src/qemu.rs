//! QEMU, which boots other kernels for the tests: the machine's own, or one unpacked into the tools directory.

use crate::{
    installer::{Installer, say},
    toolchain::{self, which},
    unpacked,
    workspace::Workspace,
};
use anyhow::Result;

/// Whether set-up provides QEMU. No test needs it to pass: failing to get it is said and no more.
const WANTED: bool = true;

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// Finds or unpacks QEMU.
pub(crate) fn prepare(installer: &mut Installer, workspace: &Workspace) -> Result<()> {
    if !WANTED {
        return Ok(());
    }
    let tools = toolchain::tools_dir(workspace.root());
    let own = tools.join("bin").join(PROGRAM);
    if let Some(found) = which(PROGRAM).or_else(|| own.is_file().then_some(own)) {
        say("QEMU", &found.display().to_string());
    } else if !installer.installs() {
        say("QEMU", &format!("not there; `apt-get install {PACKAGE}` brings it, no test fails without it"));
    } else if !installer.offers(PACKAGE)? {
        say(
            "QEMU",
            &format!("not there, and no package {PACKAGE} to take it from; no test fails without it"),
        );
    } else {
        say("QEMU", &format!("unpacking {PACKAGE} into {}", tools.display()));
        if let Err(error) = unpacked::unpack(PACKAGE, &[PROGRAM], &tools.join("qemu"), &tools.join("bin")) {
            say("QEMU", &format!("not there; no test fails without it: {error:#}"));
        }
    }
    Ok(())
}
