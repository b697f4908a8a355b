//! What the probes saw of AF_UNIX stream sockets. There are no segments and no timers: what one side writes the other
//! has, and whoever closes with something unread resets the other.

use super::{BootNs, ListenerKey, Local, Task, UnixPath};
use serde::{Deserialize, Serialize};

/// How the server's end of a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnixEnd {
    /// Its listener was released while it waited in the accept queue.
    QueueReset,
    /// It was closed with bytes that had not been read.
    UnreadReset,
    /// It was closed with nothing unread.
    Closed,
    /// The client's end was closed first.
    ClientLeft,
    /// The probes cannot tell.
    Unknown,
}

/// A connection to a unix listener came to its end: told once, when the first of what [`UnixEnd`] lists happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixEnded {
    /// Inode of the network namespace.
    pub netns: u32,
    /// What its listener was bound to.
    pub path: UnixPath,
    /// Identity of the listening socket, as in [`super::Listener::sk`]; 0 where unknown.
    pub sk: u64,
    /// Identity of the server's end of the connection while that lives.
    pub connection: u64,
    /// Who connected; pid 0 where unknown.
    pub client: Task,
    /// Who accepted it; `None` = nobody.
    pub acceptor: Option<Task>,
    /// When it was connected; `None` = before the observer came, or not kept.
    pub connected_at: Option<BootNs>,
    /// When it was accepted; `None` = not at all, before the observer came, or no probe tells.
    pub accepted_at: Option<BootNs>,
    /// When the client wrote last; `None` = never since the observer came. Where no probe tells of writes, the end is
    /// [`UnixEnd::Unknown`], unless it took place in the queue or with bytes unread.
    pub last_request_at: Option<BootNs>,
    /// When the server wrote last; `None` as for the client.
    pub last_response_at: Option<BootNs>,
    /// Bytes received and never read.
    pub unread: u32,
    /// How it ended.
    pub how: UnixEnd,
    /// When it ended.
    pub closed_at: BootNs,
    /// In whose context.
    pub by: Task,
}

impl UnixEnded {
    /// Where its listener was.
    pub fn key(&self) -> ListenerKey {
        ListenerKey { netns: self.netns, local: Local::Unix(self.path) }
    }
}

/// connect(2) to a path failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixRefused {
    /// Inode of the network namespace.
    pub netns: u32,
    /// Where the client wanted to: as the listener was bound where that is known, or else as the client said.
    pub path: UnixPath,
    /// Who wanted to.
    pub client: Task,
    /// Why: 2 ENOENT, 111 ECONNREFUSED, 11 EAGAIN (the queue is full) ..
    pub errno: u32,
}

impl UnixRefused {
    /// Where a listener was wanted.
    pub fn key(&self) -> ListenerKey {
        ListenerKey { netns: self.netns, local: Local::Unix(self.path) }
    }
}
