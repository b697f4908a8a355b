//! Process ids that come again, and those that begin anew at their end.

use std::ffi::CString;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use drain_observer_tests::servers::prefork::Prefork;
use drain_observer_tests::truth::Fate;
use drain_observer_tests::{load, processes, wait};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{LIMIT, agree, busy, live, observe, prefork, prefork_program, queued};

/// The new master gets the old one's pid, and before that a stranger a worker's: it is another process all the same, and
/// the stranger's death is none of the service's business.
#[test]
fn pids_are_used_again() {
    live("faults::pids::pids_are_used_again", &[], || replaced("faults-pids-used-again", |old| old));
}

/// The new master has one of the last pids there are, and its workers begin again at the first.
#[test]
fn pids_wrap() {
    live("faults::pids::pids_wrap", &[], || {
        let limit = fs::read_to_string("/proc/sys/kernel/pid_max").context("asking for the highest pid")?;
        let last: i32 = limit.trim().parse::<i32>().context("a pid")? - 1;
        replaced("faults-pids-wrap", |_| last)
    });
}

/// A server with a full queue is stopped, and started again as this process.
fn replaced(name: &str, next: impl FnOnce(i32) -> i32) -> Result<()> {
    let prefork = prefork()?.workers(2);
    let mut old = prefork.start()?;
    let (master, workers) = (old.started(), old.wait_for_workers(2, LIMIT)?);
    let mut scenario = observe(name, &old)?;
    let busy = busy(old.address(), 2, 2_000)?;
    let queued = queued(old.address(), 5)?;
    old.signal(Signal::SIGTERM)?;
    old.wait_for_exit(LIMIT)?;
    old.wait_until_gone(LIMIT)?;
    scenario.saw(busy.join());
    scenario.saw(queued.join());

    let stranger = start_as(workers[0], "/bin/sleep", &["60"])?;
    processes::send(workers[0], Signal::SIGTERM)?;
    let status = waitpid(stranger, None).context("waiting for the stranger")?;
    ensure!(matches!(status, WaitStatus::Signaled(_, Signal::SIGTERM, _)), "it ended with {status:?}");

    let new = New::start(next(master), &prefork)?;
    scenario.saw(new.probes.iter().cloned());
    let observed = agree(scenario)?;
    observed.expect_outcome("queue_reset", 5)?;
    let restart = observed.expect_restart("replace", "lossy")?;
    observed.expect_cause("target", "pid", master)?;
    let generations = restart["generations"].as_array().context("an array")?;
    let masters = |old: bool| -> Vec<&Value> {
        let these = generations.iter().filter(|one| one["old"] == old);
        let members = these.filter_map(|one| one["processes"].as_array()).flatten();
        members.filter(|process| process["master"] == true).map(|process| &process["pid"]).collect()
    };
    ensure!(masters(true) == [master] && masters(false) == [new.pid.as_raw()], "{generations:?}");
    let told = restart["signals"].as_array().context("an array")?;
    ensure!(told.iter().filter(|signal| signal["target"]["pid"] == workers[0]).count() <= 1, "{told:?}");
    Ok(())
}

/// A server that runs as the process that was wanted. Dropping it stops it.
struct New {
    pid: Pid,
    probes: Vec<Fate>,
}

impl New {
    fn start(pid: i32, prefork: &Prefork<'_>) -> Result<Self> {
        let program = prefork_program().to_str().context("a plain path")?;
        let address = prefork.address().to_string();
        let pid = start_as(pid, program, &["--listen", &address, "--workers", "2"])?;
        let mut new = Self { pid, probes: Vec::new() };
        new.probes = load::wait_until_served(prefork.address(), None, LIMIT)?;
        Ok(new)
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // Its workers end when it does; it may have ended already, and either way it is collected.
        let _ = processes::send(self.pid.as_raw(), Signal::SIGTERM);
        let _ = processes::wait_for_exit(self.pid.as_raw(), LIMIT);
        let _ = processes::send(self.pid.as_raw(), Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// As [`processes::start_as`], as soon as the pid is free.
fn start_as(pid: i32, program: &str, args: &[&str]) -> Result<Pid> {
    let program = CString::new(program)?;
    let args = args.iter().map(|arg| CString::new(*arg)).collect::<Result<Vec<_>, _>>()?;
    let args: Vec<_> = args.iter().map(CString::as_c_str).collect();
    wait::until(&format!("the pid {pid} to be free"), LIMIT, || {
        match processes::start_as(pid, &program, &args) {
            Err(Errno::EEXIST) => Ok(None),
            started => Ok(Some(started.with_context(|| format!("starting {program:?} as {pid}"))?)),
        }
    })
}
