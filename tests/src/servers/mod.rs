//! Launchers: each starts a real server in the foreground on a port or at a socket file of its own, in a directory of its own.

pub mod apache;
pub mod app;
pub mod certificate;
pub mod gunicorn;
pub mod haproxy;
pub mod nginx;
mod place;
pub mod prefork;
pub mod puma;
pub mod runit;
pub mod unicorn;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{self, SigHandler, Signal};
use tempfile::TempDir;

pub use place::Place;

use crate::load::tls::Tls;
use crate::truth::Fate;
use crate::{load, processes, wait};

/// How long a server may take until it serves, on a machine that is busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How much of a server's log an error quotes.
const LOG_TAIL: usize = 2_000;

/// A server that is ready to be started: by its launcher, or by a supervisor.
#[derive(Debug)]
pub struct Prepared {
    command: Command,
    dir: TempDir,
    place: Place,
}

/// A server under test. Dropping it kills every process it left behind.
#[derive(Debug)]
pub struct Server {
    place: Place,
    child: Child,
    dir: TempDir,
    pid_file: Option<PathBuf>,
    log: PathBuf,
    probes: Vec<Fate>,
    tls: Option<Tls>,
}

impl Server {
    /// Starts `command` in `dir` as leader of a process group of its own and waits until it serves.
    ///
    /// `pid_file` is where the server writes its master's pid, if its master can become another process.
    pub fn start(
        command: Command,
        dir: TempDir,
        place: impl Into<Place>,
        pid_file: Option<&str>,
    ) -> Result<Self> {
        let mut server = Self::start_unserved(command, dir, place, pid_file)?;
        server.wait_until_serving()?;
        Ok(server)
    }

    /// As [`Server::start`], without waiting.
    pub fn start_unserved(
        mut command: Command,
        dir: TempDir,
        place: impl Into<Place>,
        pid_file: Option<&str>,
    ) -> Result<Self> {
        let log = dir.path().join("server.log");
        let out = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        command.current_dir(dir.path()).stdin(Stdio::null());
        command.stderr(out.try_clone().context("sharing the log")?).stdout(out).process_group(0);
        let child =
            command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let pid_file = pid_file.map(|name| dir.path().join(name));
        Ok(Self { place: place.into(), child, dir, pid_file, log, probes: Vec::new(), tls: None })
    }

    /// Has the server asked in TLS whether it serves.
    pub fn speaks(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Waits until it answers a request.
    pub fn wait_until_serving(&mut self) -> Result<()> {
        let probes = wait::until("the server to listen", START_LIMIT, || {
            if self.pid_file.is_none()
                && let Some(status) = self.child.try_wait().context("looking after the server")?
            {
                bail!("the server ended at its start: {status}");
            }
            Ok(self.place.has_listener()?.then_some(()))
        })
        .and_then(|()| self.place.wait_for_answer_at_path())
        .and_then(|()| match self.place.address() {
            Some(address) => load::wait_until_served(address, self.tls.as_ref(), START_LIMIT),
            None => Ok(Vec::new()),
        })
        .with_context(|| format!("the server's log ends: {}", self.log_tail()))?;
        self.probes.extend(probes);
        Ok(())
    }

    /// Where it serves.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where it serves, of a server on a port.
    pub fn address(&self) -> SocketAddr {
        self.place.address().expect("a server on a port")
    }

    /// Its port, of a server on one.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// Its working directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process that was started; its group is the server's.
    pub fn started(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits an int")
    }

    /// The master: what the pid file says, or the process that was started.
    pub fn master(&self) -> i32 {
        let named = self.pid_file.as_ref().and_then(|file| read_pid(file));
        named.unwrap_or_else(|| self.started())
    }

    /// The children of the master, oldest first.
    pub fn workers(&self) -> Vec<i32> {
        processes::children(self.master())
    }

    /// Waits until the master has exactly `count` children, and gives them.
    pub fn wait_for_workers(&self, count: usize, limit: Duration) -> Result<Vec<i32>> {
        wait::until(&format!("{count} workers"), limit, || {
            let workers = self.workers();
            Ok((workers.len() == count).then_some(workers))
        })
    }

    /// Waits until none of the workers in `old` is left and there are as many new ones.
    pub fn wait_for_new_workers(&self, old: &[i32], limit: Duration) -> Result<Vec<i32>> {
        wait::until("a new set of workers", limit, || {
            let workers = self.workers();
            let renewed = workers.len() == old.len() && workers.iter().all(|worker| !old.contains(worker));
            Ok(renewed.then_some(workers))
        })
    }

    /// Waits until the master has a child that is none of those in `old`, and gives it.
    pub fn wait_for_child_beside(&self, old: &[i32], limit: Duration) -> Result<i32> {
        wait::until("a child beside the others", limit, || {
            Ok(self.workers().into_iter().find(|child| !old.contains(child)))
        })
        .with_context(|| format!("the server's log ends: {}", self.log_tail()))
    }

    /// Waits until the pid file names another master than `old`, and gives it.
    pub fn wait_for_other_master(&self, old: i32, limit: Duration) -> Result<i32> {
        wait::until("another master", limit, || {
            let master = self.pid_file.as_ref().and_then(|file| read_pid(file));
            Ok(master.filter(|master| *master != old && processes::alive(*master)))
        })
        .with_context(|| format!("the server's log ends: {}", self.log_tail()))
    }

    /// Sends a signal to the master.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        processes::send(self.master(), signal)
    }

    /// Sends a signal to the whole process group, as a terminal does.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        processes::send_group(self.started(), signal)
    }

    /// Waits until no process of it is left.
    pub fn wait_until_gone(&mut self, limit: Duration) -> Result<()> {
        wait::until("every process of the server to end", limit, || {
            self.child.try_wait().context("looking after the server")?;
            Ok(processes::belonging(self.started(), self.dir.path()).is_empty().then_some(()))
        })
        .with_context(|| {
            let left = processes::belonging(self.started(), self.dir.path());
            let left: Vec<String> = left.into_iter().map(processes::described).collect();
            format!("left are {}; the server's log ends: {}", left.join(", "), self.log_tail())
        })
    }

    /// Waits for the end of the process that was started.
    pub fn wait_for_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        processes::wait_for_exit(self.started(), limit)
            .with_context(|| format!("the server's log ends: {}", self.log_tail()))?;
        self.child.wait().context("collecting the server")
    }

    /// Gives the fates of the connections that asked whether it serves already.
    pub fn take_probes(&mut self) -> Vec<Fate> {
        std::mem::take(&mut self.probes)
    }

    /// Waits until the log holds `text`.
    pub fn wait_for_log(&self, text: &str, limit: Duration) -> Result<()> {
        wait::until(&format!("`{text}` in the log"), limit, || {
            Ok(self.read_log().contains(text).then_some(()))
        })
        .with_context(|| format!("the log ends: {}", self.log_tail()))
    }

    fn read_log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.read_log();
        let start = log.floor_char_boundary(log.len().saturating_sub(LOG_TAIL));
        log[start..].to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A dying parent can start one more child, so look again until none is left; a process that
        // ends in between needs no signal.
        for _ in 0..50 {
            let left = processes::belonging(self.started(), self.dir.path());
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = processes::send(pid, Signal::SIGKILL);
                let _ = processes::wait_for_exit(pid, Duration::from_secs(1));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory for a server's files, readable also to a server that changes its user.
pub(crate) fn directory(name: &str) -> Result<TempDir> {
    let dir =
        tempfile::Builder::new().prefix(&format!("dob-{name}-")).tempdir().context("making a directory")?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(dir.path(), readable).context("opening a directory to other users")?;
    Ok(dir)
}

/// Writes a configuration file.
pub(crate) fn write(dir: &TempDir, name: &str, text: &str) -> Result<()> {
    let path = dir.path().join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// The program's path, or nothing when the machine does not have it.
///
/// Only the distribution's places are searched: a shim of some version manager earlier in PATH would be
/// another program.
pub fn installed(program: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/sbin"].iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists())
}

/// A command for a program of the distribution, with an environment in which its interpreter is found first.
pub(crate) fn command(program: &str) -> Result<Command> {
    let path = installed(program).with_context(|| format!("{program} is not installed"))?;
    let mut command = Command::new(path);
    // Who runs the tests in the background has them ignore what a terminal sends, and some servers leave that so.
    let by_default = || {
        [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT].into_iter().try_for_each(|signal| {
            // SAFETY: sets no handler.
            unsafe { signal::signal(signal, SigHandler::SigDfl) }.map(drop).map_err(std::io::Error::from)
        })
    };
    // SAFETY: between fork and exec the closure only calls signal(2), which is async-signal-safe.
    unsafe { command.pre_exec(by_default) };
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(command)
}

fn read_pid(file: &Path) -> Option<i32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
