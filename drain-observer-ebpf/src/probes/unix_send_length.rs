//! Writes to unix connections whose other end is closed: they fail before anything is queued.
//!
//! `sock_send_length(struct sock *sk, int ret, int flags)`, since Linux 6.3; `current` is the writer.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::UNIX_PEER;
use drain_observer_ebpf::record::{UNIX_CLIENT_CLOSED, UNIX_LATE_REQUEST};

use super::unix::{end, is_dead, is_unix_stream, known, lost_in_queue};
use crate::kernel::read;

const EPIPE: i32 = 32;

#[raw_tracepoint]
fn unix_send_length(ctx: RawTracePointContext) -> u32 {
    if ctx.arg::<u64>(1) as i32 != -EPIPE {
        return 0;
    }
    let sk: u64 = ctx.arg(0);
    if !is_unix_stream(sk) {
        return 0;
    }
    let Some(known) = known(sk) else { return 0 };
    if lost_in_queue(&known) {
        return 0;
    }
    // An end that is open keeps the other.
    let other: u64 = read(sk, UNIX_PEER);
    if other != 0 && is_dead(other) {
        end(known.child, if known.is_child { UNIX_CLIENT_CLOSED } else { UNIX_LATE_REQUEST }, 0);
    }
    0
}
