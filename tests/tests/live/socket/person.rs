//! A person on call, who is not root, and a daemon to ask.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use drain_observer_tests::daemon::Daemon;
use drain_observer_tests::lines::Lines;
use drain_observer_tests::observer;
use drain_observer_tests::processes::Guarded;
use tempfile::TempDir;

/// The group that may use the daemon, of which nobody else is.
pub(super) const GROUP: u32 = 47_114;
/// A person's user, of no other group.
const USER: u32 = 47_115;

/// A daemon with a socket, and what people need to use it.
pub(super) struct OnCall {
    dir: TempDir,
    /// The daemon.
    pub(super) daemon: Daemon,
    args: Vec<String>,
}

impl OnCall {
    /// Starts a daemon with these arguments.
    pub(super) fn start(args: &[&str]) -> Result<Self> {
        let dir = tempfile::tempdir().context("making a directory for the daemon")?;
        // Others have to get at the socket and the program; the journal's directory is the daemon's own.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let program = dir.path().join("drain-observer");
        fs::copy(observer::program(), &program).context("a program that everybody may run")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let own = [
            "--socket".to_owned(),
            dir.path().join("run/socket").display().to_string(),
            "--socket-group".to_owned(),
            GROUP.to_string(),
            "--journal-dir".to_owned(),
            dir.path().join("journal").display().to_string(),
        ];
        let args: Vec<String> = own.into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).collect();
        let daemon = Self::daemon(&args)?;
        Ok(Self { dir, daemon, args })
    }

    /// Kills the daemon, and starts another in its place when `meanwhile` is done.
    pub(super) fn restart(self, meanwhile: impl FnOnce() -> Result<()>) -> Result<Self> {
        let Self { dir, daemon, args } = self;
        daemon.kill()?;
        meanwhile()?;
        let daemon = Self::daemon(&args)?;
        Ok(Self { dir, daemon, args })
    }

    /// Where the daemon is asked.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("run/socket")
    }

    /// Where it records.
    pub(super) fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// A directory that a person may write into.
    pub(super) fn desk(&self) -> Result<PathBuf> {
        let desk = self.dir.path().join("desk");
        fs::create_dir_all(&desk)?;
        chown(&desk, Some(USER), Some(GROUP))?;
        Ok(desk)
    }

    /// The command line of a member of the group, through the daemon.
    pub(super) fn member(&self, subcommand: &str, args: &[&str]) -> Command {
        self.person(GROUP, subcommand, args)
    }

    /// The command line of somebody else, through the daemon.
    pub(super) fn stranger(&self, subcommand: &str, args: &[&str]) -> Command {
        self.person(USER, subcommand, args)
    }

    fn person(&self, group: u32, subcommand: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.dir.path().join("drain-observer"));
        command.arg(subcommand).arg("--connect").arg(self.socket()).args(args);
        // The first of them gives up all other groups.
        command.uid(USER).gid(group).env("NO_COLOR", "1").env("HOME", "/").current_dir("/");
        command
    }

    fn daemon(args: &[String]) -> Result<Daemon> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Daemon::start("serve", &args)
    }
}

/// What a command printed, and its exit code.
pub(super) fn said(command: Command) -> Result<(Option<i32>, String, String)> {
    let Output { status, stdout, stderr } = observer::bounded(command)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((status.code(), text(stdout), text(stderr)))
}

/// A command under way, with the lines that it prints.
pub(super) struct Watching {
    /// Its process, killed when this is dropped.
    _child: Guarded,
    /// Standard output.
    pub(super) lines: Lines,
    /// Standard error.
    pub(super) notices: Lines,
}

/// Starts a command, and waits until it says that it watches.
pub(super) fn watching(mut command: Command) -> Result<Watching> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Guarded(command.spawn().context("starting a person's program")?);
    let lines = Lines::of(child.0.stdout.take().context("standard output was piped")?);
    let notices = Lines::of(child.0.stderr.take().context("standard error was piped")?);
    notices.wait_for("it to watch", crate::support::LIMIT, |line| line.starts_with("watching"))?;
    Ok(Watching { _child: child, lines, notices })
}

/// Permissions of a file.
pub(super) fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}
