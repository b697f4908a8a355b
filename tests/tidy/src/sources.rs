//! The checkout's files.

use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it lies, from the root of the workspace, with `/` between.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// A file that need not exist.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// The root of the workspace that this package is part of.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    tests.and_then(Path::parent).unwrap_or(Path::new("/")).to_path_buf()
}

/// All Rust files below a directory of the workspace, in order of their paths; not what cargo has built.
pub fn rust_files(root: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    collect(root, root, &mut found)?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// One file of the workspace.
pub fn read(root: &Path, path: &str) -> Result<Source> {
    let text = fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
    Ok(Source { path: path.to_owned(), text })
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && name != "target" {
                collect(root, &path, found)?;
            }
        } else if name.ends_with(".rs") {
            let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(read(root, &below)?);
        }
    }
    Ok(())
}
