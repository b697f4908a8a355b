//! A directory that is filled for an archive: with the modes that its files are to have, whatever the umask.

use super::read;
use crate::installer::run_quietly;
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// For everybody to run.
pub(super) const PROGRAM: u32 = 0o755;
/// For everybody to read.
pub(super) const FILE: u32 = 0o644;
const DIRECTORY: u32 = 0o755;

/// The directory.
pub(super) struct Staging {
    root: PathBuf,
}

impl Staging {
    /// An empty one, in place of whatever lay there.
    pub(super) fn begin(root: &Path) -> Result<Self> {
        if root.exists() {
            fs::remove_dir_all(root).with_context(|| format!("cannot remove {}", root.display()))?;
        }
        let staging = Self { root: root.to_path_buf() };
        staging.make_directory(root)?;
        Ok(staging)
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Copies a file into it.
    pub(super) fn copy(&self, from: &Path, to: &str, mode: u32) -> Result<()> {
        self.write(to, &read(from)?, mode)
    }

    /// Writes a file in it.
    pub(super) fn write(&self, to: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let file = self.root.join(to);
        self.make_directory(file.parent().unwrap_or(&self.root))?;
        fs::write(&file, bytes)
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Writes a file in it, compressed: without its name and time, which would differ each time.
    pub(super) fn write_compressed(&self, to: &str, bytes: &[u8]) -> Result<()> {
        let plain = to.strip_suffix(".gz").with_context(|| format!("{to} is to end with .gz"))?;
        self.write(plain, bytes, FILE)?;
        run_quietly(Command::new("gzip").args(["--best", "--no-name"]).arg(self.root.join(plain)))
    }

    /// All files in it, in order, from its root.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        self.collect(&self.root, &mut found)?;
        found.sort();
        Ok(found)
    }

    fn collect(&self, directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
        let context = || format!("cannot list {}", directory.display());
        for entry in fs::read_dir(directory).with_context(context)? {
            let entry = entry.with_context(context)?;
            if entry.file_type().with_context(context)?.is_dir() {
                self.collect(&entry.path(), found)?;
            } else if let Ok(below) = entry.path().strip_prefix(&self.root) {
                found.push(below.to_path_buf());
            }
        }
        Ok(())
    }

    fn make_directory(&self, directory: &Path) -> Result<()> {
        let context = || format!("cannot create {}", directory.display());
        fs::create_dir_all(directory).with_context(context)?;
        for directory in directory.ancestors().take_while(|ancestor| ancestor.starts_with(&self.root)) {
            fs::set_permissions(directory, fs::Permissions::from_mode(DIRECTORY)).with_context(context)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_modes_they_are_given_and_compress_to_the_same_bytes() {
        let root = std::env::temp_dir().join(format!("drain-observer-staging-{}", std::process::id()));
        let staging = Staging::begin(&root).expect("a fresh directory");
        staging.write("usr/bin/tool", b"#!/bin/sh\n", PROGRAM).expect("a file");
        staging.write_compressed("usr/share/one.gz", b"text").expect("a file");
        staging.write_compressed("usr/share/two.gz", b"text").expect("a file");
        let found: Vec<String> =
            staging.files().expect("files").iter().map(|file| file.display().to_string()).collect();
        assert_eq!(found, ["usr/bin/tool", "usr/share/one.gz", "usr/share/two.gz"]);
        let mode = |file: &str| fs::metadata(root.join(file)).expect("there").permissions().mode() & 0o7777;
        assert_eq!((mode("usr/bin/tool"), mode("usr/share/one.gz"), mode("usr")), (0o755, 0o644, 0o755));
        let read = |file: &str| fs::read(root.join(file)).expect("there");
        assert_eq!(read("usr/share/one.gz"), read("usr/share/two.gz"));
        let again = Staging::begin(&root).expect("emptied");
        assert!(again.files().expect("none").is_empty());
        fs::remove_dir_all(&root).expect("the test's own files");
    }
}
