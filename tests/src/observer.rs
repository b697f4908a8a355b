//! The observer as a user runs it: `record` beside the load, then `report`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lines::Lines;
use crate::processes;

/// How long the observer may take until it records, and to end.
const LIMIT: Duration = Duration::from_secs(20);

/// The observer's file: `$DRAIN_OBSERVER`, else the release build of this workspace.
pub fn program() -> PathBuf {
    std::env::var_os("DRAIN_OBSERVER").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/drain-observer"),
        PathBuf::from,
    )
}

/// A `record` under way. Dropping it kills it.
#[derive(Debug)]
pub struct Recording {
    child: Child,
    journal: Journal,
    stderr: Lines,
}

/// A finished recording.
#[derive(Debug, Clone)]
pub struct Journal {
    program: PathBuf,
    path: PathBuf,
    /// What `record` said on its standard error.
    pub messages: String,
}

impl Recording {
    /// Starts `record` with this selection and further arguments into `journal`, and waits until every
    /// probe is attached.
    pub fn start(program: &Path, journal: &Path, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("record").args(args).arg("--output").arg(journal);
        Self::run(command, program, journal)
    }

    /// Starts a whole `record` command line and waits until every probe is attached.
    pub fn run(mut command: Command, program: &Path, journal: &Path) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let pipe = child.stderr.take().context("standard error was piped")?;
        let journal =
            Journal { program: program.to_owned(), path: journal.to_owned(), messages: String::new() };
        let recording = Self { child, journal, stderr: Lines::of(pipe) };
        recording.stderr.wait_for("the recording", LIMIT, |line| line.starts_with("recording"))?;
        Ok(recording)
    }

    /// The observer's process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits an int")
    }

    /// Ends it with SIGINT and waits until everything is written.
    pub fn finish(mut self) -> Result<Journal> {
        processes::send(self.pid(), Signal::SIGINT)?;
        let (status, messages) = self.wait_for_end(LIMIT).context("after SIGINT")?;
        ensure!(status.success(), "record ended with {status}: {messages}");
        Ok(Journal { messages, ..self.journal.clone() })
    }

    /// Waits for its own end, and gives its status and everything it said.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<(ExitStatus, String)> {
        processes::wait_for_exit(self.pid(), limit)?;
        let status = self.child.wait().context("collecting the observer")?;
        Ok((status, self.stderr.to_end(LIMIT)?))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Journal {
    /// A journal that exists already.
    pub fn open(program: &Path, path: &Path) -> Self {
        Self { program: program.to_owned(), path: path.to_owned(), messages: String::new() }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `report -o json` with further arguments.
    pub fn json(&self, more: &[&str]) -> Result<Value> {
        let text = self.report(&[&["-o", "json"], more].concat())?;
        serde_json::from_slice(&text).context("reading the JSON report")
    }

    /// `report -o text`.
    pub fn text(&self) -> Result<String> {
        String::from_utf8(self.report(&["-o", "text"])?).context("the text report is UTF-8")
    }

    /// What `report` prints with these arguments.
    pub fn report(&self, args: &[&str]) -> Result<Vec<u8>> {
        let output = run(
            &self.program,
            [OsStr::new("report"), self.path.as_os_str()].into_iter().chain(args.iter().map(OsStr::new)),
        )?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "report ended with {}: {error}", output.status);
        Ok(output.stdout)
    }
}

/// Runs the observer to its end, which must come soon, and gives what it printed.
pub fn run<A: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = A>) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(args).env("NO_COLOR", "1");
    bounded(command)
}

/// Runs a command to its end, which must come soon, and gives what it printed.
pub fn bounded(mut command: Command) -> Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
    let pid = i32::try_from(child.id()).context("a pid fits an int")?;
    let output = thread::spawn(move || child.wait_with_output());
    if let Err(error) = processes::wait_for_exit(pid, LIMIT) {
        processes::send(pid, Signal::SIGKILL)?;
        let output = output.join().expect("reading pipes does not panic")?;
        return Err(error.context(format!("it said: {}", String::from_utf8_lossy(&output.stderr))));
    }
    output.join().expect("reading pipes does not panic").context("reading what it printed")
}
