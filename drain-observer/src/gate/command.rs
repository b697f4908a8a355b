//! The gate's command: started, followed, handed the signals that the gate gets, never killed.

use super::decide;
use crate::clock;
use crate::event::{BootNs, signal_name};
use crate::runtime::{Stop, StopSignal};
use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Pid, Signal};
use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// When.
    pub at: BootNs,
    /// Its status, or why that cannot be told.
    pub status: std::io::Result<ExitStatus>,
}

impl Ended {
    /// Exit status and killing signal.
    pub fn exit(&self) -> Option<(u8, u8)> {
        let status = self.status.as_ref().ok()?;
        let byte = |number: Option<i32>| u8::try_from(number.unwrap_or(0)).unwrap_or(u8::MAX);
        Some((byte(status.code()), byte(status.signal())))
    }

    /// Whether it succeeded.
    pub fn outcome(&self) -> decide::Command {
        match &self.status {
            Ok(status) if status.success() => decide::Command::Succeeded,
            Ok(status) => decide::Command::Failed(in_words(*status)),
            Err(error) => decide::Command::Failed(format!("ended, but not how is known: {error}")),
        }
    }
}

/// Starts a command with this process's standard streams; its standard output is standard error where
/// `output_aside`.
pub fn start(command: &[OsString], output_aside: bool) -> Result<Child> {
    let (program, arguments) = command.split_first().ok_or_else(|| anyhow!("there is no command to run"))?;
    let mut child = Command::new(program);
    child.args(arguments);
    if output_aside {
        let stderr = std::io::stderr().as_fd().try_clone_to_owned();
        child.stdout(Stdio::from(stderr.context("cannot share standard error with the command")?));
    }
    child.spawn().with_context(|| {
        format!(
            "cannot run the command {}: give a program's name or path after `--`",
            program.to_string_lossy().escape_debug()
        )
    })
}

/// Goes with a command until its end, which is put into `ended`. A second
/// SIGINT or SIGTERM while the command runs is for the gate alone.
pub async fn follow(mut child: Child, stop: &mut Stop, ended: &OnceCell<Ended>) {
    let mut asked = 0;
    loop {
        tokio::select! {
            biased;
            signal = stop.next() => {
                asked += u32::from(signal != StopSignal::Hangup);
                if asked > 1 {
                    return;
                }
                forward(&child, signal);
            }
            status = child.wait() => {
                // Set once: this is the only place.
                let _ = ended.set(Ended { at: clock::boot_ns(), status });
                return;
            }
        }
    }
}

fn forward(child: &Child, signal: StopSignal) {
    let number = match signal {
        // The terminal has sent it to the whole group: twice would be more than was asked for.
        StopSignal::Interrupt if in_foreground() => return,
        StopSignal::Interrupt => Signal::INT,
        StopSignal::Terminate => Signal::TERM,
        StopSignal::Hangup => Signal::HUP,
    };
    // It is not collected yet, so the pid is still its own.
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process(pid, number)) {
        log::warn!("cannot forward a signal to the command: {error}");
    }
}

/// Whether this process is among those that its terminal sends Ctrl-C to.
fn in_foreground() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal().and_then(|signal| u32::try_from(signal).ok())) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("died of {}", signal_name(signal)),
        (None, None) => format!("ended with {status}"),
    }
}
