//! Where the workspace lies, and cargo commands in it.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace this program was built from.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    metadata: Value,
}

impl Workspace {
    /// Asks cargo about the workspace.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in no workspace; run it as `cargo xtask` in a checkout of the project")?
            .to_path_buf();
        let output = cargo_in(&root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot run `cargo metadata`; is cargo on PATH?")?;
        if !output.status.success() {
            bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Value =
            serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")?;
        let target =
            metadata["target_directory"].as_str().context("`cargo metadata` names no target")?.into();
        Ok(Self { root, target, metadata })
    }

    /// The root directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory cargo builds into.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The release binary of the observer.
    pub(crate) fn observer(&self) -> PathBuf {
        self.target.join("release/drain-observer")
    }

    /// A cargo command in the root directory, with the toolchain that built this program.
    pub(crate) fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = cargo_in(&self.root);
        command.args(arguments);
        command
    }

    /// The version that all its packages have.
    pub(crate) fn version(&self) -> &str {
        let packages = self.metadata["packages"].as_array().into_iter().flatten();
        let versions = packages.filter_map(|package| package["version"].as_str());
        versions.max().unwrap_or_default()
    }

    /// The names of a package's targets of a kind: `bin`, `test`.
    pub(crate) fn targets(&self, package: &str, kind: &str) -> Vec<&str> {
        let packages = self.metadata["packages"].as_array().into_iter().flatten();
        packages
            .filter(|candidate| candidate["name"] == package)
            .flat_map(|package| package["targets"].as_array().into_iter().flatten())
            .filter(|target| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind)))
            .filter_map(|target| target["name"].as_str())
            .collect()
    }
}

fn cargo_in(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root);
    command
}
