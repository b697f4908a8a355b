//! Connections that a process of a service opens to a listener of this host, as a proxy does to its upstream: whose
//! they are is told where they fail, for the upstream's own side knows an address and port only.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use drain_observer_ebpf::facts::{BYTES_RECEIVED, LRCVTIME, LSNDTIME, OUTGOING, SK_ERR, SKC_DPORT};
use drain_observer_ebpf::record::{Task, UPSTREAM, Upstream};
use drain_observer_ebpf::{PortKey, lost, seen};

use super::inet_sock_set_state::is_tcp;
use crate::fields::{Fields as _, Sock};
use crate::kernel::{current_tgid, read, value};
use crate::maps::{LISTENERS, MEMBERS, UPSTREAMS, count_lost, has_been, note, send};

/// A process connects; it runs in its own context, and the source port is not chosen yet.
#[inline(always)]
pub(super) fn begun(sk: u64) {
    if value(OUTGOING) != 1 || MEMBERS.get_ptr(current_tgid()).is_none() || !is_tcp(sk) {
        return;
    }
    let port = u16::from_be(read(sk, SKC_DPORT));
    if LISTENERS.get_ptr(PortKey { netns: Sock(sk).netns(), port, pad: 0 }).is_none() {
        return;
    }
    // The name would be more than the stack of this hook has room for, and is known from elsewhere.
    note(seen::UPSTREAM);
    if UPSTREAMS.insert(sk, bpf_get_current_pid_tgid(), 0).is_err() {
        count_lost(lost::UPSTREAMS_MAP);
    }
}

/// It is over. Where nothing came after what was sent last, or it failed, whose it was is told.
#[inline(always)]
pub(super) fn ended(sk: u64) {
    if !has_been(seen::UPSTREAM) {
        return;
    }
    let Some(task) = UPSTREAMS.get_ptr(sk) else { return };
    let err: u32 = read(sk, SK_ERR);
    let (sent, received): (u32, u32) = (read(sk, LSNDTIME), read(sk, LRCVTIME));
    // A received FIN counts as a byte.
    let answered = read::<u64>(sk, BYTES_RECEIVED) > 1 && received.wrapping_sub(sent) as i32 >= 0;
    if err != 0 || !answered {
        send(UPSTREAM, lost::UPSTREAM, false, |out: *mut Upstream| {
            // SAFETY: a reserved record, and a value of the map.
            unsafe {
                (*out).task = Task { tgid: (*task >> 32) as u32, pid: *task as u32, comm: [0; _] };
                Sock(sk).write_tuple(&raw mut (*out).tuple, Sock(sk).netns(), Sock(sk).local_port());
                (*out).err = err;
                (*out).pad = 0;
            }
        });
    }
    // It was there a moment ago; nobody else removes it.
    let _ = UPSTREAMS.remove(sk);
}
