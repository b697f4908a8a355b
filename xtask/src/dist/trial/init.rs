//! systemd as the tree's init, in a control group, process ids and mounts of its own.

use super::tree::{Tree, mount, succeeded};
use crate::installer::run_quietly;
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Its control group, below this program's.
const GROUP: &str = "drain-observer-trial";
/// Longest wait for it to start.
const LIMIT: Duration = Duration::from_secs(60);
/// systemd tells nobody out here when it is ready, so it is asked this often.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Devices that it wants. The machine's own /dev stays out of reach.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Says its number in this program's namespace, makes the mounts that systemd needs, and becomes it. `$1` is the root,
/// `$2` the control group.
const SCRIPT: &str = r#"
set -e
echo 0 >"$2/cgroup.procs"
exec unshare --cgroup --mount --pid --fork --kill-child sh -c '
    set -e
    read -r pid rest </proc/self/stat
    echo "$pid"
    mount -t proc proc "$1/proc"
    mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
    cd "$1"
    # Services get roots of their own, which is not to be had in a chroot.
    pivot_root . .
    umount -l .
    exec env -i container=drain-observer-trial PATH="$PATH" /sbin/init --log-target=null
' init "$1"
"#;

/// systemd, which runs. Dropping it kills it with all that it has started.
pub(super) struct Init {
    unshare: Child,
    pid: u32,
    group: PathBuf,
}

impl Init {
    /// Starts it, and waits until everything that it starts by itself is there.
    pub(super) fn start(tree: &Tree) -> Result<Self> {
        devices(&tree.root().join("dev"))?;
        let group = control_group(tree)?;
        let mut unshare = Command::new("sh");
        unshare.args(["-c", SCRIPT, "init"]).arg(tree.root()).arg(&group);
        unshare.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut init = Self { unshare: unshare.spawn().context("cannot run unshare")?, pid: 0, group };
        init.pid = init.said_pid().context("systemd cannot be started")?;
        let deadline = Instant::now() + LIMIT;
        let mut last = String::new();
        while Instant::now() < deadline {
            match init.state() {
                // What else this Debian may fail to start here is not the package's affair.
                Ok(state) if state == "running" || state == "degraded" => return Ok(init),
                Ok(state) => last = state,
                Err(error) => last = format!("{error:#}"),
            }
            thread::sleep(ASK_EVERY);
        }
        bail!("systemd does not come up: {last}")
    }

    /// Runs a command in its namespaces that has to succeed, and gives what it printed.
    pub(super) fn run(&self, line: &[&str]) -> Result<String> {
        succeeded(line, self.command(line).output().context("cannot run nsenter")?)
    }

    /// Starts a command in its namespaces, which ends with them, and waits for its first line, which has to be this.
    pub(super) fn keep_running(&self, line: &[&str], expected: &str) -> Result<Child> {
        let mut child = self.command(line).stdout(Stdio::piped()).spawn().context("cannot run nsenter")?;
        let stdout = child.stdout.take().context("standard output was piped")?;
        let mut first = String::new();
        BufReader::new(stdout).read_line(&mut first).context("it says nothing")?;
        ensure!(first.trim() == expected, "`{}` says `{}`", line.join(" "), first.trim());
        Ok(child)
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--all", "--root", "--wd"]).args(line);
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    }

    fn said_pid(&mut self) -> Result<u32> {
        let stdout = self.unshare.stdout.take().context("standard output was piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("it did not say its number")?;
        line.trim().parse().with_context(|| format!("`{}` is no number of a process", line.trim()))
    }

    /// As `systemctl is-system-running` has it.
    fn state(&self) -> Result<String> {
        // It fails in all states but one.
        let output =
            self.command(&["systemctl", "is-system-running"]).output().context("cannot run nsenter")?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // With unshare goes its child, and with an init all its namespace's processes.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        // They take a moment to leave their groups.
        let deadline = Instant::now() + LIMIT;
        while remove_group(&self.group).is_err() && Instant::now() < deadline {
            thread::sleep(ASK_EVERY);
        }
    }
}

fn devices(at: &Path) -> Result<()> {
    mount("tmpfs", at, "mode=755,nosuid")?;
    let terminals = at.join("pts");
    fs::create_dir(&terminals).with_context(|| format!("cannot create {}", terminals.display()))?;
    mount("devpts", &terminals, "newinstance,ptmxmode=0666,mode=620")?;
    symlink("pts/ptmx", at.join("ptmx")).context("cannot link /dev/ptmx")?;
    for name in DEVICES {
        let (device, here) = (Path::new("/dev").join(name), at.join(name));
        fs::write(&here, "").with_context(|| format!("cannot create {}", here.display()))?;
        run_quietly(Command::new("mount").arg("--bind").arg(device).arg(here))?;
    }
    Ok(())
}

/// A group of the unified hierarchy, wherever this machine has that.
fn control_group(tree: &Tree) -> Result<PathBuf> {
    let hierarchy = tree.root().with_file_name("cgroup");
    fs::create_dir(&hierarchy).context("cannot create a directory for control groups")?;
    mount("cgroup2", &hierarchy, "nosuid,nodev,noexec")?;
    let group = hierarchy.join(GROUP);
    // A run that was killed has left it.
    if group.exists() {
        remove_group(&group)?;
    }
    fs::create_dir(&group).context("cannot create a control group")?;
    Ok(group)
}

/// Removes a group and those below; none may have processes.
fn remove_group(group: &Path) -> Result<()> {
    for entry in fs::read_dir(group).context("cannot list a control group")?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path())?;
        }
    }
    fs::remove_dir(group).context("cannot remove a control group")
}
