//! Parts that occur in several places.

use crate::event::{self, Comm, Task};
use crate::journal;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// A moment: RFC 3339, UTC, nine digits of a second.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Time(#[schemars(extend("format" = "date-time"))] pub(crate) String);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        let journal::Tool { name, version } = journal::Tool::this();
        Self { name, version }
    }
}

/// A process's command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CommandLine {
    /// Its arguments, the program's name first; its program may have written over them.
    pub arguments: Vec<String>,
    /// It goes on: only its first 4096 bytes were taken.
    pub truncated: bool,
}

impl From<&event::CommandLine> for CommandLine {
    fn from(command: &event::CommandLine) -> Self {
        Self { arguments: command.arguments.clone(), truncated: command.truncated }
    }
}

/// A machine, from one boot to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Host {
    /// Its name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// The kernel's random id of the boot.
    pub boot_id: String,
}

impl From<&journal::Host> for Host {
    fn from(host: &journal::Host) -> Self {
        Self { hostname: host.hostname.clone(), kernel: host.kernel.clone(), boot_id: host.boot_id.clone() }
    }
}

/// Which machine, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostRef {
    /// Its name.
    pub hostname: String,
    /// The kernel's random id of the boot.
    pub boot_id: String,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct ProcessRef {
    /// Process id on the host.
    pub pid: u32,
    /// Name of the thread, at most 15 bytes of printable ASCII.
    pub comm: String,
}

impl ProcessRef {
    /// From a pid and a name.
    pub(crate) fn new(pid: u32, comm: &Comm) -> Self {
        Self { pid, comm: comm.as_str().to_owned() }
    }
}

impl From<&Task> for ProcessRef {
    fn from(task: &Task) -> Self {
        Self::new(task.pid, &task.comm)
    }
}

/// A signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Signal {
    /// Its name, as SIGTERM.
    pub name: String,
    /// Its number.
    pub number: u32,
}

impl From<u32> for Signal {
    fn from(number: u32) -> Self {
        Self { name: event::signal_name(number), number }
    }
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExitStatus {
    /// Exit status; 0 where a signal killed it.
    pub status: u8,
    /// The signal that killed it; null = it exited by itself.
    pub signal: Option<Signal>,
}

impl From<(u8, u8)> for ExitStatus {
    fn from((status, signal): (u8, u8)) -> Self {
        Self { status, signal: (signal != 0).then(|| u32::from(signal).into()) }
    }
}
