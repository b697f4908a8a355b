//! What crosses the border between kernel and user space: the records in the ring buffer, the keys
//! and values of the maps, and the list of kernel facts that user space resolves for the probes.
//!
//! Only fixed-width integers with explicit padding, no `bool`, `enum` or `Option`: every byte pattern
//! is a valid value, so user space can decode what it reads without trusting it.
#![no_std]

pub mod facts;
pub mod record;

/// Network namespace and local port of a listener: the key of the kernel's listener maps.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// Inode of the network namespace (`net->ns.inum`).
    pub netns: u32,
    /// Local port, host byte order.
    pub port: u16,
    /// Always zero.
    pub pad: u16,
}

/// In [`PortKey`]'s listener map: send every connection's record, clean or not.
pub const LISTENER_EMIT_ALL: u32 = 1;

/// Indexes of the map of what there has been.
pub mod seen {
    /// An accepted connection without a limit (`sk_max_ack_backlog`), which else tells them from outgoing ones.
    pub const LIMITLESS: u32 = 0;
    /// A connection of which only the sending side was shut down.
    pub const LINGERING: u32 = 1;
    /// A connection of a service to a listener of this host.
    pub const UPSTREAM: u32 = 2;
    /// A port with [`LISTENER_EMIT_ALL`](super::LISTENER_EMIT_ALL); user space's, which says too when none is left.
    pub const EMIT_ALL: u32 = 3;
    /// Number of indexes.
    pub const COUNT: u32 = 4;
}

/// Sizes of an encrypted TLS alert as it is sent (TLS 1.2 with ChaCha20, TLS 1.3, TLS 1.2 with AES-GCM): what a side
/// may send without asking or answering anything.
pub const TLS_ALERTS: [u32; 3] = [23, 24, 31];

/// A busy TLS 1.3 server sends its session tickets within so many jiffies after the first request has come.
pub const TLS_TICKETS_WITHIN: i32 = 4;

/// Connections of one port that the kernel counted instead of sending their records (per CPU).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounts {
    /// Handshakes completed on the port, whatever became of them.
    pub established: u64,
    /// Ended cleanly after a response (not sent as records).
    pub served: u64,
    /// Accepted and closed without a byte either way (not sent as records).
    pub idle: u64,
    /// Bytes received on the connections in `served`.
    pub bytes_received: u64,
    /// Bytes written on the connections in `served`.
    pub bytes_written: u64,
}

/// Connections to one bind of a unix listener that the kernel counted instead of sending their records (per CPU).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnixCounts {
    /// Connections made, whatever became of them.
    pub connected: u64,
    /// Ended after a response, with nothing that speaks against it (not sent as records).
    pub served: u64,
    /// Ended without a byte either way (not sent as records).
    pub idle: u64,
}

/// Reasons for which the kernel side dropped something; indexes of the per-CPU `LOST` array.
pub mod lost {
    /// Connection record: ring buffer full.
    pub const CONNECTION: u32 = 0;
    /// Outcome of a flushing connection: ring buffer full.
    pub const FLUSHED: u32 = 1;
    /// Listener opened or closed: ring buffer full.
    pub const LISTENER: u32 = 2;
    /// Reset sent without a socket: ring buffer full.
    pub const RESET: u32 = 3;
    /// Signal generated or delivered: ring buffer full.
    pub const SIGNAL: u32 = 4;
    /// Process forked, executed, exited, OOM-killed: ring buffer full.
    pub const PROCESS: u32 = 5;
    /// Time of establishment not kept: map `CONNECTIONS` full.
    pub const ESTABLISHED_MAP: u32 = 6;
    /// Flushing connection not followed: map `CONNECTIONS` full.
    pub const FLUSHING_MAP: u32 = 7;
    /// Port not known to have a listener, so refused connections there are not told: map `LISTENERS` full.
    pub const LISTENERS_MAP: u32 = 8;
    /// What came after a shutdown of the sending side: ring buffer full.
    pub const LINGERED: u32 = 9;
    /// Shut-down connection not followed: map `LINGERING` full.
    pub const LINGERING_MAP: u32 = 10;
    /// What was seen at a listener's or connection's unix socket: ring buffer full.
    pub const UNIX: u32 = 11;
    /// Unix connection not followed, or its process's death not looked at: map `UNIX_CHILDREN` or `UNIX_SERVERS` full.
    pub const UNIX_CHILDREN_MAP: u32 = 12;
    /// Unix listener not remembered, and reported again: map `UNIX_LISTENERS` full.
    pub const UNIX_LISTENERS_MAP: u32 = 13;
    /// Descriptors of a dying process beyond those that are looked at.
    pub const UNIX_DESCRIPTORS: u32 = 14;
    /// Unix connection not counted: map `UNIX_COUNTS` full.
    pub const UNIX_COUNTS_MAP: u32 = 15;
    /// Whose connection to an upstream failed: ring buffer full.
    pub const UPSTREAM: u32 = 16;
    /// Connection to an upstream not remembered: map `UPSTREAMS` full.
    pub const UPSTREAMS_MAP: u32 = 17;
    /// Port not counted: map `COUNTS` full.
    pub const COUNTS_MAP: u32 = 18;
    /// Number of reasons.
    pub const COUNT: u32 = 19;
    /// `(what was lost, why)` for each index.
    pub const NAMES: [(&str, &str); COUNT as usize] = [
        ("connection", "ring_full"),
        ("flushed", "ring_full"),
        ("listener", "ring_full"),
        ("reset", "ring_full"),
        ("signal", "ring_full"),
        ("process", "ring_full"),
        ("established_at", "map_full"),
        ("flushed", "map_full"),
        ("listener", "map_full"),
        ("lingered", "ring_full"),
        ("lingered", "map_full"),
        ("unix", "ring_full"),
        ("unix", "map_full"),
        ("unix_listener", "map_full"),
        ("unix_descriptors", "too_many"),
        ("unix_count", "map_full"),
        ("upstream", "ring_full"),
        ("upstream", "map_full"),
        ("count", "map_full"),
    ];
}
