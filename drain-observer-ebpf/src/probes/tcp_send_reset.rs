//! Segments that the kernel answered with a reset: refused connections and late requests.
//!
//! `tcp_send_reset(const struct sock *sk, const struct sk_buff *skb, const enum sk_rst_reason reason)`;
//! before 6.10 without the reason, and silent where there is no socket.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::SKC_STATE;
use drain_observer_ebpf::record::{
    RESET_LATE_DATA, RESET_NO_SOCKET, RESET_REFUSED, RESET_UNKNOWN_TO_LISTENER,
};

use super::segment::{ACK, FIN, RST, SYN, Segment};
use crate::fields::{Fields as _, Sock};
use crate::kernel::read;
use crate::maps::{LISTENERS, watched_port};

const TCP_LISTEN: u8 = 10;
const TCP_NEW_SYN_RECV: u8 = 12;

#[raw_tracepoint]
fn tcp_send_reset(ctx: RawTracePointContext) -> u32 {
    let (sk, skb): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    // Without a segment it is our own side that resets: the state change says so already.
    if skb == 0 {
        return 0;
    }
    let Some(mut segment) = Segment::of(skb) else { return 0 };
    if sk != 0 {
        // TCP takes the device off a segment before it hands it to a full socket.
        segment.local.netns = Sock(sk).netns();
    }
    if !watched_port(segment.local.port) || LISTENERS.get_ptr(segment.local).is_none() {
        return 0;
    }
    // All kinds of socks (full, timewait, request) begin with sock_common.
    let state: u8 = if sk == 0 { 0 } else { read(sk, SKC_STATE) };
    let what = if sk == 0 {
        if segment.flags & (SYN | ACK | RST) == SYN {
            RESET_REFUSED
        } else if segment.payload > 0 {
            RESET_NO_SOCKET
        } else {
            return 0;
        }
    } else if state == TCP_LISTEN || state == TCP_NEW_SYN_RECV {
        RESET_UNKNOWN_TO_LISTENER
    } else if segment.payload > 0 && segment.flags & (SYN | RST) == 0 {
        RESET_LATE_DATA
    } else {
        return 0;
    };
    // A bare FIN for a dead connection asks for nothing.
    if what == RESET_UNKNOWN_TO_LISTENER && segment.payload == 0 && segment.flags & FIN != 0 {
        return 0;
    }
    segment.send_reset(what, u32::from(state));
    0
}
