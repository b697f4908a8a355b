//! What is dropped from unix sockets' queues when they are closed: connections never accepted, requests and responses
//! never read. Before Linux 6.14 also what `consume_skb` shows now.
//!
//! `kfree_skb(struct sk_buff *skb, void *location, ...)`

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{
    SK_ERR, SK_RECEIVE_QLEN, SK_SOCKET, SKB_CB, SKB_LEN, SKB_SK, UNIX_SKB_CONSUMED,
};
use drain_observer_ebpf::record::{
    UNIX_LATE_REQUEST, UNIX_QUEUE_RESET, UNIX_RESPONSE_UNREAD, UNIX_UNREAD_RESET, UNIX_UNSEEN,
};

use super::unix::{
    Known, binding, client_pid, end, is_dead, is_unborn, is_unix_stream, is_waiting, keep, known, new_course,
    waiting,
};
use super::unix_refused::refused;
use crate::kernel::{address, current_tgid, read};

const ECONNRESET: u32 = 104;

#[raw_tracepoint]
fn unix_kfree_skb(ctx: RawTracePointContext) -> u32 {
    let skb: u64 = ctx.arg(0);
    let writer: u64 = read(skb, SKB_SK);
    if !is_unix_stream(writer) {
        if is_unborn(writer) {
            refused(writer);
        }
        return 0;
    }
    let len: u32 = read(skb, SKB_LEN);
    if len > 0 {
        // Of what was read in part, only the rest is lost.
        let read_before: u32 = read(address(skb, SKB_CB), UNIX_SKB_CONSUMED);
        if let Some(known) = known(writer) {
            dropped(known, writer, u64::from(len.saturating_sub(read_before)));
        }
    } else if read::<u64>(writer, SK_SOCKET) == 0 && binding(writer) != 0 && is_dead(writer) {
        queue_reset(writer);
    }
    0
}

#[inline(always)]
fn queue_reset(child: u64) {
    let unread = match waiting(child) {
        // SAFETY: a value of the map, read at once.
        Some(course) => unsafe { (*course).unread },
        None => {
            // It was queued before the probes came, or its arrival can't be seen.
            keep(child, &new_course(child));
            0
        }
    };
    end(child, UNIX_QUEUE_RESET, unread);
}

#[inline(always)]
fn dropped(known: Known, writer: u64, len: u64) {
    let child = known.child;
    if known.is_child {
        end(child, UNIX_RESPONSE_UNREAD, len);
        return;
    }
    if !is_dead(child) {
        return;
    }
    // SAFETY: a value of the map.
    unsafe {
        let course = known.course;
        // Never accepted, it may have the address of another whose end nobody saw; its listener's close tells of it next.
        if (*course).client_sk != 0 && (*course).client_sk != writer || (*course).client != client_pid(child)
        {
            end(child, UNIX_UNSEEN, 0);
            return;
        }
        // A reset is told to the client before anything is dropped.
        if read::<u32>(writer, SK_ERR) != ECONNRESET && (*course).client == current_tgid() {
            end(child, UNIX_LATE_REQUEST, len);
            return;
        }
        (*course).unread += len;
        // Never accepted, its connection is dropped right after.
        if !is_waiting(&*course) && read::<u32>(child, SK_RECEIVE_QLEN) == 0 {
            let unread = (*course).unread;
            end(child, UNIX_UNREAD_RESET, unread);
        }
    }
}
