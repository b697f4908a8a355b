//! Installs bpf-linker into the project's own tools directory.

use crate::{
    installer::{Installer, say},
    packages,
    toolchain::{self, BpfToolchain},
    workspace::Workspace,
};
use anyhow::Result;
use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::Command,
};

const VERSION: &str = "0.13.0";

/// The LLVM versions this bpf-linker can be built with.
const LLVM_VERSIONS: RangeInclusive<u32> = 21..=23;

/// Finds or installs bpf-linker for a compiler; `None` where the compiler itself is still to be installed.
///
/// Returns where it is, or where it will be once a person has run the commands.
pub(crate) fn prepare(
    installer: &mut Installer,
    workspace: &Workspace,
    compiler: Option<&BpfToolchain>,
) -> Result<PathBuf> {
    if let Ok(found) = toolchain::find_linker(workspace.root()) {
        say("bpf-linker", &found.display().to_string());
        return Ok(found);
    }
    let tools = toolchain::tools_dir(workspace.root());
    if compiler.is_none() && !installer.offers(packages::BPF_CORE)? {
        installer
            .by_hand("# then run set-up again: which bpf-linker fits depends on that compiler".to_owned());
        return Ok(tools.join("bin/bpf-linker"));
    }
    let llvm = compiler.and_then(llvm_of).unwrap_or(packages::DEBIAN_LLVM);
    let prefix = format!("/usr/lib/llvm-{llvm}");
    let llvm_is_here = Path::new(&prefix).join("bin/llvm-config").exists();
    let offered = llvm_is_here || installer.offers(&format!("llvm-{llvm}-dev"))? || !installer.installs();
    if LLVM_VERSIONS.contains(&llvm) && offered {
        if !llvm_is_here || !packages::CXX.is_installed() {
            installer.packages("bpf-linker", &packages::for_linker(llvm))?;
        }
        installer.command("bpf-linker", &mut install_command(workspace, &tools, &prefix, llvm))?;
    } else {
        installer.by_hand(format!(
            "# put a release binary of bpf-linker that reads LLVM {llvm} (the compiler's) into {}",
            tools.join("bin").display()
        ));
    }
    Ok(tools.join("bin/bpf-linker"))
}

fn install_command(workspace: &Workspace, tools: &Path, prefix: &str, llvm: u32) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["install", "bpf-linker", "--quiet", "--locked", "--version", VERSION])
        .args(["--no-default-features", "--features", &format!("llvm-{llvm}")])
        .arg("--root")
        .arg(tools)
        .arg("--target-dir")
        .arg(workspace.target().join("tools-build"))
        .env("LLVM_PREFIX", prefix);
    command
}

/// The major version of the LLVM a compiler was built with: its bitcode is what the linker must read.
fn llvm_of(compiler: &BpfToolchain) -> Option<u32> {
    let output = compiler.rustc().arg("-vV").output().ok()?;
    parse_llvm(&String::from_utf8_lossy(&output.stdout))
}

fn parse_llvm(version: &str) -> Option<u32> {
    let llvm = version.lines().find_map(|line| line.strip_prefix("LLVM version:"))?;
    llvm.trim().split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_tells_its_llvm() {
        assert_eq!(
            parse_llvm("rustc 1.96.0\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.8\n"),
            Some(22)
        );
        assert_eq!(parse_llvm("rustc 1.96.0\n"), None);
    }
}
