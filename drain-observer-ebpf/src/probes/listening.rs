//! What is told of a listening socket.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::warn;
use drain_observer_ebpf::facts::{
    OWN_TGID, SK_ACK_BACKLOG, SK_DROPS, SK_MAX_ACK_BACKLOG, SKC_COOKIE, SKC_NUM,
};
use drain_observer_ebpf::record::{LISTENER_OPENED, Listener};
use drain_observer_ebpf::{PortKey, lost};

use crate::fields::{Fields as _, Sock};
use crate::kernel::{current_tgid, read, value, write_current};
use crate::maps::{LISTENERS, count_lost, send, watched_port};

/// A socket began to listen, or ceased to.
#[inline(always)]
pub(super) fn changed(ctx: &RawTracePointContext, sk: u64, kind: u16) {
    // Set by bind, or (no bind) only by the kernel's own choice after this event: then both are 0.
    let port = match Sock(sk).local_port() {
        0 => read(sk, SKC_NUM),
        port => port,
    };
    if !watched_port(port) || current_tgid() == value(OWN_TGID) {
        return;
    }
    let key = PortKey { netns: Sock(sk).netns(), port, pad: 0 };
    if kind == LISTENER_OPENED
        && LISTENERS.get_ptr(key).is_none()
        && LISTENERS.insert(key, 0, u64::from(BPF_NOEXIST)).is_err()
        // Thousands may follow: they are counted.
        && count_lost(lost::LISTENERS_MAP) == 0
    {
        warn!(
            ctx,
            "map of listeners full: connections refused at port {} and further ones are not told", port
        );
    }
    send_listener(kind, sk, key);
}

#[inline(always)]
fn send_listener(kind: u16, sk: u64, key: PortKey) {
    send(kind, lost::LISTENER, true, |out: *mut Listener| {
        // SAFETY: a reserved record.
        unsafe {
            (*out).sk = sk;
            (*out).cookie = read(sk, SKC_COOKIE);
            Sock(sk).write_tuple(&raw mut (*out).tuple, key.netns, key.port);
            write_current(&raw mut (*out).task);
            (*out).queue = read(sk, SK_ACK_BACKLOG);
            (*out).limit = read(sk, SK_MAX_ACK_BACKLOG);
            (*out).drops = read(sk, SK_DROPS);
            (*out).pad = 0;
        }
    });
}
