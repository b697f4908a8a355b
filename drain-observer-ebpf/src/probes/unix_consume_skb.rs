//! What is taken out of unix sockets' queues: connections accepted, requests and responses read. Also what is thrown
//! away without a word: connections that could not be made, and writes during which the other end is closed (since Linux 6.14).
//!
//! `consume_skb(struct sk_buff *skb)`, since Linux 6.5 with `void *location`.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{SK_RECEIVE_QLEN, SK_SOCKET, SKB_LEN, SKB_SK, SKC_STATE, UNIX_PEER};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::{
    UNIX_CLIENT_CLOSED, UNIX_LATE_REQUEST, UNIX_NAMED_EVERY_NS, UNIX_SERVER_CLOSED,
};

use super::unix::{
    Known, binding, end, is_dead, is_unborn, is_unix_stream, keep, known_or_adopted, new_course, note_inode,
    note_server, now, tell_listener, waiting,
};
use super::unix_refused::refused;
use crate::kernel::{current_tgid, read};
use crate::maps::{Reported, UNIX_LISTENERS, count_lost};

// include/net/tcp_states.h
const ESTABLISHED: u8 = 1;

#[raw_tracepoint]
fn unix_consume_skb(ctx: RawTracePointContext) -> u32 {
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
        if let Some(known) = known_or_adopted(writer) {
            consumed(known, u64::from(len));
        }
    } else if read::<u64>(writer, SK_SOCKET) == 0 {
        // An empty one stands for a connection, and belongs to the server's end of it.
        if read::<u8>(writer, SKC_STATE) == ESTABLISHED {
            accepted(writer);
        }
    }
    0
}

#[inline(always)]
fn consumed(known: Known, len: u64) {
    // SAFETY: a value of the map; each side writes its own fields.
    unsafe {
        if known.is_child {
            // Its own end open, it keeps the other's.
            let client: u64 = read(known.child, UNIX_PEER);
            // A closed end reads nothing: this was its peer's write, in vain.
            if client != 0 && is_dead(client) {
                end(known.child, UNIX_CLIENT_CLOSED, len);
            } else {
                (*known.course).bytes_delivered += len;
                // It has all that there will be, and may well close without asking whether there is more.
                if is_dead(known.child) && client != 0 && read::<u32>(client, SK_RECEIVE_QLEN) == 0 {
                    end(known.child, UNIX_SERVER_CLOSED, 0);
                }
            }
        } else if is_dead(known.child) {
            end(known.child, UNIX_LATE_REQUEST, len);
        } else {
            (*known.course).read_ns = now();
            (*known.course).reader = current_tgid();
            (*known.course).reads += 1;
            (*known.course).bytes_read += len;
            note_inode(&known);
            note_server();
        }
    }
}

#[inline(always)]
fn accepted(child: u64) {
    note_server();
    if let Some(course) = waiting(child) {
        // SAFETY: a value of the map.
        unsafe {
            (*course).accepted_ns = now();
            (*course).acceptor = current_tgid();
        }
        return;
    }
    // It was queued before the probes came, or is accepted before its client gets to say that it has connected.
    let mut course = new_course(child);
    course.accepted_ns = now();
    course.acceptor = current_tgid();
    keep(child, &course);
    name_once(child, course.file_inode);
}

/// Tells what a listener's connections have in common with it, and its name, which they have too: without
/// `sk_data_ready` nothing else does. A listener found only later gets its turn as long as clients come.
#[inline(never)]
fn name_once(child: u64, file_inode: u64) {
    let (bound, now) = (binding(child), now());
    if let Some(reported) = UNIX_LISTENERS.get_ptr(bound) {
        // SAFETY: a value of the map, read at once.
        let reported = unsafe { *reported };
        if reported.is == file_inode && now.saturating_sub(reported.last_ns) < UNIX_NAMED_EVERY_NS {
            return;
        }
    }
    if UNIX_LISTENERS.insert(bound, Reported { is: file_inode, last_ns: now }, 0).is_err() {
        count_lost(lost::UNIX_LISTENERS_MAP);
    }
    tell_listener(0, child, 0, 0);
}
