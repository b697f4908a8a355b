//! What /proc says about one process (Documentation/filesystems/proc.rst).

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};

use super::cgroup::Cgroups;
use crate::event::CommandLine;

/// One process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Process id, in the pid namespace of the /proc that was read.
    pub tgid: u32,
    /// Its parent; 0 for init, kernel threads' ancestor and parents outside the pid namespace.
    pub ppid: u32,
    /// Start time since boot in clock ticks, as /proc/PID/stat has it: together with the pid, the identity.
    pub start_ticks: u64,
    /// The same in nanoseconds, rounded down to a tick (usually 10 ms): the kernel's `start_boottime` lies
    /// less than one tick above it.
    pub start_ns: u64,
    /// Where its program and stack lie in memory, mixed to one number: chosen anew by each exec (with address space
    /// randomisation) and kept by fork, so processes that agree run one program together. 0 where it can't be read.
    pub image: u64,
    /// Its parent was started with the same command line, or one of the two continues the other: true of a master
    /// that has executed its own program again since it forked. The command lines themselves are not kept for that.
    pub same_command: bool,
    /// Its command line, where that was asked for; none for kernel threads and zombies.
    pub command: Option<Box<CommandLine>>,
    /// `comm`, at most 15 bytes of any value but 0.
    pub comm: Vec<u8>,
    /// The executable; ends in ` (deleted)` when its file is gone. None for kernel threads, zombies and
    /// where access is denied.
    pub exe: Option<PathBuf>,
    /// Inode of the network namespace; none for zombies and where access is denied.
    pub netns: Option<u64>,
    /// Its id in the innermost pid namespace that it lives in; equals `tgid` outside containers.
    pub ns_pid: u32,
    /// Its control groups.
    pub cgroups: Cgroups,
    /// The state's letter: R, S, D, T, t, Z, X, I ...
    pub state: u8,
}

/// What is told of a process besides what always is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Its command line, which may hold secrets.
    pub command_lines: bool,
}

impl ProcessInfo {
    /// Whether it has exited and only waits to be reaped (or is just being so).
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

/// Describes a process; none when there is no such process, or no more.
///
/// All answers are of one process even if its pid is reused meanwhile.
pub fn describe(pid: u32, extent: Extent) -> Option<ProcessInfo> {
    // An open /proc/PID stays with the process that it was opened for: later reads fail when it is gone.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty()).ok()?;
    let status = Status::parse(&read(&dir, "status")?)?;
    let cgroups = read(&dir, "cgroup").map(|lines| Cgroups::parse(&lines)).unwrap_or_default();
    let exe = link(&dir, "exe").map(|target| PathBuf::from(OsString::from_vec(target)));
    let netns = link(&dir, "ns/net").and_then(|target| namespace_inode(&target));
    // Last, so that a process that ended in between is described as it ended.
    let stat = Stat::parse(&read(&dir, "stat")?)?;
    let command = read(&dir, "cmdline").unwrap_or_default();
    Some(ProcessInfo {
        tgid: status.tgid,
        ppid: stat.ppid,
        start_ticks: stat.start_ticks,
        start_ns: ticks_to_ns(stat.start_ticks),
        image: stat.image,
        same_command: same_command(&command, stat.ppid),
        command: extent.command_lines.then(|| command_line(&command)).flatten().map(Box::new),
        comm: stat.comm,
        exe,
        netns,
        ns_pid: status.ns_pid,
        cgroups,
        state: stat.state,
    })
}

/// Reads /proc/PID/cmdline: arguments that end in a zero byte each, as far as the program has left them so.
pub fn command_line(bytes: &[u8]) -> Option<CommandLine> {
    let taken = &bytes[..bytes.len().min(CommandLine::MAX)];
    // Who writes a title over its arguments fills up with zero bytes.
    let end = taken.iter().rposition(|&byte| byte != 0)? + 1;
    let arguments = taken[..end].split(|&byte| byte == 0);
    let arguments = arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect();
    let truncated = bytes[taken.len()..].iter().any(|&byte| byte != 0);
    Some(CommandLine { arguments, truncated })
}

fn same_command(command: &[u8], parent: u32) -> bool {
    let parent =
        rustix::fs::open(format!("/proc/{parent}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok();
    let parent = parent.and_then(|dir| read(&dir, "cmdline")).unwrap_or_default();
    // Each argument ends in a zero byte, so that no argument is taken for the beginning of another.
    !command.is_empty() && !parent.is_empty() && (command.starts_with(&parent) || parent.starts_with(command))
}

/// What is needed of /proc/PID/stat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// As [`ProcessInfo::comm`].
    pub comm: Vec<u8>,
    /// As [`ProcessInfo::state`].
    pub state: u8,
    /// As [`ProcessInfo::ppid`].
    pub ppid: u32,
    /// As [`ProcessInfo::start_ticks`].
    pub start_ticks: u64,
    /// As [`ProcessInfo::image`].
    pub image: u64,
}

impl Stat {
    /// Reads `pid (comm) state ppid ...`: comm may hold spaces, parentheses and line ends; what follows may not.
    pub fn parse(stat: &[u8]) -> Option<Stat> {
        let open = stat.iter().position(|&byte| byte == b'(')?;
        let close = stat.iter().rposition(|&byte| byte == b')')?;
        let comm = stat.get(open + 1..close)?.to_vec();
        let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
        // The first field here is the third of the file.
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let ppid = fields.next()?.parse().ok()?;
        let start_ticks = fields.nth(22 - 5)?.parse().ok()?;
        let start_code: u64 = fields.nth(26 - 23).and_then(|field| field.parse().ok()).unwrap_or(0);
        let start_stack: u64 = fields.nth(28 - 27).and_then(|field| field.parse().ok()).unwrap_or(0);
        // Without the right to look both are 0 or 1.
        let image = if start_stack > 1 { start_code.rotate_left(32) ^ start_stack } else { 0 };
        Some(Stat { comm, state, ppid, start_ticks, image })
    }
}

/// What is needed of /proc/PID/status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// As [`ProcessInfo::tgid`].
    pub tgid: u32,
    /// As [`ProcessInfo::ns_pid`].
    pub ns_pid: u32,
}

impl Status {
    /// Reads its lines. Line ends in the name are escaped by the kernel: a line's start is what it seems.
    pub fn parse(status: &[u8]) -> Option<Status> {
        let value = |key: &[u8]| {
            let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(key))?;
            std::str::from_utf8(line).ok()
        };
        let tgid = value(b"Tgid:")?.trim().parse().ok()?;
        // Outermost to innermost; absent without CONFIG_PID_NS.
        let ns_pid = value(b"NStgid:")
            .and_then(|pids| pids.split_ascii_whitespace().next_back())
            .and_then(|pid| pid.parse().ok())
            .unwrap_or(tgid);
        Some(Status { tgid, ns_pid })
    }
}

/// The inode in a namespace link such as `net:[4026531840]`.
pub fn namespace_inode(link: &[u8]) -> Option<u64> {
    bracketed(link.strip_prefix(b"net:")?)
}

/// The number in `[123]`.
pub(super) fn bracketed(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Far above what these files hold; a cgroup path is at most 4096 bytes a line.
const MAX_FILE: u64 = 256 << 10;

fn read(dir: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let file = rustix::fs::openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    File::from(file).take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn link(dir: impl AsFd, name: &str) -> Option<Vec<u8>> {
    rustix::fs::readlinkat(dir, name, Vec::new()).ok().map(|target| target.into_bytes())
}

fn ticks_to_ns(ticks: u64) -> u64 {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let ns = u128::from(ticks) * 1_000_000_000 / u128::from(per_second);
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const ASKED: Extent = Extent { command_lines: true };

    #[test]
    fn this_process_is_described() {
        let me = describe(std::process::id(), Extent::default()).expect("this process is there");
        assert_eq!(me.command, None, "nobody asked for it");
        assert_eq!(me.tgid, std::process::id());
        assert_eq!(me.ppid, std::os::unix::process::parent_id());
        assert_eq!(me.exe, std::env::current_exe().ok());
        assert!(me.netns.is_some_and(|inode| inode > 0));
        assert!(!me.is_zombie());
        assert_ne!(me.image, 0);
        assert!(me.start_ns > 0 && me.start_ns >= me.start_ticks);
        assert_eq!(describe(u32::MAX, Extent::default()), None);
    }

    #[test]
    fn an_unreaped_child_is_a_zombie() {
        let mut child = Command::new("true").stdout(Stdio::null()).spawn().expect("a child");
        let ended = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            describe(child.id(), ASKED)
                .is_some_and(|info| info.is_zombie() && info.exe.is_none() && info.command.is_none())
        });
        child.wait().expect("the child ends");
        assert!(ended);
        assert_eq!(describe(child.id(), ASKED), None);
    }

    #[test]
    fn a_command_line_is_told_where_it_is_asked_for() {
        let me = describe(std::process::id(), ASKED).expect("this process is there");
        let own: Vec<String> = std::env::args().collect();
        assert_eq!(me.command.expect("it has arguments").arguments, own);
    }

    #[test]
    fn command_lines_are_bounded_lists() {
        let read = |bytes: &[u8]| {
            command_line(bytes).map(|command| (command.arguments.join("|"), command.truncated))
        };
        assert_eq!(read(b"puma\0-C\0a b\0\0x\0"), Some(("puma|-C|a b||x".into(), false)));
        assert_eq!(read(b"puma 5.6 [app]\0\0\0\0"), Some(("puma 5.6 [app]".into(), false)), "a title");
        assert_eq!(read(b"nginx: master process"), Some(("nginx: master process".into(), false)), "no end");
        assert_eq!(read(b"a\xff\0"), Some(("a\u{fffd}".into(), false)));
        assert_eq!((read(b""), read(b"\0\0")), (None, None));
        let long = [b"x".repeat(CommandLine::MAX), b"\0y\0".to_vec()].concat();
        assert_eq!(read(&long), Some(("x".repeat(CommandLine::MAX), true)));
        let padded = [b"x\0".to_vec(), vec![0; CommandLine::MAX]].concat();
        assert_eq!(read(&padded), Some(("x".into(), false)), "nothing was cut but zero bytes");
    }

    #[test]
    fn comm_may_hold_anything() {
        let tail = "S 77 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 123456 0 0";
        for comm in ["puma", "a b", ") S 1 (", "((", "x)\ny", "\u{e9}", ""] {
            let stat = Stat::parse(format!("42 ({comm}) {tail}\n").as_bytes()).expect("a stat line");
            assert_eq!(stat.comm, comm.as_bytes());
            assert_eq!((stat.state, stat.ppid, stat.start_ticks), (b'S', 77, 123_456), "{comm}");
        }
        for short in ["", "42", "42 (x", "42 (x)", "42 (x) S 1 2", "42 )x("] {
            assert_eq!(Stat::parse(short.as_bytes()), None, "{short}");
        }
    }

    #[test]
    fn the_innermost_pid_is_the_last() {
        let status = b"Name:\tx\nTgid:\t4242\nPid:\t4242\nNStgid:\t4242\t17\t3\nNSpid:\t4242\t17\t3\n";
        assert_eq!(Status::parse(status), Some(Status { tgid: 4242, ns_pid: 3 }));
        assert_eq!(Status::parse(b"Tgid:\t9\n"), Some(Status { tgid: 9, ns_pid: 9 }));
        assert_eq!(Status::parse(b"Name:\tTgid:\n"), None);
    }

    #[test]
    fn namespace_links_are_read() {
        assert_eq!(namespace_inode(b"net:[4026531840]"), Some(4_026_531_840));
        for bad in ["net:[]", "net:4026531840", "pid:[1]", "net:[-1]", "net:[99999999999999999999999]"] {
            assert_eq!(namespace_inode(bad.as_bytes()), None, "{bad}");
        }
    }
}
