//! What `/proc`, cgroups and sock_diag said: about what was there before the observer came, and what
//! the probes cannot tell.

use super::{Attribution, BootNs, Comm, CommandLine, CountedBy, ListenerKey, UnixBind};
use serde::{Deserialize, Serialize};

/// A listening socket that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerSeen {
    /// Where it listens.
    #[serde(flatten)]
    pub key: ListenerKey,
    /// Socket cookie, 0 where unknown.
    pub cookie: u64,
    /// Inode of the socket.
    pub inode: u64,
    /// Connections in the accept queue.
    pub queue: u32,
    /// The queue's limit.
    pub limit: u32,
    /// Processes that hold it, ascending.
    pub holders: Vec<u32>,
    /// How it was bound, if it is a unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix: Option<UnixBind>,
}

/// A process as `/proc` describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessSeen {
    /// Process id in the observer's pid namespace.
    pub pid: u32,
    /// Parent, 0 for none.
    pub parent: u32,
    /// When its life began, rounded down to a clock tick (10 ms).
    pub start: BootNs,
    /// What tells its program's run from others: kept by fork, chosen anew by exec; 0 where unknown.
    #[serde(default)]
    pub image: u64,
    /// Its parent was started with the same command line, or one of the two continues the other.
    #[serde(default)]
    pub same_command: bool,
    /// Name.
    pub comm: Comm,
    /// Executable file, empty where it can't be read.
    pub executable: String,
    /// What it belongs to.
    #[serde(flatten)]
    pub attribution: Attribution,
    /// How it was started, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Box<CommandLine>>,
    /// Inode of its network namespace, 0 where unknown.
    pub netns: u32,
    /// Process id in its own pid namespace, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_pid: Option<u32>,
}

/// Which listening sockets one process holds: all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scanned {
    /// The process.
    pub pid: u32,
    /// `false` = it was gone or could not be read: nothing is known.
    pub found: bool,
    /// What it holds.
    pub listeners: Vec<HeldListener>,
}

/// A listening socket in a process's descriptor table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldListener {
    /// Where it listens.
    #[serde(flatten)]
    pub key: ListenerKey,
    /// Socket cookie, 0 where unknown.
    pub cookie: u64,
}

/// What services had open at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The listening sockets at the ports asked about, and at the paths.
    pub queues: Vec<QueueSeen>,
    /// What the processes asked about held, by process and place.
    pub held: Vec<Held>,
    /// Connections of which none of these processes is the holder, by place.
    pub unheld: Vec<Unheld>,
    /// Nothing was left out.
    pub complete: bool,
}

/// The accept queue of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSeen {
    /// Where it listens.
    #[serde(flatten)]
    pub key: ListenerKey,
    /// Socket cookie, 0 where unknown.
    pub cookie: u64,
    /// Connections in the queue.
    pub queue: u32,
    /// The queue's limit.
    pub limit: u32,
}

/// Connections to one port or path, accepted and open, that one process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The process; where several hold a connection, the one with the highest pid.
    pub pid: u32,
    /// Where.
    #[serde(flatten)]
    pub of: CountedBy,
    /// Connections.
    pub open: u32,
    /// With received bytes that nobody has read.
    pub unread: u32,
    /// All read, and nothing sent since.
    pub awaiting: u32,
    /// All read, and bytes sent that the peer has not acknowledged.
    pub unsent: u32,
    /// The oldest was open at this time already.
    pub oldest: BootNs,
}

/// Connections to one port or path that nobody asked about holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheld {
    /// Where.
    #[serde(flatten)]
    pub of: CountedBy,
    /// Accepted, and held by others.
    pub open: u32,
    /// Not accepted yet.
    pub queued: u32,
}
