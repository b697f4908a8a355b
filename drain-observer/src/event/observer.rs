//! What the observer says about itself: losses, counters, hooks, clocks.

use super::{ListenerKey, Local, UnixPath};
use serde::{Deserialize, Serialize};

/// Something was dropped, so conclusions may rest on less than what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// What: `connection`, `signal`, `process` ..
    pub what: String,
    /// Why: `ring_full`, `map_full`, `undecodable`, `journal_full`, `before` (the part of a journal that is read) ..
    pub reason: String,
    /// How many since the last such event.
    pub count: u64,
}

/// What the kernel counted of one port or path instead of reporting it, since the observer came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Where.
    #[serde(flatten)]
    pub of: CountedBy,
    /// Connections made: at a port, handshakes completed.
    pub established: u64,
    /// Connections that ended cleanly after a response, without an event of their own.
    pub served: u64,
    /// Connections that were closed without a byte, without an event of their own.
    pub idle_closed: u64,
}

/// State of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// In place, everything it is for is seen.
    Attached,
    /// In place, but this kernel tells less.
    Degraded,
    /// Not needed on this kernel, or not asked for.
    Unused,
    /// Wanted and not to be had.
    Missing,
}

/// A kernel hook and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The kernel's name for it.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Without it the observer does not start.
    pub required: bool,
    /// What became of it.
    pub state: HookState,
    /// Why it is not simply attached, and what is lost by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// From here on everything is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attached {
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// Limits that were hit while finding out what was there before, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The wall clock was set, or drifted away from what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSet {
    /// `CLOCK_REALTIME - CLOCK_BOOTTIME`, ns.
    pub wall_minus_boot_ns: i64,
}

/// What connections are counted by. In JSON `{"netns": .., "port": ..}` or `{"netns": .., "path": ..}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CountedBy {
    /// A port, with all its addresses.
    Port {
        /// Inode of the network namespace.
        netns: u32,
        /// Local port.
        port: u16,
    },
    /// A path, with all sockets that were ever bound to it.
    Path {
        /// Inode of the network namespace.
        netns: u32,
        /// The path.
        path: UnixPath,
    },
}

impl CountedBy {
    /// What a listener's connections are counted by.
    pub fn of(key: &ListenerKey) -> Self {
        match key.local {
            Local::Inet(endpoint) => Self::Port { netns: key.netns, port: endpoint.port },
            Local::Unix(path) => Self::Path { netns: key.netns, path },
        }
    }
}
