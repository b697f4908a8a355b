//! Records in the ring buffer. Each begins with a [`Header`]; `kind` says which one it is.

mod unix;

pub use unix::*;

/// Bytes of a process's `comm`, including the terminating zero.
pub const COMM_LEN: usize = 16;
/// Bytes kept of an executed file's name.
pub const FILENAME_LEN: usize = 128;

/// [`Header::kind`] of a [`Connection`].
pub const CONNECTION: u16 = 1;
/// [`Header::kind`] of a [`Flushed`].
pub const FLUSHED: u16 = 2;
/// [`Header::kind`] of a [`Listener`] that began to listen.
pub const LISTENER_OPENED: u16 = 3;
/// [`Header::kind`] of a [`Listener`] that ceased to listen.
pub const LISTENER_CLOSED: u16 = 4;
/// [`Header::kind`] of a [`Reset`].
pub const RESET: u16 = 5;
/// [`Header::kind`] of a [`SignalGenerated`].
pub const SIGNAL_GENERATED: u16 = 6;
/// [`Header::kind`] of a [`SignalDelivered`].
pub const SIGNAL_DELIVERED: u16 = 7;
/// [`Header::kind`] of a [`Forked`].
pub const FORKED: u16 = 8;
/// [`Header::kind`] of an [`Executed`].
pub const EXECUTED: u16 = 9;
/// [`Header::kind`] of an [`Exited`].
pub const EXITED: u16 = 10;
/// [`Header::kind`] of an [`OomVictim`].
pub const OOM_VICTIM: u16 = 11;
/// [`Header::kind`] of a [`Lingered`].
pub const LINGERED: u16 = 12;
// 13 to 16 are in `unix`.
/// [`Header::kind`] of an [`Upstream`].
pub const UPSTREAM: u16 = 17;

/// Begins every record.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// One of this module's kinds.
    pub kind: u16,
    /// Bytes of the record, this header included.
    pub size: u16,
    /// CPU on which it was written.
    pub cpu: u32,
    /// `CLOCK_BOOTTIME` in ns when it was written.
    pub boot_ns: u64,
}

/// A thread and its process, as `current` or a tracepoint's task shows it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Task {
    /// Thread group id (what user space calls pid), in the initial pid namespace.
    pub tgid: u32,
    /// Thread id.
    pub pid: u32,
    /// Thread name, zero-terminated, any bytes.
    pub comm: [u8; COMM_LEN],
}

/// Both ends of a connection. IPv4 addresses are in v4-mapped form.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tuple {
    /// Local (server) address, network byte order.
    pub local: [u8; 16],
    /// Peer address, network byte order.
    pub peer: [u8; 16],
    /// Inode of the network namespace.
    pub netns: u32,
    /// Local port, host byte order.
    pub local_port: u16,
    /// Peer port, host byte order.
    pub peer_port: u16,
}

/// The socket has a `struct socket`, that is: it was accepted, or is a client's.
pub const HAS_SOCKET: u32 = 1 << 0;
/// `SOCK_DEAD`: orphaned by its process.
pub const DEAD: u32 = 1 << 1;
/// `SOCK_LINGER` was set.
pub const LINGER: u32 = 1 << 2;
/// `SOCK_NOSPACE`: a writer waited for room in the send buffer.
pub const NOSPACE: u32 = 1 << 3;
/// `TCP_NAGLE_CORK`: the response was marked as not yet whole.
pub const CORKED: u32 = 1 << 4;
/// The socket is a subflow of an MPTCP connection.
pub const MPTCP: u32 = 1 << 5;
/// The connection was opened by this host's process (a client's socket).
pub const ACTIVE: u32 = 1 << 6;
/// The record was held back until the last bytes' fate was known: `boot_ns` is later than `closed_ns`.
pub const HELD: u32 = 1 << 7;
/// A [`Flushed`] record will follow, or is lost.
pub const FLUSHING: u32 = 1 << 8;
/// Which of TCP's clocks `lsndtime` and `lrcvtime` could not be read on this kernel.
pub const NO_TIMES: u32 = 1 << 9;

/// How an exchange stood at a moment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Payload received since this side last sent a packet of any kind, bytes.
    pub pending: u32,
    /// How long before the moment this side last sent a packet of any kind (`tcp_sock.tcp_wstamp_ns`), ms;
    /// `u32::MAX` where the kernel does not tell.
    pub packet_ms: u32,
    /// How long before the moment this side last sent data, jiffies.
    pub data_ticks: u32,
    /// How long before the moment data was last received, jiffies.
    pub received_ticks: u32,
    /// Payload received in the peer's last segment, bytes: 0 where that was a bare acknowledgement, or its FIN
    /// (`rcv_nxt` beyond `tcp_sock.snd_wl1`, where the last segment began).
    pub last_segment: u32,
    /// `icsk_ack.pingpong`.
    pub pingpong: u32,
}

/// A connection that left ESTABLISHED or CLOSE_WAIT: everything `tcp_sock` said at that moment.
///
/// From `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Common part.
    pub header: Header,
    /// Kernel address of the socket: an identity while the socket lives, nothing else.
    pub sk: u64,
    /// Socket cookie, 0 where none was ever assigned.
    pub cookie: u64,
    /// `CLOCK_BOOTTIME` ns when the handshake was done; 0 = before the observer came, or not kept.
    pub established_ns: u64,
    /// `CLOCK_BOOTTIME` ns of accept(2); 0 = not accepted, or not watched.
    pub accepted_ns: u64,
    /// `CLOCK_BOOTTIME` ns of the state change.
    pub closed_ns: u64,
    /// `CLOCK_BOOTTIME` ns of the peer's FIN; 0 = none, or before the observer came.
    pub peer_fin_ns: u64,
    /// `tcp_sock.bytes_received`: payload received, plus 1 if a FIN was.
    pub bytes_received: u64,
    /// `tcp_sock.bytes_acked`: payload the peer acknowledged.
    pub bytes_acked: u64,
    /// Both ends.
    pub tuple: Tuple,
    /// The task in whose context the state changed: the closer, or (softirq) anybody.
    pub task: Task,
    /// `tcp_sock.rcv_nxt`.
    pub rcv_nxt: u32,
    /// `tcp_sock.copied_seq`.
    pub copied_seq: u32,
    /// `tcp_sock.rcv_wup`.
    pub rcv_wup: u32,
    /// `tcp_sock.snd_una`.
    pub snd_una: u32,
    /// `tcp_sock.write_seq`.
    pub write_seq: u32,
    /// `tcp_sock.write_seq` when the peer's FIN came; meaningless without `peer_fin_ns`.
    pub write_seq_at_fin: u32,
    /// Low 32 bits of jiffies when `closed_ns` was taken.
    pub jiffies: u32,
    /// `tcp_sock.lsndtime` (jiffies): last data sent.
    pub lsndtime: u32,
    /// `icsk_ack.lrcvtime` (jiffies): last data received.
    pub lrcvtime: u32,
    /// `sk_ack_backlog` of the child: depth of the accept queue at its arrival.
    pub queue_at_arrival: u32,
    /// `tcp_sock.data_segs_in`: segments with payload received.
    pub data_segs_in: u32,
    /// `tcp_sock.data_segs_out`: segments with payload sent.
    pub data_segs_out: u32,
    /// The `HAS_SOCKET`.. bits of this module.
    pub flags: u32,
    /// `sk_err`: a positive errno, 0 for none.
    pub err: u32,
    /// TCP state before (`TCP_ESTABLISHED` = 1 ..).
    pub old_state: u8,
    /// TCP state after.
    pub new_state: u8,
    /// `sk_shutdown`: 1 = receive side, 2 = send side.
    pub shutdown: u8,
    /// `icsk_ack.pingpong`: > 0 after a response to received data.
    pub pingpong: u8,
    /// `tcp_sock.snd_nxt`: what lies between it and `write_seq` has never been sent.
    pub snd_nxt: u32,
    /// `tcp_sock.rcv_tstamp` (jiffies): when the peer last acknowledged anything, new or not.
    pub rcv_tstamp: u32,
    /// Always zero.
    pub pad: u32,
    /// At the peer's FIN, where there was one and `peer_fin_ns` tells when; else at `closed_ns`.
    pub standing: Standing,
}

/// What became of the bytes that were still unacknowledged when a connection was closed.
///
/// From `inet_sock_set_state`, on leaving FIN_WAIT1, CLOSING or LAST_ACK.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Flushed {
    /// Common part.
    pub header: Header,
    /// The socket, as in the [`Connection`] before.
    pub sk: u64,
    /// `closed_ns` of the [`Connection`] before.
    pub closed_ns: u64,
    /// Both ends.
    pub tuple: Tuple,
    /// Bytes that were never acknowledged; 0 = everything arrived.
    pub unacked: u32,
    /// `sk_err`: a positive errno, 0 for none.
    pub err: u32,
}

/// Payload came after the process had shut down the sending side alone, so that nothing could answer it.
///
/// From `inet_sock_set_state`, on reaching CLOSE from FIN_WAIT1, FIN_WAIT2 or CLOSING.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Lingered {
    /// Common part.
    pub header: Header,
    /// The socket, as in its [`Connection`], if that was sent.
    pub sk: u64,
    /// `CLOCK_BOOTTIME` ns of the shutdown: `closed_ns` of the [`Connection`].
    pub closed_ns: u64,
    /// Both ends.
    pub tuple: Tuple,
    /// Who shut it down.
    pub task: Task,
    /// Payload received since.
    pub received: u32,
    /// How long before the shutdown data was last sent, jiffies.
    pub quiet: u32,
    /// Payload that was unacknowledged at the shutdown.
    pub unacked: u32,
    /// Always zero.
    pub pad: u32,
}

/// A socket began or ceased to listen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Common part.
    pub header: Header,
    /// Kernel address of the socket.
    pub sk: u64,
    /// Socket cookie, 0 where none was ever assigned.
    pub cookie: u64,
    /// Local end; the peer is zero.
    pub tuple: Tuple,
    /// Who called `listen`, or let go last.
    pub task: Task,
    /// `sk_ack_backlog`: connections waiting to be accepted.
    pub queue: u32,
    /// `sk_max_ack_backlog`.
    pub limit: u32,
    /// `sk_drops`: packets dropped at this socket since it exists.
    pub drops: u32,
    /// Always zero.
    pub pad: u32,
}

/// [`Reset::what`]: SYN to a port where nobody listened.
pub const RESET_REFUSED: u32 = 1;
/// [`Reset::what`]: data for a connection that the server has already closed.
pub const RESET_LATE_DATA: u32 = 2;
/// [`Reset::what`]: segment of a connection that a live listener does not know.
pub const RESET_UNKNOWN_TO_LISTENER: u32 = 3;
/// [`Reset::what`]: non-SYN segment for a connection that no socket knows.
pub const RESET_NO_SOCKET: u32 = 4;

/// The kernel answered a segment with a reset.
///
/// From `tcp_send_reset(const struct sock *sk, const struct sk_buff *skb, const enum sk_rst_reason reason)`,
/// on older kernels `kfree_skb(struct sk_buff *skb, void *location, enum skb_drop_reason reason)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Reset {
    /// Common part.
    pub header: Header,
    /// Both ends.
    pub tuple: Tuple,
    /// One of the `RESET_`.. values.
    pub what: u32,
    /// TCP state of the socket that answered, 0 for none.
    pub sk_state: u32,
    /// Payload bytes of the segment.
    pub payload: u32,
    /// TCP flags byte of the segment (FIN 1, SYN 2, RST 4, PSH 8, ACK 16).
    pub tcp_flags: u32,
}

/// A signal was sent.
///
/// From `signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SignalGenerated {
    /// Common part.
    pub header: Header,
    /// The sender; meaningless where `from_kernel` is set.
    pub sender: Task,
    /// The receiver.
    pub target: Task,
    /// Signal number.
    pub signal: u32,
    /// 0 queued, 1 ignored, 2 already pending, 3 overflow, 4 siginfo lost.
    pub result: u32,
    /// 1 = for the whole process, 0 = for one thread.
    pub group: u32,
    /// 1 = the kernel sent it.
    pub from_kernel: u32,
    /// `si_code`, 0 where unknown.
    pub code: i32,
    /// Always zero.
    pub pad: u32,
}

/// A signal reached its receiver.
///
/// From `signal_deliver(int sig, struct kernel_siginfo *info, struct k_sigaction *ka)`; `current` is the receiver.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SignalDelivered {
    /// Common part.
    pub header: Header,
    /// The receiver.
    pub task: Task,
    /// Signal number.
    pub signal: u32,
    /// 0 = default action, 1 = ignored, 2 = a handler runs.
    pub action: u32,
}

/// A process (not a thread) was born.
///
/// From `sched_process_fork(struct task_struct *parent, struct task_struct *child)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Forked {
    /// Common part.
    pub header: Header,
    /// Parent.
    pub parent: Task,
    /// Child.
    pub child: Task,
    /// `start_boottime` of the child, ns.
    pub start_ns: u64,
}

/// A process replaced its program.
///
/// From `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Executed {
    /// Common part.
    pub header: Header,
    /// The process, already under its new name.
    pub task: Task,
    /// `start_boottime`, ns: unchanged by exec.
    pub start_ns: u64,
    /// Path as given to exec, zero-terminated unless cut.
    pub filename: [u8; FILENAME_LEN],
}

/// The last thread of a process ended. Its descriptors are closed after this.
///
/// From `sched_process_exit(struct task_struct *p)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Exited {
    /// Common part.
    pub header: Header,
    /// The process (name of the thread that went last).
    pub task: Task,
    /// `start_boottime`, ns.
    pub start_ns: u64,
    /// `status << 8 | signal`, as wait(2) has it.
    pub code: u32,
    /// Always zero.
    pub pad: u32,
}

/// The kernel chose a process to kill for its memory.
///
/// From `mark_victim(struct task_struct *task, uid_t uid)`, on older kernels `mark_victim(int pid)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OomVictim {
    /// Common part.
    pub header: Header,
    /// The victim.
    pub tgid: u32,
    /// Always zero.
    pub pad: u32,
}

/// A connection that a process of a service had opened to a listener of this host failed, or ended unanswered.
///
/// From `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    /// Common part.
    pub header: Header,
    /// The process that connected; its name is not told.
    pub task: Task,
    /// Both ends: `local` is the process's own, `peer` the listener's.
    pub tuple: Tuple,
    /// `sk_err`: 0, ECONNREFUSED, ECONNRESET ..
    pub err: u32,
    /// Always zero.
    pub pad: u32,
}
