//! One pass over /proc/*/fd: which processes hold which sockets, and which network namespaces there are.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::process::{bracketed, namespace_inode};

/// Finds the holders of sockets among the processes given, or among all of them.
///
/// `wanted` are socket inodes; without it every socket is listed. Threads with descriptors or a network
/// namespace of their own are not told apart from their process. Processes may come and go meanwhile.
pub fn scan(
    pids: Option<&[u32]>,
    wanted: Option<&HashSet<u64>>,
    limits: &Limits,
) -> Result<ScanResult, ScanError> {
    let mut scanner = Scanner::new(wanted, limits)?;
    for pid in scanner.pids(pids)? {
        scanner.examine(pid);
    }
    let mut result = scanner.result;
    for holders in result.holders.values_mut() {
        holders.dedup();
    }
    Ok(result)
}

/// The network namespaces that processes live in, by inode, each with the lowest pid in it.
pub fn network_namespaces() -> Result<BTreeMap<u64, u32>, ScanError> {
    let limits = Limits::default();
    let mut scanner = Scanner::new(None, &limits)?;
    for pid in scanner.pids(None)? {
        scanner.note_namespace(pid);
    }
    Ok(scanner.result.namespaces)
}

/// How far a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Descriptors looked at in one process.
    pub per_process: u64,
    /// Descriptors looked at in all.
    pub total: u64,
}

impl Default for Limits {
    /// Room for servers with a million connections; 16 million descriptors take about a minute.
    fn default() -> Limits {
        Limits { per_process: 1 << 21, total: 1 << 24 }
    }
}

/// What a scan found, and what it did not see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanResult {
    /// Socket inode to the processes that hold it, ascending.
    pub holders: BTreeMap<u64, Vec<u32>>,
    /// Network namespace inode to the lowest pid in it.
    pub namespaces: BTreeMap<u64, u32>,
    /// Processes whose descriptors were looked at.
    pub processes: u64,
    /// Descriptors looked at.
    pub descriptors: u64,
    /// Processes that were gone before or while they were looked at.
    pub vanished: u64,
    /// Processes whose descriptors may not be seen.
    pub denied: u64,
    /// Processes that could not be looked into for another reason, such as a lack of descriptors here.
    pub failed: u64,
    /// Processes with more descriptors than [`Limits::per_process`]; the rest of theirs was not seen.
    pub over_process_limit: u64,
    /// Processes not seen, or not to their end, because of [`Limits::total`].
    pub over_total_limit: u64,
}

impl ScanResult {
    /// Whether every descriptor of every living process was seen.
    pub fn is_complete(&self) -> bool {
        self.denied == 0 && self.failed == 0 && self.over_process_limit == 0 && self.over_total_limit == 0
    }
}

/// Why there was no scan.
#[derive(Debug, thiserror::Error)]
#[error("listing the processes in /proc: {source}; is /proc mounted and readable?")]
pub struct ScanError {
    #[from]
    source: Errno,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// `socket:[18446744073709551615]` takes 29 bytes; what is longer is no socket.
const LINK: usize = 64;

struct Scanner<'a> {
    proc: OwnedFd,
    wanted: Option<&'a HashSet<u64>>,
    limits: &'a Limits,
    entries: Vec<MaybeUninit<u8>>,
    path: String,
    result: ScanResult,
}

impl<'a> Scanner<'a> {
    fn new(wanted: Option<&'a HashSet<u64>>, limits: &'a Limits) -> Result<Scanner<'a>, ScanError> {
        let proc = rustix::fs::open("/proc", DIRECTORY, Mode::empty())?;
        let entries = vec![MaybeUninit::uninit(); 32 << 10];
        Ok(Scanner { proc, wanted, limits, entries, path: String::new(), result: ScanResult::default() })
    }

    /// Ascending, each once.
    fn pids(&mut self, given: Option<&[u32]>) -> Result<Vec<u32>, ScanError> {
        let mut pids = match given {
            Some(given) => given.to_vec(),
            None => self.all_pids()?,
        };
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    fn all_pids(&mut self) -> Result<Vec<u32>, ScanError> {
        let mut pids = Vec::new();
        let mut entries = RawDir::new(&self.proc, &mut self.entries);
        while let Some(entry) = entries.next() {
            pids.extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
        }
        Ok(pids)
    }

    fn examine(&mut self, pid: u32) {
        if self.result.descriptors >= self.limits.total {
            self.result.over_total_limit += 1;
            return;
        }
        self.note_namespace(pid);
        match self.note_sockets(pid) {
            Ok(()) => self.result.processes += 1,
            Err(Errno::NOENT | Errno::SRCH) => self.result.vanished += 1,
            Err(Errno::ACCESS | Errno::PERM) => self.result.denied += 1,
            Err(_) => self.result.failed += 1,
        }
    }

    /// Pids come in ascending order: the first of a namespace is the lowest.
    fn note_namespace(&mut self, pid: u32) {
        let mut buffer = [MaybeUninit::uninit(); LINK];
        let path = path(&mut self.path, pid, "ns/net");
        if let Ok((link, _)) = rustix::fs::readlinkat_raw(&self.proc, path, &mut buffer)
            && let Some(inode) = namespace_inode(link)
        {
            self.result.namespaces.entry(inode).or_insert(pid);
        }
    }

    fn note_sockets(&mut self, pid: u32) -> Result<(), Errno> {
        let path = path(&mut self.path, pid, "fd");
        let dir = rustix::fs::openat(&self.proc, path, DIRECTORY, Mode::empty())?;
        let mut buffer = [MaybeUninit::uninit(); LINK];
        let mut seen = 0;
        let mut entries = RawDir::new(&dir, &mut self.entries);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if entry.file_name().to_bytes().starts_with(b".") {
                continue;
            }
            if seen >= self.limits.per_process {
                self.result.over_process_limit += 1;
                return Ok(());
            }
            if self.result.descriptors >= self.limits.total {
                self.result.over_total_limit += 1;
                return Ok(());
            }
            seen += 1;
            self.result.descriptors += 1;
            let link = match rustix::fs::readlinkat_raw(&dir, entry.file_name(), &mut buffer) {
                Ok((link, _)) => link,
                // Closed since the directory was read.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            };
            if let Some(inode) = socket_inode(link)
                && self.wanted.is_none_or(|wanted| wanted.contains(&inode))
            {
                self.result.holders.entry(inode).or_default().push(pid);
            }
        }
        Ok(())
    }
}

fn path<'a>(buffer: &'a mut String, pid: u32, rest: &str) -> &'a str {
    buffer.clear();
    // Writing to a string does not fail.
    let _ = write!(buffer, "{pid}/{rest}");
    buffer
}

fn socket_inode(link: &[u8]) -> Option<u64> {
    bracketed(link.strip_prefix(b"socket:")?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::TcpListener;
    use std::os::fd::{AsFd, AsRawFd};
    use std::process::{Command, Stdio};

    use super::*;

    fn inode_of(socket: &impl AsRawFd) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("a descriptor");
        socket_inode(link.as_os_str().as_encoded_bytes()).expect("a socket")
    }

    #[test]
    fn holders_of_a_shared_socket_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let other = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let inode = inode_of(&listener);
        // The child has it as its standard input.
        let shared = listener.as_fd().try_clone_to_owned().expect("a duplicate");
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::from(shared)).spawn().expect("a child");
        let wanted = HashSet::from([inode]);
        let all = scan(None, Some(&wanted), &Limits::default());
        let one = scan(Some(&[child.id(), child.id()]), None, &Limits::default());
        child.kill().expect("the child can be killed");
        child.wait().expect("the child ends");
        let (all, one) = (all.expect("a scan"), one.expect("a scan"));

        let mut holders = vec![std::process::id(), child.id()];
        holders.sort_unstable();
        assert_eq!(all.holders, BTreeMap::from([(inode, holders)]));
        assert!(!all.holders.contains_key(&inode_of(&other)), "not wanted");
        assert_eq!(one.holders.get(&inode), Some(&vec![child.id()]));
        assert_eq!((one.processes, one.vanished), (1, 0), "a pid given twice is examined once");
    }

    #[test]
    fn a_process_that_is_gone_is_counted() {
        let result = scan(Some(&[u32::MAX]), None, &Limits::default()).expect("a scan");
        assert_eq!((result.vanished, result.processes), (1, 0));
        assert!(result.is_complete());
    }

    #[test]
    fn limits_that_bite_are_counted() {
        let me = [std::process::id()];
        let _files: Vec<File> = (0..8).map(|_| File::open("/dev/null").expect("a file")).collect();
        let few = scan(Some(&me), None, &Limits { per_process: 4, total: 100 }).expect("a scan");
        assert_eq!((few.descriptors, few.over_process_limit, few.over_total_limit), (4, 1, 0));
        assert!(!few.is_complete());
        let few = scan(Some(&me), None, &Limits { per_process: 100, total: 4 }).expect("a scan");
        assert_eq!((few.descriptors, few.over_process_limit, few.over_total_limit), (4, 0, 1));
        let none = scan(None, None, &Limits { per_process: 1, total: 0 }).expect("a scan");
        assert_eq!((none.descriptors, none.processes), (0, 0));
        assert!(none.over_total_limit > 0);
    }

    #[test]
    fn namespaces_have_a_process_each() {
        let namespaces = network_namespaces().expect("a scan");
        let own =
            super::super::process::describe(std::process::id(), super::super::process::Extent::default())
                .and_then(|me| me.netns);
        let first = namespaces.get(&own.expect("a namespace")).expect("listed");
        assert!(*first <= std::process::id());
    }

    #[test]
    fn only_sockets_are_sockets() {
        assert_eq!(socket_inode(b"socket:[123]"), Some(123));
        for other in ["pipe:[123]", "/tmp/socket:[123]", "socket:[", "socket:[x]", "anon_inode:[eventpoll]"] {
            assert_eq!(socket_inode(other.as_bytes()), None, "{other}");
        }
    }
}
