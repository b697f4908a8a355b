//! What the probes saw. The layouts they write are in `drain_observer_ebpf::record`, which also names the
//! kernel source of each fact; here the same facts have types.

use super::{BootNs, Comm, Endpoint, ListenerKey};
use serde::{Deserialize, Serialize};

/// Bits of [`Connection::flags`].
pub mod flag {
    pub use drain_observer_ebpf::record::{
        ACTIVE, CORKED, DEAD, FLUSHING, HAS_SOCKET, HELD, LINGER, MPTCP, NO_TIMES, NOSPACE,
    };
}

/// A connection that a process of a service had opened to a listener of this host failed, or ended unanswered: whose
/// the client's end was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamFailed {
    /// The process that had connected; its name is not told.
    pub by: Task,
    /// Inode of the network namespace.
    pub netns: u32,
    /// Its own end.
    pub local: Endpoint,
    /// The listener's.
    pub peer: Endpoint,
    /// 0, 111 ECONNREFUSED, 104 ECONNRESET ..
    pub errno: u32,
}

/// A process, by its number in the initial pid namespace and its name at the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Task {
    /// Process id (the kernel's tgid).
    pub pid: u32,
    /// Name of the thread.
    pub comm: Comm,
}

impl Task {
    /// The pid of the first process, which keeps listeners for others and is nobody's master.
    pub const INIT: u32 = 1;
}

/// State of a TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the states are TCP's own")]
pub enum TcpState {
    Established,
    SynSent,
    SynRecv,
    FinWait1,
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    NewSynRecv,
    /// A number that this version does not know.
    Other,
}

impl TcpState {
    /// From include/net/tcp_states.h.
    pub fn from_kernel(state: u32) -> Self {
        match state {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynRecv,
            _ => Self::Other,
        }
    }
}

/// A connection that left ESTABLISHED, CLOSE_WAIT or SYN_RECV for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// Identity of the socket while it lives.
    pub sk: u64,
    /// Socket cookie, 0 where none was assigned.
    pub cookie: u64,
    /// Server's end (of an outgoing connection: this host's).
    pub local: Endpoint,
    /// The other end.
    pub peer: Endpoint,
    /// Inode of the network namespace.
    pub netns: u32,
    /// When the handshake was done; `None` = before the observer came, or not kept.
    pub established_at: Option<BootNs>,
    /// When a process accepted it; `None` = nobody did, or accepts are not watched, or this one was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<BootNs>,
    /// When it left the state.
    pub closed_at: BootNs,
    /// When the peer closed its side, if it did so first and the observer was there.
    pub peer_fin_at: Option<BootNs>,
    /// In whose context: the closer where it was closed by a process, anybody where a packet ended it.
    pub by: Task,
    /// State before.
    pub from: TcpState,
    /// State after.
    pub to: TcpState,
    /// `sk_err`: 0, or the errno with which the connection ended (104 ECONNRESET, 110 ETIMEDOUT ..).
    pub errno: u32,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Payload bytes that the peer acknowledged.
    pub bytes_acked: u64,
    /// Payload bytes written but not acknowledged.
    pub unacked: u32,
    /// Of these, never sent: `last_sent` says nothing about them.
    #[serde(default)]
    pub unsent: u32,
    /// Payload bytes received but never read.
    pub unread: u32,
    /// Payload bytes written after the peer closed its side.
    pub written_after_fin: u32,
    /// Received data was not acknowledged yet, so nothing was sent since it came.
    pub ack_pending: bool,
    /// Low 32 bits of jiffies at `closed_at`.
    pub jiffies: u32,
    /// Jiffies when data was last sent (or the connection established).
    pub last_sent: u32,
    /// Jiffies when data was last received (or the connection established).
    pub last_received: u32,
    /// `icsk_ack.pingpong`.
    pub pingpong: u8,
    /// Segments with payload received.
    pub segments_in: u32,
    /// Segments with payload sent.
    pub segments_out: u32,
    /// Depth of the accept queue when it arrived.
    pub queue_at_arrival: u32,
    /// Bits of [`flag`].
    pub flags: u32,
    /// When the peer closed its side, or at the end if it did not.
    #[serde(default)]
    pub standing: Standing,
    /// Jiffies when the peer last acknowledged anything, new or not; `None` = not known.
    #[serde(default)]
    pub last_acked: Option<u32>,
}

/// How an exchange stood at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Payload bytes received since this side last sent a packet of any kind.
    pub pending: u32,
    /// How long ago that was, ms; `None` = not known.
    pub packet_ms: Option<u32>,
    /// How long ago data was last sent, jiffies.
    pub data_ticks: u32,
    /// How long ago data was last received, jiffies.
    pub received_ticks: u32,
    /// Payload bytes in the peer's last segment: 0 where that was a bare acknowledgement, or its FIN.
    pub last_segment: u32,
    /// `icsk_ack.pingpong`: above 0, the last request was answered at once, and was not acknowledged without data.
    pub pingpong: u32,
}

impl Connection {
    /// Whether a bit of [`flag`] is set.
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Payload bytes that the process wrote, acknowledged or not.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_acked.saturating_add(u64::from(self.unacked))
    }
}

/// What became of the bytes that were unacknowledged when a connection was closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flushed {
    /// Identity of the socket.
    pub sk: u64,
    /// `closed_at` of its [`Connection`].
    pub closed_at: BootNs,
    /// This host's end.
    pub local: Endpoint,
    /// The other end.
    pub peer: Endpoint,
    /// Inode of the network namespace.
    pub netns: u32,
    /// Bytes never acknowledged; 0 = everything arrived.
    pub unacked: u32,
    /// As [`Connection::errno`].
    pub errno: u32,
}

/// Data came after a process had shut down the sending side alone, so that nothing could answer it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lingered {
    /// Identity of the socket.
    pub sk: u64,
    /// When the side was shut down: `closed_at` of its [`Connection`], if there is one.
    pub closed_at: BootNs,
    /// This host's end.
    pub local: Endpoint,
    /// The other end.
    pub peer: Endpoint,
    /// Inode of the network namespace.
    pub netns: u32,
    /// Who shut it down.
    pub by: Task,
    /// Payload bytes received since, 1...
    pub received: u32,
    /// How long before the shutdown data was last sent, jiffies.
    pub quiet: u32,
    /// Payload bytes unacknowledged at the shutdown.
    pub unacked: u32,
}

/// A socket began or ceased to listen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Identity of the socket while it lives.
    pub sk: u64,
    /// Socket cookie, 0 where none was assigned.
    pub cookie: u64,
    /// Where it listens.
    #[serde(flatten)]
    pub key: ListenerKey,
    /// Who called listen(2), or let go last.
    pub by: Task,
    /// Connections in the accept queue.
    pub queue: u32,
    /// The queue's limit (a queue holds one more).
    pub limit: u32,
    /// Packets dropped at the socket since it exists.
    pub drops: u32,
}

/// Why the kernel answered a segment with a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetKind {
    /// A SYN to a port where nobody listened.
    Refused,
    /// Data for a connection that this side has closed.
    LateData,
    /// A segment of a connection that the port's present listener does not know.
    UnknownToListener,
    /// Data for a connection that no socket knows.
    NoSocket,
}

/// The kernel answered a segment with a reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reset {
    /// Why.
    pub reason: ResetKind,
    /// This host's end.
    pub local: Endpoint,
    /// The other end.
    pub peer: Endpoint,
    /// Inode of the network namespace.
    pub netns: u32,
    /// State of the socket that answered.
    pub state: Option<TcpState>,
    /// Payload bytes of the segment.
    pub payload: u32,
}

/// What became of a signal at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalResult {
    /// It waits for its receiver.
    Queued,
    /// The receiver ignores it.
    Ignored,
    /// The same signal was waiting already.
    AlreadyPending,
    /// The queue was full.
    Overflow,
}

/// A signal was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalGenerated {
    /// Signal number.
    pub signal: u32,
    /// Who sent it; `None` = the kernel (a fault, the OOM killer).
    pub sender: Option<Task>,
    /// Who is to get it.
    pub target: Task,
    /// What became of it at once.
    pub result: SignalResult,
    /// For the whole process, not for one thread.
    pub group: bool,
}

/// What a signal did when it was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalAction {
    /// The default action: for most, death.
    Default,
    /// Nothing.
    Ignored,
    /// The process's handler runs.
    Handler,
}

/// A signal reached its receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalDelivered {
    /// Signal number; 9 for any signal that kills by default.
    pub signal: u32,
    /// The receiver.
    pub task: Task,
    /// What it does.
    pub action: SignalAction,
}

/// A process (not a thread) was born.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forked {
    /// Parent.
    pub parent: Task,
    /// Child.
    pub child: Task,
    /// When the child's life began.
    pub start: BootNs,
}

/// A process replaced its program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Executed {
    /// The process, under its new name.
    pub task: Task,
    /// When its life began; exec does not change it.
    pub start: BootNs,
    /// File as given to exec, cut at 127 bytes.
    pub file: String,
}

/// A process ended: its last thread. Its descriptors are closed after this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exited {
    /// The process.
    pub task: Task,
    /// When its life began.
    pub start: BootNs,
    /// Exit status, 0..=255.
    pub status: u8,
    /// Signal that killed it, 0 for none.
    pub signal: u8,
}

/// The kernel chose a process to kill for its memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OomVictim {
    /// The victim's process id.
    pub pid: u32,
}
