//! Processes under test: the tree as /proc shows it, signals, and waiting for an exit.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
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
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces and parentheses; what follows its last parenthesis is regular.
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
