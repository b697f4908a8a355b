//! Requests on connections that the server had closed, where `tcp_send_reset` is silent about what a time-wait sock
//! answers (before 6.10): such a segment is then dropped without a reason, as others are too, and only its addresses
//! tell. So the connections that this side closed first are remembered.

use drain_observer_ebpf::facts::{RCV_NXT, RESET_WITHOUT_SOCKET, SK_MAX_ACK_BACKLOG};
use drain_observer_ebpf::record::{RESET_LATE_DATA, Tuple};

use super::segment::{RST, SYN, Segment};
use crate::fields::{Fields as _, Sock};
use crate::kernel::{read, value};
use crate::maps::{CLOSED, watched_port};

const TCP_TIME_WAIT: u32 = 6;

const NOWHERE: Tuple = Tuple { local: [0; 16], peer: [0; 16], netns: 0, local_port: 0, peer_port: 0 };

/// This side closed a connection, and the peer has not yet.
#[inline(always)]
pub(super) fn closed(sk: u64) {
    if value(RESET_WITHOUT_SOCKET) == 1 {
        return;
    }
    let port = Sock(sk).local_port();
    if !watched_port(port) || read::<u32>(sk, SK_MAX_ACK_BACKLOG) == 0 {
        return;
    }
    let mut ends = NOWHERE;
    // SAFETY: a local.
    unsafe { Sock(sk).write_tuple(&raw mut ends, Sock(sk).netns(), port) };
    // A map that makes room by itself takes whatever comes.
    let _ = CLOSED.insert(ends, read::<u32>(sk, RCV_NXT), 0);
}

/// A segment was dropped without a reason.
#[inline(always)]
pub(super) fn dropped(segment: &Segment) {
    if segment.payload == 0 || segment.flags & (SYN | RST) != 0 || !watched_port(segment.local.port) {
        return;
    }
    let mut ends = NOWHERE;
    // SAFETY: a local.
    unsafe { segment.write_tuple(&raw mut ends) };
    let Some(expected) = CLOSED.get_ptr(ends) else { return };
    // SAFETY: a value of the map, read at once.
    let expected = unsafe { *expected };
    // What had been received before may come again.
    if (segment.end().wrapping_sub(expected) as i32) > 0 {
        segment.send_reset(RESET_LATE_DATA, TCP_TIME_WAIT);
    }
}
