//! The first process of a virtual machine that boots another kernel: makes a usable Linux of it, has the observer look
//! around, runs live tests, tells on the console what came of it, and switches the machine off.

mod protocol;
mod setup;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{observer, scenario};
use protocol::{ARGUMENTS, DOCTOR, END, FAILED, HARNESS, JOURNAL, MARK, OBSERVER, OUTCOME, SKIPPED, UP};

/// Where the harness leaves word of what the console is told later.
const OUTCOMES: &str = "/tmp/outcomes";
const SKIPS: &str = "/tmp/skips";

/// How much slower than a machine of its own a virtual one may be, under emulation and beside others.
const PATIENCE: &str = "3";

/// Does all of it. As process 1 of a virtual machine it comes back only if the machine cannot be switched off.
pub fn main() -> Result<()> {
    // Anywhere else this would reboot somebody's machine.
    ensure!(std::process::id() == 1, "this is the first process of a virtual machine, and nothing else");
    if let Err(error) = run() {
        tell(FAILED, &format!("{error:#}").replace('\n', " / "));
    }
    tell(END, "");
    // The machine was started without leave to reboot: this ends it, with or without ACPI.
    match reboot(RebootMode::RB_AUTOBOOT).context("switching the machine off")? {}
}

fn run() -> Result<()> {
    setup::system()?;
    tell(
        UP,
        nix::sys::utsname::uname()
            .context("asking for the kernel's release")?
            .release()
            .to_string_lossy()
            .as_ref(),
    );
    tell(DOCTOR, &doctor()?);
    let arguments = fs::read_to_string(ARGUMENTS).with_context(|| format!("reading {ARGUMENTS}"))?;
    let harness = Command::new(HARNESS)
        .args(arguments.lines())
        .env("DRAIN_OBSERVER", OBSERVER)
        .env("DRAIN_OBSERVER_PATIENCE", PATIENCE)
        .env("DRAIN_OBSERVER_OUTCOMES", OUTCOMES)
        .env("DRAIN_OBSERVER_SKIPS", SKIPS)
        .spawn()
        .with_context(|| format!("starting {HARNESS}"))?;
    let status = reap_until(&harness)?;
    tell_lines(OUTCOME, OUTCOMES);
    tell_lines(SKIPPED, SKIPS);
    tell_journals();
    match status {
        WaitStatus::Exited(_, 0) => Ok(()),
        status => bail!("the tests ended with {status:?}"),
    }
}

/// What the observer says of this kernel, in one line, whether or not it works there.
fn doctor() -> Result<String> {
    let output = observer::run(OBSERVER.as_ref(), ["doctor", "-o", "json"])?;
    let found: Value = serde_json::from_slice(&output.stdout).with_context(|| {
        format!("`doctor` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(found.to_string())
}

/// Collects every process that ends, its own children and those that were left to it, until this one does.
fn reap_until(child: &Child) -> Result<WaitStatus> {
    let pid = Pid::from_raw(i32::try_from(child.id()).context("a pid fits an int")?);
    loop {
        match wait() {
            Ok(status) if status.pid() == Some(pid) => return Ok(status),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("waiting for the tests"),
        }
    }
}

/// Tells each line of a file; a file that nobody wrote has none.
fn tell_lines(key: &str, file: &str) {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    lines.into_iter().for_each(|line| tell(key, line));
}

/// Tells the journals of failed scenarios, which end with this machine.
fn tell_journals() {
    // Where none failed there is no such directory.
    for dir in fs::read_dir(scenario::kept()).into_iter().flatten().flatten() {
        let Ok(journal) = fs::read(dir.path().join("journal")) else { continue };
        let mut digits = String::with_capacity(2 * journal.len());
        for byte in journal {
            let _ = write!(digits, "{byte:02x}");
        }
        tell(JOURNAL, &format!("{} {digits}", dir.file_name().display()));
    }
}

/// One write for a line of its own, whatever the console showed before.
fn tell(key: &str, value: &str) {
    let mut console = std::io::stdout().lock();
    // Without a console there is nobody to tell.
    let _ = console.write_all(format!("\n{MARK}{key} {value}\n").as_bytes()).and_then(|()| console.flush());
}
