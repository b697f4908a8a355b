//! What the probes saw of unix stream sockets (layouts and sources are in `drain_observer_ebpf::record`), and what looks at
//! them found.

use super::{BootNs, Hook, ListenerKey, ListenerSeen, Task, UnixPath};
use serde::{Deserialize, Serialize};

/// A unix listener to which a client connected for the first time since unix sockets are watched. Where arrivals can't be
/// seen, one that a connection was accepted from: then `client` accepted it, and `sk`, `inode`, `queue` and `limit` are 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixListener {
    /// Identity of the socket while it lives.
    pub sk: u64,
    /// What it shares with its connections: identity of its bind while any of them lives.
    pub binding: u64,
    /// Inode of the network namespace, in which abstract names are unique.
    pub netns: u32,
    /// What it is bound to; `None` = not known.
    pub path: Option<UnixPath>,
    /// Inode of the socket, as sock_diag has it; 0 = not known.
    pub inode: u64,
    /// Inode of the socket file, 0 for an abstract name.
    pub file_inode: u64,
    /// The client.
    pub client: Task,
    /// Connections in the accept queue, this one included.
    pub queue: u32,
    /// The queue's limit (a queue holds one more).
    pub limit: u32,
}

/// How the end of a unix connection was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnixEnd {
    /// Its listener was closed before it was accepted: the client got a reset.
    QueueReset,
    /// The server's end was closed with a request unread: the client got a reset.
    UnreadReset,
    /// The client read the end of a connection that the server had closed, or shut down for writing, before.
    ServerClosed,
    /// The client wrote to a connection that the server had closed before: the write failed.
    LateRequest,
    /// The server read the end, or its write failed, after the client had closed.
    ClientClosed,
    /// The client closed with bytes of the response unread.
    ResponseUnread,
    /// The last process that held the server's end died with it open, and all requests read: see
    /// [`UnixEnded::died`]. Only where nothing else has shown the end by then.
    HolderDied,
    /// Not seen: another connection was found at its place.
    Unseen,
}

/// A unix connection ended, or is known to have ended before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixEnded {
    /// Identity of the server's end while it lives.
    pub sk: u64,
    /// The listener's, 0 = not known.
    pub listener: u64,
    /// What it shares with its listener.
    pub binding: u64,
    /// Inode of the network namespace; 0 where the name is not known.
    pub netns: u32,
    /// What the listener is bound to; `None` = not known, the binding tells.
    pub path: Option<UnixPath>,
    /// Inode of the socket file, 0 for an abstract name.
    pub file_inode: u64,
    /// How its end was seen. For `server_closed`, `late_request`, `client_closed` and `unseen` it ended some time before.
    pub how: UnixEnd,
    /// In whose context the end was seen: the closer for resets, the dying process for `holder_died`, the other side for
    /// what was ended before.
    pub by: Task,
    /// The client had closed its end already. `false` = it had not, or that could not be told.
    pub client_gone: bool,
    /// Bytes never read: of requests for resets, of the response for `response_unread`. For `late_request` and
    /// `client_closed` those of the failed write, but 0 where it failed at once.
    pub lost_bytes: u64,
    /// The last process that held the server's end died with it, everything read by then: which, and when.
    pub died: Option<(u32, BootNs)>,
    /// Process that connected, 0 = not known.
    pub client: u32,
    /// Process that accepted; `None` = nobody, or not seen.
    pub acceptor: Option<u32>,
    /// Process that last read a request.
    pub reader: Option<u32>,
    /// It was accepted before unix sockets were watched.
    pub accepted_before: bool,
    /// When the client had connected; `None` = not seen.
    pub connected_at: Option<BootNs>,
    /// When it was accepted; `None` = not at all, or not seen.
    pub accepted_at: Option<BootNs>,
    /// When the client last wrote; `None` = not seen.
    pub request_at: Option<BootNs>,
    /// When the server last read to the end of what the client wrote at once; `None` = not seen.
    pub read_at: Option<BootNs>,
    /// When the server last wrote; `None` = not seen.
    pub response_at: Option<BootNs>,
    /// Writes of the client.
    pub requests: u64,
    /// Of these, read to their end.
    pub reads: u64,
    /// Writes of the server.
    pub responses: u64,
    /// Bytes that the server read.
    pub bytes_read: u64,
    /// Bytes of the server's that the client read.
    pub bytes_delivered: u64,
    /// Length of the accept queue when it joined, itself included; `None` = not seen.
    pub queue_at_arrival: Option<u32>,
    /// The queue's limit (a queue holds one more).
    pub limit: u32,
    /// Connections that were still in the queue of its listener, which was being closed: [`UnixEnd::QueueReset`] alone.
    pub queued_behind: u32,
}

impl UnixEnded {
    /// When it ended, as far as an event of time `at` tells: no later, where only the other side noticed.
    pub fn ended_at(&self, at: BootNs) -> BootNs {
        self.died.map_or(at, |(_, died)| died.min(at))
    }
}

/// A process died with unix connections that nobody else held and of which everything was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixHolderDied {
    /// The process.
    pub task: Task,
    /// How many connections: each is told by a [`UnixEnded`] that follows, or has been lost.
    pub connections: u64,
}

/// A connect(2) to a unix socket failed: there was no such file, nobody listened, or the accept queue was full. The
/// kernel does not tell which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixRefused {
    /// The client.
    pub client: Task,
    /// Inode of the network namespace.
    pub netns: u32,
    /// The name as the client gave it, which may be relative to its directory; `None` = not known.
    pub path: Option<UnixPath>,
    /// Where a listener is, or was, that this name leads to; `None` = nowhere that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ListenerKey>,
    /// Whether there was a file of that name for the client, a moment later; `None` = not known, or an abstract name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<bool>,
    /// The accept queue there was full, a moment later.
    #[serde(default)]
    pub full: bool,
}

/// Unix sockets are watched from now on, or no longer: it costs other programs something, so it is done only while
/// there is a listener of interest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixWatched {
    /// Whether they are.
    pub on: bool,
    /// What became of each hook that sees them.
    pub hooks: Vec<Hook>,
}

/// How a unix listener was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixBind {
    /// The name as it was given to bind(2), where that is not the listener's place: relative, that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<UnixPath>,
    /// Low 32 bits of the socket file's inode, 0 for an abstract name.
    pub file_inode: u64,
}

/// A unix listener was found that was not there at the look before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixOpened {
    /// Time of the look before: it began to listen after this.
    pub since: BootNs,
    /// The listener.
    #[serde(flatten)]
    pub seen: ListenerSeen,
}

/// A unix listener is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixClosed {
    /// Time of the look before: it closed after this.
    pub since: BootNs,
    /// Where it was.
    #[serde(flatten)]
    pub key: ListenerKey,
    /// Socket cookie.
    pub cookie: u64,
    /// Connections in the accept queue at the look before.
    pub queue: u32,
}
