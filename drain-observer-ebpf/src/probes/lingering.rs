//! Connections of which a process has shut down the sending side alone, to read and throw away what still comes:
//! a request that comes then is lost, though no reset tells it.
//!
//! Told by the same hook as all connections' ends, for it fires at both ends of this time.

use drain_observer_ebpf::facts::{LSNDTIME, RCV_NXT, SKC_FLAGS};
use drain_observer_ebpf::record::{COMM_LEN, LINGERED, Lingered, Task};
use drain_observer_ebpf::{lost, seen};

use crate::fields::{Fields as _, Sock, Span, TCP};
use crate::kernel::{read, write_current};
use crate::maps::{LINGERING, ShutDown, count_lost, has_been, note, send};

// include/net/sock.h
const RCV_SHUTDOWN: u8 = 1;
const SOCK_DONE: u64 = 1 << 1;

/// Whether only the sending side is shut down, by a socket's `sk_shutdown`: both are where it was closed.
#[inline(always)]
pub(super) fn is_half(shutdown: u8) -> bool {
    shutdown & RCV_SHUTDOWN == 0
}

/// A connection went to FIN_WAIT1, and its receiving side is open.
#[inline(always)]
pub(super) fn begin(sk: u64, tcp: &Span<TCP>, closed_ns: u64, jiffies: u32, unacked: u32) {
    let quiet = jiffies.wrapping_sub(tcp.read(LSNDTIME));
    let mut task = Task { tgid: 0, pid: 0, comm: [0; COMM_LEN] };
    // SAFETY: a local.
    unsafe { write_current(&raw mut task) };
    let shut_down = ShutDown { closed_ns, rcv_nxt: tcp.read(RCV_NXT), quiet, unacked, pad: 0, task };
    note(seen::LINGERING);
    if LINGERING.insert(sk, shut_down, 0).is_err() {
        count_lost(lost::LINGERING_MAP);
    }
}

/// It is closed now, whoever did so.
#[inline(always)]
pub(super) fn ended(sk: u64) {
    if !has_been(seen::LINGERING) {
        return;
    }
    let shut_down = match LINGERING.get_ptr(sk) {
        // SAFETY: a value of the map, copied at once.
        Some(shut_down) => unsafe { *shut_down },
        None => return,
    };
    // It was there a moment ago; nobody else removes it.
    let _ = LINGERING.remove(sk);
    // A received FIN, which counts as a byte, sets SOCK_DONE.
    let fin = u32::from(read::<u64>(sk, SKC_FLAGS) & SOCK_DONE != 0);
    let received = read::<u32>(sk, RCV_NXT).wrapping_sub(shut_down.rcv_nxt).wrapping_sub(fin) as i32;
    if received <= 0 {
        return;
    }
    send(LINGERED, lost::LINGERED, false, |out: *mut Lingered| {
        // SAFETY: a reserved record.
        unsafe {
            (*out).sk = sk;
            (*out).closed_ns = shut_down.closed_ns;
            Sock(sk).write_tuple(&raw mut (*out).tuple, Sock(sk).netns(), Sock(sk).local_port());
            (*out).task = shut_down.task;
            (*out).received = received as u32;
            (*out).quiet = shut_down.quiet;
            (*out).unacked = shut_down.unacked;
            (*out).pad = 0;
        }
    });
}
