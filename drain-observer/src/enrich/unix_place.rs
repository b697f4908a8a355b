//! Where names of unix sockets lead to. One file has many names: relative to a working directory, through links, in a
//! mount namespace of one's own; it is known by its directory and its name in there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::event::{ListenerKey, Local, UnixPath};

/// Places of closed listeners that are remembered.
const MAX_FORMER: usize = 256;
/// Names of clients that are remembered.
const MAX_LEADS: usize = 4_096;
/// Files that are remembered.
const MAX_SPOTS: usize = 32_768;
/// What a name led to so lately is not looked at again.
const FRESH: Duration = Duration::from_millis(5);
/// Nor is the listener looked for again within this.
const FOLLOWED: Duration = Duration::from_secs(1);

/// Which listeners clients' names lead to.
#[derive(Debug, Default)]
pub struct Places {
    /// By where their files are; of those that are gone, too.
    spots: BTreeMap<Spot, ListenerKey>,
    /// Places that somebody listened at, the last of them.
    former: VecDeque<ListenerKey>,
    /// What names led to, by process.
    leads: BTreeMap<(u32, UnixPath), Lead>,
}

/// What a name leads to.
#[derive(Debug, Clone, Copy)]
pub struct Lead {
    /// The listener, if there is or was one.
    pub place: Option<ListenerKey>,
    /// Whether there is a file; `None` where that can't be told.
    pub file: Option<bool>,
    /// Whether the listener's queue was full at the last look.
    pub full: bool,
    seen: Instant,
}

impl Places {
    /// Somebody, `holder`, listens at a name.
    pub fn opened(&mut self, name: &UnixPath, holder: Option<u32>, place: ListenerKey) {
        if let Some(spot) = holder.and_then(|pid| Spot::of(name, pid)) {
            self.spots.insert(spot, place);
        }
    }

    /// Nobody listens at a place any more.
    pub fn closed(&mut self, place: ListenerKey) {
        if !self.former.contains(&place) {
            self.former.push_back(place);
            if self.former.len() > MAX_FORMER {
                self.former.pop_front();
            }
        }
    }

    /// Other listeners opened: names may lead elsewhere from now on. `open`: those that there are.
    pub fn changed(&mut self, open: impl Iterator<Item = ListenerKey>) {
        self.leads.clear();
        if self.spots.len() > MAX_SPOTS {
            let open: BTreeSet<ListenerKey> = open.collect();
            self.spots.retain(|_, place| open.contains(place));
        }
    }

    /// Where a name leads to for a process in a network namespace. `open`: the listeners that there are, and whether their
    /// queues are full.
    pub fn lead<'a>(
        &mut self,
        name: UnixPath,
        pid: u32,
        netns: u32,
        open: impl Iterator<Item = (&'a ListenerKey, bool)> + Clone,
    ) -> Lead {
        // Some other process may have the number by now.
        let known = self.leads.get(&(pid, name)).copied().filter(|lead| lead.seen.elapsed() < FOLLOWED);
        if let Some(lead) = known.filter(|lead| lead.seen.elapsed() < FRESH) {
            return lead;
        }
        let place = match known {
            Some(lead) => lead.place,
            None => self.place_of(&name, pid, netns, open.clone().map(|(place, _)| place)),
        };
        let full = place.is_some_and(|place| open.clone().any(|(other, full)| *other == place && full));
        let lead = Lead { place, file: exists(&name, pid), full, seen: Instant::now() };
        if self.leads.len() >= MAX_LEADS {
            self.leads.clear();
        }
        self.leads.insert((pid, name), lead);
        lead
    }

    fn place_of<'a>(
        &'a self,
        name: &UnixPath,
        pid: u32,
        netns: u32,
        open: impl Iterator<Item = &'a ListenerKey> + Clone,
    ) -> Option<ListenerKey> {
        if let Some(place) = Spot::of(name, pid).and_then(|spot| self.spots.get(&spot)) {
            return Some(*place);
        }
        // The client may be gone. Names in the file system are one for all network namespaces.
        let own = ListenerKey { netns, local: Local::Unix(*name) };
        let mut known = open.chain(self.spots.values()).chain(&self.former);
        let other = |place: &&ListenerKey| place.local == own.local && !name.is_abstract();
        let exactly = known.clone().find(|place| **place == own);
        exactly.or_else(|| known.find(other)).copied()
    }
}

/// The whole path of a name relative to a process's working directory, as that process sees it. Other names, and what
/// comes out too long for a name, stay as they are.
pub fn absolute(name: &UnixPath, pid: u32) -> UnixPath {
    let whole = || {
        let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        let path = directory.join(OsStr::from_bytes(name.as_bytes()));
        let plain: PathBuf = path.components().collect();
        let bytes = plain.as_os_str().as_bytes();
        (bytes.len() <= UnixPath::MAX).then(|| UnixPath::new(bytes))
    };
    is_relative(name).then(whole).flatten().unwrap_or(*name)
}

/// Whether a name leads somewhere else for each working directory.
pub fn is_relative(name: &UnixPath) -> bool {
    name.as_bytes().first().is_some_and(|first| !matches!(first, 0 | b'/'))
}

/// A file's directory (device and inode) and its name in there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    device: u64,
    directory: u64,
    file: OsString,
}

impl Spot {
    /// What a name means to a process; `None` for an abstract name, and where it can't be told.
    fn of(name: &UnixPath, pid: u32) -> Option<Spot> {
        let path = in_files(name)?;
        let directory = open_as_seen_by(path.parent()?, pid)?.ok()?;
        let directory = rustix::fs::fstat(directory).ok()?;
        Some(Spot {
            device: directory.st_dev,
            directory: directory.st_ino,
            file: path.file_name()?.to_owned(),
        })
    }
}

/// Whether there is a file of that name for a process; `None` where that can't be told.
fn exists(name: &UnixPath, pid: u32) -> Option<bool> {
    match open_as_seen_by(in_files(name)?, pid)? {
        Ok(_) => Some(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Some(false),
        Err(_) => None,
    }
}

/// The path that a name is in the file system; `None` for an abstract one.
fn in_files(name: &UnixPath) -> Option<&Path> {
    let name = name.as_bytes();
    name.first().filter(|first| **first != 0).map(|_| Path::new(OsStr::from_bytes(name)))
}

/// Opens what a path leads to for a process, or its error; `None` without the process. Also the links in a whole path
/// are the process's own: those of a container lead nowhere out of it.
fn open_as_seen_by(path: &Path, pid: u32) -> Option<Result<OwnedFd, Errno>> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let open = |what: &str| rustix::fs::open(format!("/proc/{pid}/{what}"), flags, Mode::empty()).ok();
    if path.is_absolute() {
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        return Some(rustix::fs::openat2(open("root")?, path, flags, Mode::empty(), within));
    }
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Some(rustix::fs::openat(open("cwd")?, path, flags, Mode::empty()))
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
