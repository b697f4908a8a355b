//! Reads that found the end of a unix connection: the only trace of a close that left nothing unread; and those that found
//! it reset.
//!
//! `sock_recv_length(struct sock *sk, int ret, int flags)`, since Linux 6.3; `current` is the reader.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{SK_SHUTDOWN, UNIX_PEER};
use drain_observer_ebpf::record::{UNIX_CLIENT_CLOSED, UNIX_SERVER_CLOSED};

use super::unix::{end, is_dead, is_unix_stream, known, lost_in_queue};
use crate::kernel::read;

const ECONNRESET: i32 = 104;
// include/net/sock.h
const SEND_SHUTDOWN: u8 = 2;

#[raw_tracepoint]
fn unix_recv_length(ctx: RawTracePointContext) -> u32 {
    let got = ctx.arg::<u64>(1) as i32;
    if got != 0 && got != -ECONNRESET {
        return 0;
    }
    let sk: u64 = ctx.arg(0);
    if !is_unix_stream(sk) {
        return 0;
    }
    let Some(known) = known(sk) else { return 0 };
    if lost_in_queue(&known) || got != 0 {
        return 0;
    }
    if known.is_child {
        let client: u64 = read(sk, UNIX_PEER);
        // One that is only shut down waits for the response.
        if client != 0 && is_dead(client) {
            end(known.child, UNIX_CLIENT_CLOSED, 0);
        }
    } else if is_dead(known.child) || read::<u8>(known.child, SK_SHUTDOWN) & SEND_SHUTDOWN != 0 {
        end(known.child, UNIX_SERVER_CLOSED, 0);
    }
    0
}
