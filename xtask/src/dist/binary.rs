//! The static binary: it asks nothing of a host but its kernel.
//!
//! glibc is linked in, too. Debian has no other C library for this compiler, and a binary that is linked to a shared
//! one needs at least the version that it was built with. What a static glibc cannot do is look users and hosts up by
//! name, by way of NSS, which loads shared libraries; the program does neither.

use crate::{build, toolchain, workspace::Workspace};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The profile of `Cargo.toml`.
const PROFILE: &str = "dist";

/// What glibc reads to know where names are looked up; in a binary, where one of those functions is.
const NSS: &[u8] = b"/etc/nsswitch.conf";

/// The target that the binary is for.
pub(super) fn target() -> String {
    format!("{}-unknown-linux-gnu", env::consts::ARCH)
}

/// Builds it, and sees that it is static.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let target = target();
    // With a target, the flags are for what is shipped alone, and not for build scripts and procedural macros, which
    // can't be static.
    let mut command = workspace.cargo(["build", "--package", "drain-observer", "--locked"]);
    // Beside other builds, whose directory for this profile has the name of what `dist` makes.
    let directory = workspace.target().join("static");
    command.args(["--profile", PROFILE, "--target", &target]).arg("--target-dir").arg(&directory);
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(toolchain::remapped(workspace.root()));
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let status = build::status(&mut command)?;
    ensure!(
        status.success(),
        "the static binary cannot be built ({status}); it takes glibc's static libraries (Debian: libc6-dev)"
    );
    let binary = directory.join(&target).join(PROFILE).join("drain-observer");
    check_static(&binary)?;
    check_names(&binary)?;
    Ok(binary)
}

fn check_static(binary: &Path) -> Result<()> {
    let output = Command::new("readelf")
        .args(["--wide", "--program-headers", "--dynamic"])
        .arg(binary)
        .env("LC_ALL", "C")
        .output()
        .context("cannot run readelf (Debian: binutils)")?;
    ensure!(output.status.success(), "readelf cannot read {}", binary.display());
    match needs(&String::from_utf8_lossy(&output.stdout)) {
        needs if needs.is_empty() => Ok(()),
        needs => bail!("{} is not static: {}", binary.display(), needs.join("; ")),
    }
}

/// Sees that nothing in it looks names up by NSS: for a name that is in no file, glibc would load a library of the host's
/// into a static program, which then crashes, as has been seen with libnss_systemd.
fn check_names(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    ensure!(
        !bytes.windows(NSS.len()).any(|window| window == NSS),
        "{} looks users, groups or hosts up by glibc's functions (getpwnam, getgrnam, getaddrinfo), which a static \
         program can't: read /etc/passwd and /etc/group instead",
        binary.display()
    );
    Ok(())
}

/// What a binary needs at run time, of readelf's lines.
fn needs(readelf: &str) -> Vec<&str> {
    let needs = |line: &&str| line.contains("(NEEDED)") || line.starts_with("INTERP ");
    readelf.lines().map(str::trim).filter(needs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_libraries_and_their_loader_are_noticed() {
        let static_pie = "Program Headers:\n  Type Offset\n  DYNAMIC 0x2f7d0\nDynamic section at offset 0x2:\n 0x0000000c (INIT) 0x1000\n";
        assert!(needs(static_pie).is_empty());
        let shared =
            "  INTERP         0x0350 0x0350\n 0x01 (NEEDED)             Shared library: [libc.so.6]\n";
        assert_eq!(needs(shared).len(), 2);
    }
}
