//! Records about `AF_UNIX` stream sockets.
//!
//! `binding` is the kernel address of the `struct unix_address` that a listener and all its children share: it names
//! one bind of one socket while any of them lives, which neither a path (unlinked, bound again) nor a socket does.

use super::{Header, Task};

/// [`Header::kind`] of a [`UnixListener`].
pub const UNIX_LISTENER: u16 = 13;
/// [`Header::kind`] of a [`UnixEnded`].
pub const UNIX_ENDED: u16 = 14;
/// [`Header::kind`] of a [`UnixRefused`].
pub const UNIX_REFUSED: u16 = 15;
/// [`Header::kind`] of a [`UnixHolderDied`].
pub const UNIX_HOLDER_DIED: u16 = 16;

/// A full queue is reported no more often than this, ns.
pub const UNIX_FULL_EVERY_NS: u64 = 10_000_000;
/// The shortest time between two reports of one listener, ns, where only its name tells which it is.
pub const UNIX_NAMED_EVERY_NS: u64 = 250_000_000;

/// Bytes of `sockaddr_un.sun_path`.
pub const UNIX_NAME_LEN: usize = 108;

/// What a socket is bound to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnixName {
    /// Inode of the network namespace.
    pub netns: u32,
    /// Bytes of the name, 0..=108, without a path's terminating zero; 0 = not known.
    pub len: u16,
    /// 1 = abstract: the name's first byte is zero and counts.
    pub is_abstract: u16,
    /// The name.
    pub bytes: [u8; UNIX_NAME_LEN],
    /// Always zero.
    pub pad: u32,
}

/// A listener to which a client connected for the first time since the probes were attached; and again, but not more
/// often than [`UNIX_FULL_EVERY_NS`], when its queue was full then.
///
/// From `sk_data_ready(const struct sock *sk)`. A connection whose arrival was not seen tells of its listener when it is
/// accepted, not more often than [`UNIX_NAMED_EVERY_NS`]: then `sk`, `inode`, `queue` and `limit` are 0, and `client` is
/// who accepted it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnixListener {
    /// Common part.
    pub header: Header,
    /// Kernel address of the listening socket.
    pub sk: u64,
    /// What it shares with its children.
    pub binding: u64,
    /// Inode of the socket, as `/proc/PID/fd` and sock_diag show it; 0 = not known.
    pub inode: u64,
    /// Inode of the socket file, 0 for an abstract name.
    pub file_inode: u64,
    /// The client.
    pub client: Task,
    /// `sk_receive_queue.qlen`: connections that wait to be accepted, this one included.
    pub queue: u32,
    /// `sk_max_ack_backlog`: the queue holds one more.
    pub limit: u32,
    /// What it is bound to.
    pub name: UnixName,
}

/// [`UnixEnded::how`]: its listener was closed before it was accepted.
pub const UNIX_QUEUE_RESET: u32 = 1;
/// [`UnixEnded::how`]: the server's last descriptor was closed with data unread.
pub const UNIX_UNREAD_RESET: u32 = 2;
/// [`UnixEnded::how`]: the client read the end of a connection that the server had closed or shut down before.
pub const UNIX_SERVER_CLOSED: u32 = 3;
/// [`UnixEnded::how`]: the client wrote to a connection that the server had closed before, in vain.
pub const UNIX_LATE_REQUEST: u32 = 4;
/// [`UnixEnded::how`]: the server read the end, or wrote in vain, after the client had closed.
pub const UNIX_CLIENT_CLOSED: u32 = 5;
/// [`UnixEnded::how`]: the client was closed with bytes of the response unread.
pub const UNIX_RESPONSE_UNREAD: u32 = 6;
/// [`UnixEnded::how`]: nobody knows when and how; another connection has its socket's address now.
pub const UNIX_UNSEEN: u32 = 7;

/// A connection ended, or is known to have ended before.
///
/// From `kfree_skb`, `consume_skb`, `sock_recv_length`, `sock_send_length` or `sk_data_ready`, by `how`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnixEnded {
    /// Common part.
    pub header: Header,
    /// Kernel address of the server's end.
    pub sk: u64,
    /// What was known of it before.
    pub course: UnixCourse,
    /// In whose context the end was seen: what that means, `how` says.
    pub by: Task,
    /// One of the `UNIX_`.. values of this module.
    pub how: u32,
    /// 1 = the client had closed its end already; 0 = it had not, or that could not be told.
    pub client_gone: u32,
    /// Bytes that the server never read ([`UNIX_QUEUE_RESET`], [`UNIX_UNREAD_RESET`]), or that one write lost
    /// ([`UNIX_LATE_REQUEST`], [`UNIX_CLIENT_CLOSED`]; mostly not known), or the client never read
    /// ([`UNIX_RESPONSE_UNREAD`]).
    pub lost_bytes: u64,
    /// Connections that are still in the queue of its listener, which is being closed ([`UNIX_QUEUE_RESET`]).
    pub queued_behind: u32,
    /// Always zero.
    pub pad: u32,
    /// What the listener is bound to; not known for [`UNIX_UNSEEN`].
    pub name: UnixName,
}

/// What was seen of a connection. Times are `CLOCK_BOOTTIME` ns, 0 = not seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct UnixCourse {
    /// Kernel address of the listener, 0 = not known.
    pub listener: u64,
    /// What it shares with its listener.
    pub binding: u64,
    /// Inode of the socket file, 0 for an abstract name.
    pub file_inode: u64,
    /// Kernel address of the client's end, 0 = not known.
    pub client_sk: u64,
    /// When the client had connected.
    pub connected_ns: u64,
    /// When it was accepted.
    pub accepted_ns: u64,
    /// When the client last wrote.
    pub request_ns: u64,
    /// When the server last read a write to its end.
    pub read_ns: u64,
    /// When the server last wrote.
    pub response_ns: u64,
    /// Bytes that the server read; a write of which it read a part only does not count.
    pub bytes_read: u64,
    /// Bytes of the server's that the client read, counted alike.
    pub bytes_delivered: u64,
    /// Writes of the client.
    pub requests: u64,
    /// Of these, read to their end by the server.
    pub reads: u64,
    /// Writes of the server.
    pub responses: u64,
    /// When the last process that held it died, everything read by then.
    pub died_ns: u64,
    /// Bytes unread when the server's end was closed, while they are being counted.
    pub unread: u64,
    /// Inode of the server's socket, 0 = it has neither read nor written yet.
    pub inode: u64,
    /// Process that died, where `died_ns` is.
    pub died_by: u32,
    /// Process that connected.
    pub client: u32,
    /// Process that accepted, 0 = not seen.
    pub acceptor: u32,
    /// Process that last read a request, 0 = not seen.
    pub reader: u32,
    /// Length of the queue when it joined, itself included; 0 = not seen.
    pub queue: u32,
    /// The queue's limit (it holds one more).
    pub limit: u32,
    /// Bits: [`UNIX_ACCEPTED_BEFORE`], [`UNIX_CLIENT_WAS_GONE`], [`UNIX_RESET_TOLD`].
    pub flags: u32,
    /// Always zero.
    pub pad: u32,
}

impl UnixCourse {
    /// Whether all of it was seen, everything written to the server was read, and nobody died with it.
    #[inline(always)]
    pub fn is_whole(&self) -> bool {
        self.connected_ns != 0 && self.died_ns == 0 && self.reads >= self.requests
    }

    /// Whether, besides, the server wrote last, after all that was asked was read.
    #[inline(always)]
    pub fn is_served(&self) -> bool {
        self.is_whole()
            && self.responses > 0
            && self.response_ns > self.request_ns
            && self.response_ns > self.read_ns
    }
}

/// [`UnixCourse::flags`]: it was accepted before the probes were attached.
pub const UNIX_ACCEPTED_BEFORE: u32 = 1;
/// [`UnixCourse::flags`]: the client had closed its end when the last holder of the server's died.
pub const UNIX_CLIENT_WAS_GONE: u32 = 2;
/// [`UnixCourse::flags`]: the client has been told that the connection is reset.
pub const UNIX_RESET_TOLD: u32 = 4;

/// A process died with unix connections that nobody else held and of which everything was read. What was kept of them
/// says so, too.
///
/// From `sched_process_exit(struct task_struct *p)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnixHolderDied {
    /// Common part.
    pub header: Header,
    /// The process.
    pub task: Task,
    /// How many connections.
    pub connections: u64,
}

/// A connect(2) failed: no such file, nobody listened, or the queue was full.
///
/// From `consume_skb`, before Linux 6.14 `kfree_skb`: the child that was made for it is thrown away. Which of the three
/// it was is not told.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnixRefused {
    /// Common part.
    pub header: Header,
    /// The client.
    pub client: Task,
    /// The name as the client gave it, perhaps relative; not known where it did not call connect(2) itself (io_uring,
    /// 32-bit programs).
    pub name: UnixName,
}
