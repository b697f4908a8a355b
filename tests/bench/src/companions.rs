//! What runs beside a load: nothing, the observer in one of its ways, or another tool.

use crate::hook::Nothing;
use anyhow::{Context as _, Result, bail};
use drain_observer_tests::observer::{self, Recording};
use drain_observer_tests::{processes, wait};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for a tool to be in place, and to end.
const LIMIT: Duration = Duration::from_secs(20);
/// Where tools look for tracepoints.
const TRACEFS: &str = "/sys/kernel/tracing";
/// A tool that has opened nothing more for this long is in place: it has no way to say so.
const SETTLED: Duration = Duration::from_millis(300);

/// What a load is measured beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Companion {
    /// Nothing: what two equal runs differ by.
    Nothing,
    /// `record` into a file, with these further arguments.
    Record(&'static [&'static str]),
    /// A program that does nothing, at this raw tracepoint.
    Hook(&'static str),
    /// These tools, each with its arguments.
    Tools(&'static [&'static [&'static str]]),
}

/// Where tools are, and where what they write goes.
#[derive(Debug)]
pub(crate) struct Workplace {
    peers: Option<PathBuf>,
    dir: TempDir,
}

/// A companion that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    recording: Option<Recording>,
    hook: Option<Nothing>,
    tools: Vec<Tool>,
}

#[derive(Debug)]
struct Tool {
    child: Child,
    name: String,
    errors: PathBuf,
}

impl Workplace {
    /// With the directory that other tools are in.
    pub(crate) fn new(peers: Option<PathBuf>) -> Result<Self> {
        Ok(Self { peers, dir: tempfile::tempdir().context("making a directory for what is written")? })
    }

    /// For files that last as long as the bench.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What `record` as a companion writes, and overwrites the next time.
    pub(crate) fn journal(&self) -> PathBuf {
        self.dir().join("journal")
    }

    /// Starts a companion and waits until it is in place.
    pub(crate) fn start(&self, companion: Companion) -> Result<Running> {
        let mut running = Running { recording: None, hook: None, tools: Vec::new() };
        match companion {
            Companion::Nothing => {}
            Companion::Record(args) => {
                running.recording = Some(Recording::start(&observer::program(), &self.journal(), args)?);
            }
            Companion::Hook(name) => running.hook = Some(Nothing::attach(name)?),
            Companion::Tools(tools) => {
                for line in tools {
                    running.tools.push(self.start_tool(line)?);
                }
                running.tools.iter_mut().try_for_each(Tool::wait_until_in_place)?;
            }
        }
        Ok(running)
    }

    fn start_tool(&self, line: &[&str]) -> Result<Tool> {
        let [name, args @ ..] = line else { bail!("a tool without a name") };
        let peers = self.peers.as_deref().context("the directory of other tools was not given")?;
        let program = peers.join(name);
        if !program.is_file() {
            bail!("{name} is not there");
        }
        let create = |path: &Path| File::create(path).with_context(|| format!("creating {}", path.display()));
        let errors = self.dir().join(format!("{name}.err"));
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        command.stdout(create(&self.dir().join(format!("{name}.out")))?).stderr(create(&errors)?);
        if !Path::new(TRACEFS).join("events").is_dir() {
            // SAFETY: between fork and exec the closure only makes system calls.
            unsafe { command.pre_exec(mount_tracefs) };
        }
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Tool { child, name: (*name).to_owned(), errors })
    }
}

impl Running {
    /// Ends it in good order.
    pub(crate) fn finish(mut self) -> Result<()> {
        if let Some(recording) = self.recording.take() {
            recording.finish()?;
        }
        drop(self.hook.take());
        for mut tool in self.tools.drain(..) {
            processes::send(tool.pid(), Signal::SIGINT)?;
            processes::wait_for_exit(tool.pid(), LIMIT)?;
            tool.child.wait().context("collecting a tool")?;
        }
        Ok(())
    }

    /// Its processes.
    pub(crate) fn pids(&self) -> Vec<i32> {
        self.recording.iter().map(Recording::pid).chain(self.tools.iter().map(Tool::pid)).collect()
    }
}

impl Tool {
    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits an int")
    }

    /// Waits until it has BPF programs and opens nothing more, or has ended with what it said.
    fn wait_until_in_place(&mut self) -> Result<()> {
        let mut before = Vec::new();
        let mut since = Instant::now();
        let pid = self.pid();
        let what = format!("{} to be in place", self.name);
        wait::until(&what, LIMIT, || {
            if let Some(status) = self.child.try_wait().context("looking after a tool")? {
                bail!("{} ended with {status}: {}", self.name, last_words(&self.errors));
            }
            let now = descriptors(pid);
            if now != before {
                (before, since) = (now, Instant::now());
            }
            let loaded = before.iter().any(|target| target.contains("bpf"));
            Ok((loaded && since.elapsed() >= SETTLED).then_some(()))
        })
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the descriptors of a process refer to.
fn descriptors(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.map(|target| target.display().to_string()).collect()
}

/// The last lines of a file.
fn last_words(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(2)..].join("; ")
}

/// Mounts tracefs, which tools need and not every machine has mounted, where only this process sees it.
fn mount_tracefs() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    Ok(mount(Some("tracefs"), TRACEFS, Some("tracefs"), MsFlags::empty(), none)?)
}
