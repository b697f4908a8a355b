//! The fixture's server and clients as processes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::client::UnixFate;
use crate::lines::Lines;
use crate::processes;

/// Longest wait for any single thing.
const LIMIT: Duration = Duration::from_secs(20);

/// A fixture server. Dropping it kills it.
#[derive(Debug)]
pub struct UnixServer {
    child: Child,
    says: Lines,
}

/// A fixture client under way. Dropping it kills it.
#[derive(Debug)]
pub struct UnixClient(Child);

impl UnixServer {
    /// Starts the program at this path, and waits until it listens.
    pub fn start(program: &Path, path: &Path, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("--path").arg(path).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let out = child.stdout.take().context("standard output was piped")?;
        let server = Self { child, says: Lines::of(out) };
        server.wait_for("ready")?;
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        pid(&self.child)
    }

    /// Waits until it says this; what it says before is skipped.
    pub fn wait_for(&self, what: &str) -> Result<()> {
        self.says.wait_for(&format!("`{what}` from the server"), LIMIT, |said| said == what).map(drop)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        processes::send(self.pid(), signal)
    }

    /// Ends it with this signal.
    pub fn end(self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        self.wait_for_end()
    }

    /// Waits for its end.
    pub fn wait_for_end(mut self) -> Result<()> {
        processes::wait_for_exit(self.pid(), LIMIT)?;
        self.child.wait().context("collecting the server")?;
        Ok(())
    }
}

impl UnixClient {
    /// Starts the program with a connection to this place.
    pub fn start(program: &Path, place: &Path, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(place).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self(child))
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        pid(&self.0)
    }

    /// Waits for its fate.
    pub fn fate(mut self) -> Result<UnixFate> {
        processes::wait_for_exit(self.pid(), LIMIT)?;
        let status = self.0.wait().context("collecting the client")?;
        ensure!(status.success(), "the client ended with {status}");
        let out = self.0.stdout.take().context("standard output was piped")?;
        serde_json::from_reader(out).context("reading the client's fate")
    }
}

impl Drop for UnixServer {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

impl Drop for UnixClient {
    fn drop(&mut self) {
        kill(&mut self.0);
    }
}

/// It may have ended already; either way it is collected.
fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).expect("a pid fits an int")
}
