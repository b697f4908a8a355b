//! Where names of unix sockets lead to. One file has many names: relative to a working directory, through links, in a
//! mount namespace of one's own; it is known by its directory and its name in there.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::event::UnixPath;

/// A file's directory (device and inode) and its name in there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    device: u64,
    directory: u64,
    file: OsString,
}

impl Spot {
    /// What a name means to a process; `None` for an abstract name, and where it can't be told.
    pub fn of(name: &UnixPath, pid: u32) -> Option<Spot> {
        let path = seen_from(name, pid)?;
        let directory = fs::metadata(path.parent()?).ok()?;
        Some(Spot { device: directory.dev(), directory: directory.ino(), file: path.file_name()?.to_owned() })
    }
}

/// Whether there is a file of that name for a process; `None` where that can't be told.
pub fn exists(name: &UnixPath, pid: u32) -> Option<bool> {
    let path = seen_from(name, pid)?;
    // Without the process nothing is known.
    fs::metadata(format!("/proc/{pid}/root")).ok()?;
    Some(fs::metadata(path).is_ok())
}

/// The whole path of a name relative to a process's working directory, as that process sees it. Other names, and what
/// comes out too long for a name, stay as they are.
pub fn absolute(name: &UnixPath, pid: u32) -> UnixPath {
    let relative = name.as_bytes().first().is_some_and(|first| !matches!(first, 0 | b'/'));
    let whole = || {
        let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        let path = directory.join(Path::new(&OsString::from_vec(name.as_bytes().to_vec())));
        let plain: PathBuf = path.components().collect();
        let bytes = plain.as_os_str().as_bytes();
        (bytes.len() <= UnixPath::MAX).then(|| UnixPath::new(bytes))
    };
    relative.then(whole).flatten().unwrap_or(*name)
}

/// A path that leads to the same file from here as the name does for a process.
fn seen_from(name: &UnixPath, pid: u32) -> Option<PathBuf> {
    if name.is_abstract() || name.as_bytes().is_empty() {
        return None;
    }
    let name = OsString::from_vec(name.as_bytes().to_vec());
    let path = Path::new(&name);
    Some(match path.strip_prefix("/") {
        Ok(inside) => PathBuf::from(format!("/proc/{pid}/root")).join(inside),
        Err(_) => PathBuf::from(format!("/proc/{pid}/cwd")).join(path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_many_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let other = tempfile::tempdir().expect("another");
        let link = other.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).expect("a link");
        let pid = std::process::id();
        let spot = |path: &Path| Spot::of(&UnixPath::new(path.as_os_str().as_bytes()), pid);
        let direct = spot(&dir.path().join("s"));
        assert!(direct.is_some());
        assert_eq!(spot(&link.join("s")), direct);
        assert_ne!(spot(&link.join("t")), direct);
        let cwd = std::env::current_dir().expect("a directory to be in");
        assert_eq!(Spot::of(&UnixPath::new(b"s"), pid), spot(&cwd.join("s")));
        assert_eq!(Spot::of(&UnixPath::new(b"\0s"), pid), None);
        assert_eq!(Spot::of(&UnixPath::new(b"/s"), u32::MAX), None);
        assert_eq!(exists(&UnixPath::new(b"/"), pid), Some(true));
        assert_eq!(exists(&UnixPath::new(b"/no such file"), pid), Some(false));
        assert_eq!(exists(&UnixPath::new(b"/"), u32::MAX), None);
    }

    #[test]
    fn relative_names_become_whole() {
        let pid = std::process::id();
        let cwd = std::env::current_dir().expect("a directory to be in");
        let whole = UnixPath::new(cwd.join("tmp/s").as_os_str().as_bytes());
        assert_eq!(absolute(&UnixPath::new(b"./tmp/s"), pid), whole);
        for name in [&b"/s"[..], b"\0s", b""] {
            assert_eq!(absolute(&UnixPath::new(name), pid), UnixPath::new(name));
        }
        assert_eq!(absolute(&UnixPath::new(&[b'a'; 108]), pid), UnixPath::new(&[b'a'; 108]));
        assert_eq!(absolute(&UnixPath::new(b"s"), u32::MAX), UnixPath::new(b"s"));
    }
}
