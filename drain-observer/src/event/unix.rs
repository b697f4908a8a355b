//! What the probes saw of unix stream sockets. Layouts and sources are in `drain_observer_ebpf::record`.

use super::{BootNs, Task, UnixPath};
use serde::{Deserialize, Serialize};

/// A unix listener to which a client connected for the first time since unix sockets are watched.
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

/// A unix listener that was found, not seen at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnixListenerSeen {
    /// Inode of the network namespace.
    pub netns: u32,
    /// What it is bound to.
    pub path: Option<UnixPath>,
    /// Inode of the socket: the same as [`UnixListener::inode`].
    pub inode: u64,
    /// Low 32 bits of the socket file's inode, 0 for an abstract name.
    pub file_inode: u64,
    /// Socket cookie.
    pub cookie: u64,
    /// Connections in the accept queue.
    pub queue: u32,
    /// The queue's limit (a queue holds one more).
    pub limit: u32,
    /// Processes that hold it, ascending.
    pub holders: Vec<u32>,
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
}
