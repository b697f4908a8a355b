//! Other tools that watch connections, to measure them under the same load: unpacked for the bench alone.

use crate::{
    installer::{Installer, say},
    toolchain, unpacked,
    workspace::Workspace,
};
use anyhow::Result;
use std::path::PathBuf;

/// Packages and the programs that the bench runs of each.
const PACKAGES: [(&str, &[&str]); 2] = [
    ("libbpf-tools", &["tcplife", "tcpstates", "sigsnoop", "execsnoop", "exitsnoop"]),
    ("bpftrace", &["bpftrace"]),
];

/// Unpacks what is not there yet. The bench does without what is not to be had, and says so.
pub(crate) fn prepare(installer: &mut Installer, workspace: &Workspace) -> Result<()> {
    for (package, programs) in PACKAGES {
        let bin = directory(workspace);
        if programs.iter().all(|program| bin.join(program).is_file()) {
            say(package, "there");
        } else if !installer.installs() {
            say(package, "not there; `cargo xtask bench` without --no-install unpacks it, or does without");
        } else if !installer.offers(package)? {
            say(package, "not there, and no package to take it from; the bench does without");
        } else {
            let root = toolchain::tools_dir(workspace.root()).join("peers").join(package);
            say(package, &format!("unpacking into {}", root.display()));
            if let Err(error) = unpacked::unpack(package, programs, &root, &bin) {
                say(package, &format!("not there; the bench does without: {error:#}"));
            }
        }
    }
    Ok(())
}

/// Where the programs are.
pub(crate) fn directory(workspace: &Workspace) -> PathBuf {
    toolchain::tools_dir(workspace.root()).join("peers/bin")
}
