//! Refused connections and late requests where `tcp_send_reset` is silent without a full socket (before 6.10).
//!
//! `kfree_skb(struct sk_buff *skb, void *location, enum skb_drop_reason reason)`

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{DROP_NO_SOCKET, DROP_NOT_SPECIFIED};
use drain_observer_ebpf::record::{RESET_NO_SOCKET, RESET_REFUSED};

use super::late;
use super::segment::{ACK, RST, SYN, Segment};
use crate::kernel::value;
use crate::maps::{LISTENERS, watched_port};

#[raw_tracepoint]
fn kfree_skb(ctx: RawTracePointContext) -> u32 {
    let reason = ctx.arg::<u64>(2) as u32;
    let no_socket = reason == value(DROP_NO_SOCKET);
    if !no_socket && reason != value(DROP_NOT_SPECIFIED) {
        return 0;
    }
    let Some(segment) = Segment::of(ctx.arg(0)) else { return 0 };
    if !no_socket {
        late::dropped(&segment);
        return 0;
    }
    if !watched_port(segment.local.port) || LISTENERS.get_ptr(segment.local).is_none() {
        return 0;
    }
    if segment.flags & (SYN | ACK | RST) == SYN {
        segment.send_reset(RESET_REFUSED, 0);
    } else if segment.payload > 0 && segment.flags & RST == 0 {
        segment.send_reset(RESET_NO_SOCKET, 0);
    }
    0
}
