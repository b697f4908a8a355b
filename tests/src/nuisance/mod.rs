//! What makes a host hard to observe: very many listeners, descriptors, processes or network namespaces, and servers
//! that die before anybody can ask who they are. Each in processes of its own, so that the tests' process stays small.

mod crowds;
mod ghosts;
mod storms;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use crate::lines::Lines;
use crate::processes;

/// Longest wait for it to be ready, and to have done what it does.
const LIMIT: Duration = Duration::from_secs(60);

/// What it is to do.
#[derive(Debug, Clone, Parser)]
#[command(name = "nuisance", about = "Makes a host hard to observe, a test fixture")]
enum Options {
    /// Listens at so many ports of a network namespace of its own, until it is told to end
    Listeners {
        /// How many
        count: u16,
        /// Connects to each of them once
        #[arg(long)]
        connect: bool,
        /// Waits for SIGHUP after the first
        #[arg(long)]
        await_hangup: bool,
    },
    /// Holds so many descriptors, and with the last of them listens at a port, until it is told to end
    Descriptors {
        /// How many
        count: u64,
        /// The port
        #[arg(long)]
        port: u16,
    },
    /// Starts so many processes, one after the other, each of which ends at once
    Forks {
        /// How many
        count: u32,
    },
    /// Goes on starting processes that end at once, until it is told to end
    Churn,
    /// Makes so many network namespaces, one after the other, with a listener, a connection, and an end for each
    Namespaces {
        /// How many
        count: u32,
    },
    /// Listens at a port so many times, each in a process that is killed as soon as a client waits in its queue
    Ghosts {
        /// How many
        count: u32,
        /// The port
        #[arg(long)]
        port: u16,
    },
}

/// A nuisance that goes on. Dropping it kills it.
#[derive(Debug)]
pub struct Nuisance {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
}

impl Nuisance {
    /// Starts the program with these arguments.
    pub fn start(program: &Path, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let stdin = child.stdin.take();
        let stdout = Lines::of(child.stdout.take().context("standard output was piped")?);
        Ok(Self { child, stdin, stdout })
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits an int")
    }

    /// Waits until it is in place; gives what it says of that.
    pub fn wait_until_ready(&self) -> Result<String> {
        self.stdout.wait_for("a nuisance to be in place", LIMIT, |line| line.starts_with("ready"))
    }

    /// Waits until it awaits a signal.
    pub fn wait_until_it_awaits_a_signal(&self) -> Result<String> {
        self.stdout.wait_for("a nuisance to wait", LIMIT, |line| line.starts_with("awaiting"))
    }

    /// Waits until it has done what it does by itself; gives what it says of that.
    pub fn wait_until_done(&self) -> Result<String> {
        self.stdout.wait_for("a nuisance to be done", LIMIT, |line| line.starts_with("done"))
    }

    /// Tells it to end, and waits until it has.
    pub fn finish(mut self) -> Result<()> {
        drop(self.stdin.take());
        processes::wait_for_exit(self.pid(), LIMIT)?;
        let status = self.child.wait().context("collecting a nuisance")?;
        ensure!(status.success(), "a nuisance ended with {status}");
        Ok(())
    }
}

impl Drop for Nuisance {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program.
pub fn main() -> Result<()> {
    match Options::parse() {
        Options::Listeners { count, connect, await_hangup } => {
            crowds::listeners(count, connect, await_hangup)
        }
        Options::Descriptors { count, port } => crowds::descriptors(count, port),
        Options::Forks { count } => storms::forks(count),
        Options::Churn => storms::churn(),
        Options::Namespaces { count } => storms::namespaces(count),
        Options::Ghosts { count, port } => ghosts::ghosts(count, port),
    }
}

/// Says something on standard output, where the tests read.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("writing to standard output")
}

/// Waits until whoever started it closes its standard input, or ends.
fn wait_to_be_told() -> Result<()> {
    let mut rest = Vec::new();
    std::io::stdin().lock().read_to_end(&mut rest).context("reading standard input")?;
    Ok(())
}
