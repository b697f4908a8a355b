//! What processes have used, as the kernel accounts for it.

use anyhow::{Context as _, Result};
use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::TimeVal,
};
use std::{fs, time::Duration};

/// What a process has used since it began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Process {
    /// Seconds on a processor, of all threads that live.
    pub(crate) cpu: f64,
    /// How often a thread went to sleep of its own.
    pub(crate) sleeps: u64,
}

/// Memory of a process that is in RAM, bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) now: f64,
    /// The most so far.
    pub(crate) peak: f64,
}

impl Process {
    /// Up to now.
    pub(crate) fn now(pid: i32) -> Result<Self> {
        let mut used = Self { cpu: 0.0, sleeps: 0 };
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
            let task = task?.path();
            // A thread may end meanwhile.
            let (Ok(time), Ok(status)) =
                (fs::read_to_string(task.join("schedstat")), fs::read_to_string(task.join("status")))
            else {
                continue;
            };
            let ns: f64 = time.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default();
            used.cpu += ns / 1e9;
            used.sleeps += field(&status, "voluntary_ctxt_switches").unwrap_or_default();
        }
        Ok(used)
    }
}

impl Memory {
    /// Of a process.
    pub(crate) fn of(pid: i32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let bytes = |name| field(&text, name).map(|kib| kib as f64 * 1024.0);
        let lacks = || format!("{path} says nothing of memory");
        Ok(Self { now: bytes("VmRSS").with_context(lacks)?, peak: bytes("VmHWM").with_context(lacks)? })
    }
}

/// CPU time of this process, of threads that have ended too, seconds.
pub(crate) fn own_cpu() -> Result<f64> {
    Ok(seconds(&getrusage(UsageWho::RUSAGE_SELF).context("asking what this process used")?))
}

/// CPU time of the children of this process that were waited for, seconds.
pub(crate) fn children_cpu() -> Result<f64> {
    Ok(seconds(&getrusage(UsageWho::RUSAGE_CHILDREN).context("asking what children used")?))
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    drain_observer::clock::thread_cpu_time()
}

/// Number of processors.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn seconds(usage: &Usage) -> f64 {
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

fn field(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t    1024 kB\nnonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t7\n";
        assert_eq!(field(status, "VmRSS"), Some(1024));
        assert_eq!(field(status, "voluntary_ctxt_switches"), Some(7));
        assert_eq!(field(status, "Vm"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let pid = i32::try_from(std::process::id()).expect("a pid fits an int");
        assert!(Memory::of(pid).expect("our own").now > 0.0);
        assert!(Process::now(pid).expect("our own").cpu > 0.0);
        assert!(own_cpu().expect("our own") > 0.0);
    }
}
