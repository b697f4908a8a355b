//! The maps shared with user space, and how a record gets into the ring.

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use drain_observer_ebpf::record::{Header, Standing, Task, Tuple, UnixCourse};
use drain_observer_ebpf::{PortCounts, PortKey, UnixCounts, facts, lost, seen};

use crate::kernel;

/// Records for user space. Its size is set at load.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// What was dropped, by reason ([`lost`]).
#[map]
pub(crate) static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);

/// What is kept of connections: of accepted ones from the handshake on, of all until the peer has acknowledged their last
/// bytes. By socket address.
#[map]
pub(crate) static CONNECTIONS: HashMap<u64, Kept> = HashMap::with_max_entries(131_072, 0);

/// Connections whose sending side alone was shut down by their process, by socket address.
#[map]
pub(crate) static LINGERING: HashMap<u64, ShutDown> = HashMap::with_max_entries(16_384, 0);

/// Connections that this side closed first, with the `rcv_nxt` that they had then, where they are needed: the latest.
#[map]
pub(crate) static CLOSED: LruHashMap<Tuple, u32> = LruHashMap::with_max_entries(65_536, 0);

/// Where what is read at once of a socket comes to ([`facts::SPANS`]). Only the program at `inet_sock_set_state` uses it,
/// which the kernel does not run twice on a CPU at a time.
#[map]
pub(crate) static SPANS_READ: PerCpuArray<[u64; facts::SPAN_MAX / 8]> =
    PerCpuArray::with_max_entries(facts::SPANS.len() as u32, 0);

/// Where what is kept of a connection is put together: the stack has no room for it. As [`SPANS_READ`].
#[map]
pub(crate) static DRAFT: PerCpuArray<Kept> = PerCpuArray::with_max_entries(1, 0);

/// What there has been ([`seen`]), 1 each: a look at it is much less than one at a map of what there hardly ever is.
#[map]
pub(crate) static SEEN: Array<u32> = Array::with_max_entries(seen::COUNT, 0);

/// Ports that have or lately had a listener; the value holds `LISTENER_` flags.
#[map]
pub(crate) static LISTENERS: HashMap<PortKey, u32> = HashMap::with_max_entries(16_384, 0);

/// What was counted instead of being sent.
#[map]
pub(crate) static COUNTS: PerCpuHashMap<PortKey, PortCounts> = PerCpuHashMap::with_max_entries(16_384, 0);

/// The ports to watch, where only some are (`ONLY_PORTS`).
#[map]
pub(crate) static PORTS: HashMap<u16, u8> = HashMap::with_max_entries(1_024, 0);

/// Processes of watched services: their outgoing connections are watched too, and their signals told at once.
#[map]
pub(crate) static MEMBERS: HashMap<u32, u8> = HashMap::with_max_entries(32_768, 0);

/// Who opened the connections of services to listeners of this host (thread group in the upper half), by socket
/// address.
#[map]
pub(crate) static UPSTREAMS: HashMap<u64, u64> = HashMap::with_max_entries(16_384, 0);

/// The server's ends of unix connections, by socket address.
#[map]
pub(crate) static UNIX_CHILDREN: HashMap<u64, UnixCourse> = HashMap::with_max_entries(16_384, 0);

/// How many connections the process that is dying on this CPU dies with. Not a variable: the verifier would follow each
/// of its values through the loop over the descriptors.
#[map]
pub(crate) static UNIX_DYING: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// When a refused unix client of this CPU was last told of at once.
#[map]
pub(crate) static UNIX_TOLD: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Processes that accepted, read or answered on unix connections.
#[map]
pub(crate) static UNIX_SERVERS: HashMap<u32, u8> = HashMap::with_max_entries(8_192, 0);

/// The unix listeners that have been reported, by socket address; or by what they share with their connections.
#[map]
pub(crate) static UNIX_LISTENERS: HashMap<u64, Reported> = HashMap::with_max_entries(4_096, 0);

/// Unix connections that were counted, by what their listener is bound by.
#[map]
pub(crate) static UNIX_COUNTS: PerCpuHashMap<u64, UnixCounts> = PerCpuHashMap::with_max_entries(4_096, 0);

/// Its one value: 1 = send the record of each unix connection, clean or not.
#[map]
pub(crate) static UNIX_EMIT_ALL: Array<u32> = Array::with_max_entries(1, 0);

/// What was reported of a unix listener.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Reported {
    /// What else tells it from one that has the key later: what it shares with its connections, or, where that is the
    /// key, its file's inode.
    pub(crate) is: u64,
    /// When its queue was last reported as full (0 = never), or, where its connections tell of it, when one last did.
    pub(crate) last_ns: u64,
}

/// What is kept of a connection.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept {
    pub(crate) open: Open,
    pub(crate) closing: Closing,
    /// Inode of the network namespace; 0 = not read yet.
    pub(crate) netns: u32,
    /// Local port; 0 = not read yet.
    pub(crate) port: u16,
    pub(crate) pad: u16,
}

/// What is kept of an established connection, because `tcp_sock` does not.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Open {
    pub(crate) established_ns: u64,
    /// 0 = not accepted yet, or not watched.
    pub(crate) accepted_ns: u64,
    /// 0 = the peer has not closed its side.
    pub(crate) peer_fin_ns: u64,
    /// `write_seq` when the peer closed its side: what was written later answered nobody, or a half-close.
    pub(crate) write_seq_at_fin: u32,
    pub(crate) pad: u32,
    /// When the peer closed its side.
    pub(crate) standing_at_fin: Standing,
}

/// How a connection was closed whose last bytes the peer has not acknowledged yet.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Closing {
    /// 0 = it is open.
    pub(crate) closed_ns: u64,
    pub(crate) bytes_received: u64,
    /// Acknowledged or not.
    pub(crate) bytes_written: u64,
    /// Who closed it.
    pub(crate) task: Task,
    pub(crate) rcv_nxt: u32,
    pub(crate) write_seq: u32,
    pub(crate) snd_nxt: u32,
    pub(crate) jiffies: u32,
    pub(crate) flags: u32,
    pub(crate) old_state: u8,
    pub(crate) new_state: u8,
    pub(crate) shutdown: u8,
    /// 1 = the record was held back, 0 = it has been sent.
    pub(crate) held: u8,
}

/// How it stood when a process shut down its sending side.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ShutDown {
    pub(crate) closed_ns: u64,
    pub(crate) rcv_nxt: u32,
    pub(crate) quiet: u32,
    pub(crate) unacked: u32,
    pub(crate) pad: u32,
    pub(crate) task: Task,
}

/// Whether a port is among those to watch.
#[inline(always)]
pub(crate) fn watched_port(port: u16) -> bool {
    kernel::value(facts::ONLY_PORTS) != 1 || PORTS.get_ptr(port).is_some()
}

/// Whether there has been such a thing ([`seen`]).
#[inline(always)]
pub(crate) fn has_been(what: u32) -> bool {
    // SAFETY: a value of the map, read at once.
    SEEN.get_ptr(what).is_some_and(|seen| unsafe { *seen } != 0)
}

/// From now on there has been such a thing ([`seen`]). Written once only: all CPUs read the line that it lies in.
#[inline(always)]
pub(crate) fn note(what: u32) {
    if has_been(what) {
        return;
    }
    if let Some(seen) = SEEN.get_ptr_mut(what) {
        // SAFETY: a value of the map, to which the probes write nothing else.
        unsafe { *seen = 1 };
    }
}

/// Counts something dropped; gives how often it was on this CPU before.
#[inline(always)]
pub(crate) fn count_lost(reason: u32) -> u64 {
    let Some(counter) = LOST.get_ptr_mut(reason) else { return 0 };
    // SAFETY: this CPU's own slot, and the program is not preempted by itself.
    unsafe {
        let before = *counter;
        *counter = before + 1;
        before
    }
}

/// Reserves a record, has it filled, and sends it; counts it as lost where the ring is full.
///
/// `urgent` wakes the reader at once: for the rare events on which somebody waits.
#[inline(always)]
pub(crate) fn send<T: 'static>(kind: u16, reason: u32, urgent: bool, fill: impl FnOnce(*mut T)) {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        count_lost(reason);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: every record begins with a header, and the entry is ours until it is submitted.
    unsafe {
        *record.cast::<Header>() = Header {
            kind,
            size: size_of::<T>() as u16,
            cpu: bpf_get_smp_processor_id(),
            boot_ns: bpf_ktime_get_boot_ns(),
        };
    }
    fill(record);
    let wake =
        urgent || EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) >= u64::from(kernel::value(facts::WAKEUP_BYTES));
    entry.submit(u64::from(if wake { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP }));
}
