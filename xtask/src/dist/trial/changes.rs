//! What was changed in the tree, as the overlay's upper layer has it.

use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

/// Files that every installation and removal touches, of dpkg's and of the tools that make users; what they have in
/// between is for the test to see elsewhere.
const OF_TOOLS: [&str; 9] = [
    "var/log/dpkg.log",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/dpkg/triggers/Unincorp",
    "etc/.pwd.lock",
    // Beside passwd, group, shadow and gshadow lie their former versions, with a dash.
    "etc/*-",
];

/// Paths from the root that are not as they were: new, changed in content, or gone. In order.
pub(super) fn changes(lower: &Path, upper: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    collect(lower, upper, "", &mut found)?;
    found.retain(|path| !is_of_tools(path));
    found.sort();
    Ok(found)
}

fn collect(lower: &Path, upper: &Path, below: &str, found: &mut Vec<String>) -> Result<()> {
    let context = || format!("cannot list {}", upper.display());
    for entry in fs::read_dir(upper).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let (old, new) = (lower.join(entry.file_name()), entry.path());
        if !is_same(&old, &new).with_context(|| format!("cannot compare {path}"))? {
            found.push(path.clone());
        }
        if entry.file_type().with_context(context)?.is_dir() {
            collect(&old, &new, &path, found)?;
        }
    }
    Ok(())
}

/// Whether a file is there on both sides with the same content. What is gone is a device of its own kind in the upper layer.
fn is_same(old: &Path, new: &Path) -> Result<bool> {
    let Ok(before) = fs::symlink_metadata(old) else { return Ok(false) };
    let after = fs::symlink_metadata(new)?;
    let same_kind = before.file_type() == after.file_type();
    let same_rights = (before.mode(), before.uid(), before.gid()) == (after.mode(), after.uid(), after.gid());
    if after.file_type().is_char_device() || !same_kind || !same_rights {
        return Ok(false);
    }
    if after.is_symlink() {
        return Ok(fs::read_link(old)? == fs::read_link(new)?);
    }
    Ok(!after.is_file() || fs::read(old)? == fs::read(new)?)
}

fn is_of_tools(path: &str) -> bool {
    OF_TOOLS.iter().any(|tool| match tool.split_once('*') {
        Some((begin, end)) => path.starts_with(begin) && path.ends_with(end),
        None => path == *tool,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_a_change() {
        let root = std::env::temp_dir().join(format!("drain-observer-changes-{}", std::process::id()));
        let [lower, upper] = ["lower", "upper"].map(|name| root.join(name));
        for (layer, file, text) in [
            (&lower, "etc/passwd", "root\n"),
            (&upper, "etc/passwd", "root\n"),
            (&lower, "etc/group", "root\n"),
            (&upper, "etc/group", "root\nnew\n"),
            (&upper, "etc/group-", "root\n"),
            (&upper, "var/lib/new/file", ""),
        ] {
            let path = layer.join(file);
            fs::create_dir_all(path.parent().expect("a directory")).expect("our own");
            fs::write(path, text).expect("our own");
        }
        std::os::unix::fs::symlink("/there", upper.join("etc/link")).expect("a link");
        let found = changes(&lower, &upper).expect("both can be read");
        assert_eq!(found, ["etc/group", "etc/link", "var", "var/lib", "var/lib/new", "var/lib/new/file"]);
        fs::remove_dir_all(&root).expect("the test's own files");
    }
}
