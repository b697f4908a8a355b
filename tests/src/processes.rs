//! Processes under test: the tree as /proc shows it, signals, and waiting for an exit.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::wait;

/// One line of `/proc/PID/stat`, as much of it as tests need.
#[derive(Debug, Clone, Copy)]
struct Stat {
    pid: i32,
    parent: i32,
    group: i32,
    zombie: bool,
}

/// A child that is killed and collected when this is dropped.
#[derive(Debug)]
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The living children of `pid`, oldest first.
pub fn children(pid: i32) -> Vec<i32> {
    all().into_iter().filter(|stat| stat.parent == pid && !stat.zombie).map(|stat| stat.pid).collect()
}

/// Every living process of process group `group` and every one whose working directory is inside `dir`:
/// what a server has left behind, also after it became a daemon or was handed to init.
pub fn belonging(group: i32, dir: &Path) -> BTreeSet<i32> {
    let inside = |pid: i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    all()
        .into_iter()
        .filter(|stat| !stat.zombie && (stat.group == group || inside(stat.pid)))
        .map(|stat| stat.pid)
        .collect()
}

/// What a process is doing, in words.
pub fn described(pid: i32) -> String {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let state = read("status");
    let state = state.lines().find(|line| line.starts_with("State:")).unwrap_or("gone");
    format!("{pid} {} ({state}, {})", read("comm").trim(), read("wchan"))
}

/// The most memory that a process has had in RAM so far, bytes.
pub fn peak_memory(pid: i32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("reading a process's status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM there")?;
    let kib: u64 = line.trim_end_matches("kB").trim().parse().context("VmHWM is a number")?;
    Ok(kib * 1024)
}

/// Starts a program as the process `pid`, which must be free; it says nothing, and is collected with waitpid(2).
pub fn start_as(pid: i32, program: &CStr, args: &[&CStr]) -> nix::Result<Pid> {
    let null = File::options().read(true).write(true).open("/dev/null").map_err(|_| Errno::EIO)?;
    let mut argv: Vec<*const c_char> =
        std::iter::once(program).chain(args.iter().copied()).map(CStr::as_ptr).collect();
    argv.push(std::ptr::null());
    // SAFETY: all zeroes is a valid clone_args.
    let mut wanted: libc::clone_args = unsafe { std::mem::zeroed() };
    wanted.exit_signal = libc::SIGCHLD.unsigned_abs().into();
    wanted.set_tid = std::ptr::from_ref(&pid).expose_provenance() as u64;
    wanted.set_tid_size = 1;
    // SAFETY: as fork(2): the child has a copy of this process's memory and no other thread, and until it executes the
    // program or ends it only calls dup2(2), execv(2) and _exit(2), which are async-signal-safe.
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw const wanted, size_of::<libc::clone_args>()) };
    match child {
        0 => {
            // SAFETY: as above; `argv` ends with a null pointer, and what it points to is borrowed.
            unsafe {
                for fd in 0..3 {
                    libc::dup2(null.as_raw_fd(), fd);
                }
                libc::execv(program.as_ptr(), argv.as_ptr());
                libc::_exit(127)
            }
        }
        child => Errno::result(child).map(|_| Pid::from_raw(pid)),
    }
}

/// Whether `pid` runs (a zombie does not).
pub fn alive(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !stat.zombie)
}

/// Sends `signal` to one process.
pub fn send(pid: i32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(pid), signal).with_context(|| format!("sending {signal} to process {pid}"))
}

/// Sends `signal` to every process of a group.
pub fn send_group(group: i32, signal: Signal) -> Result<()> {
    killpg(Pid::from_raw(group), signal).with_context(|| format!("sending {signal} to process group {group}"))
}

/// Waits until the process is dead, whether or not it is a child of ours and whether or not it was reaped.
pub fn wait_for_exit(pid: i32, limit: Duration) -> Result<()> {
    let Some(handle) = open(pid)? else { return Ok(()) };
    let limit = wait::patient(limit);
    let timeout = PollTimeout::try_from(limit).context("the limit does not fit poll(2)")?;
    let mut fds = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, timeout) {
            Ok(0) => bail!("process {pid} still runs after {limit:?}"),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("polling a pidfd"),
        }
    }
}

/// A pidfd, or nothing when no such process exists any more.
fn open(pid: i32) -> Result<Option<OwnedFd>> {
    // SAFETY: pidfd_open(2) takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd >= 0 {
        let fd = i32::try_from(fd).context("a file descriptor fits an int")?;
        // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }));
    }
    match Errno::last() {
        Errno::ESRCH => Ok(None),
        error => Err(error).with_context(|| format!("pidfd_open of process {pid}")),
    }
}

fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut stats: Vec<Stat> = pids.filter_map(stat).collect();
    stats.sort_by_key(|stat| stat.pid);
    stats
}

fn stat(pid: i32) -> Option<Stat> {
    // The command name may be no text.
    let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // It may hold spaces and parentheses; what follows its last parenthesis is regular.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Stat {
        pid,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn follows_a_child_to_its_end() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat runs");
        let pid = i32::try_from(child.id()).expect("a pid fits");
        let own = i32::try_from(std::process::id()).expect("a pid fits");
        assert!(alive(pid) && children(own).contains(&pid));
        assert!(wait_for_exit(pid, Duration::from_millis(1)).is_err());
        send(pid, Signal::SIGKILL).expect("our child");
        wait_for_exit(pid, Duration::from_secs(5)).expect("killed");
        assert!(!alive(pid), "a zombie is not alive");
        child.wait().expect("our child");
        wait_for_exit(pid, Duration::from_secs(5)).expect("gone altogether");
    }
}
