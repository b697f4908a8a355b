//! Unix sockets that got something to read: listeners a connection, servers a request, clients a response.
//!
//! `sk_data_ready(const struct sock *sk)`, since Linux 6.3, in the context of whoever connected or wrote.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{
    SK_MAX_ACK_BACKLOG, SK_RECEIVE_PREV, SK_RECEIVE_QLEN, SKB_PREV, SKB_SK, SKC_STATE,
};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::UNIX_FULL_EVERY_NS;

use super::unix::{
    binding, client_pid, count, is_unix_stream, keep, known_or_adopted, new_course, note_inode, note_server,
    now, tell_listener, waiting,
};
use crate::kernel::{address, current_tgid, read};
use crate::maps::{Reported, UNIX_LISTENERS, count_lost};

// include/net/tcp_states.h
const LISTEN: u8 = 10;
/// How far back in the queue a client looks for its own connection: others may have joined behind it.
const SEARCHED: u32 = 4;

#[raw_tracepoint]
fn unix_data_ready(ctx: RawTracePointContext) -> u32 {
    let sk: u64 = ctx.arg(0);
    if !is_unix_stream(sk) {
        return 0;
    }
    if read::<u8>(sk, SKC_STATE) == LISTEN {
        queued(sk);
        return 0;
    }
    let Some(known) = known_or_adopted(sk) else { return 0 };
    let now = now();
    // SAFETY: a value of the map; each side writes its own fields.
    unsafe {
        if known.is_child {
            (*known.course).request_ns = now;
            (*known.course).requests += 1;
        } else {
            (*known.course).response_ns = now;
            (*known.course).responses += 1;
        }
    }
    if !known.is_child {
        note_inode(&known);
        note_server();
    }
    0
}

#[inline(always)]
fn queued(listener: u64) {
    let bound = binding(listener);
    let (queue, limit): (u32, u32) = (read(listener, SK_RECEIVE_QLEN), read(listener, SK_MAX_ACK_BACKLOG));
    report_once(listener, bound, queue, limit);
    count(bound, |counts| counts.connected += 1);

    // A `struct sk_buff_head` begins like a `struct sk_buff`, with `next` and `prev`.
    let head = address(listener, SK_RECEIVE_PREV) - 8;
    let client = current_tgid();
    let mut skb: u64 = read(listener, SK_RECEIVE_PREV);
    for _ in 0..SEARCHED {
        if skb == 0 || skb == head {
            return;
        }
        let child: u64 = read(skb, SKB_SK);
        // What has been taken out meanwhile may be anything by now.
        if is_unix_stream(child)
            && binding(child) == bound
            && client_pid(child) == client
            && waiting(child).is_none()
        {
            let mut course = new_course(child);
            course.listener = listener;
            course.connected_ns = now();
            course.queue = queue;
            course.limit = limit;
            keep(child, &course);
            return;
        }
        skb = read(skb, SKB_PREV);
    }
}

#[inline(always)]
fn report_once(listener: u64, bound: u64, queue: u32, limit: u32) {
    // The queue holds one more than its limit.
    let full_ns = if queue > limit { now() } else { 0 };
    if let Some(reported) = UNIX_LISTENERS.get_ptr_mut(listener) {
        // SAFETY: a value of the map.
        unsafe {
            if (*reported).is == bound {
                if full_ns.saturating_sub((*reported).last_ns) < UNIX_FULL_EVERY_NS {
                    return;
                }
                (*reported).last_ns = full_ns;
            }
        }
    }
    if UNIX_LISTENERS.insert(listener, Reported { is: bound, last_ns: full_ns }, 0).is_err() {
        count_lost(lost::UNIX_LISTENERS_MAP);
    }
    tell_listener(listener, listener, queue, limit);
}
