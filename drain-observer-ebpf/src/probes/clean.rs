//! Connections that surely ended well: they are counted, which costs a tenth of a record.

use aya_ebpf::bindings::BPF_NOEXIST;
use drain_observer_ebpf::facts::{
    BYTES_ACKED, BYTES_RECEIVED, COPIED_SEQ, DATA_SEGS_IN, LRCVTIME, LSNDTIME, PINGPONG, RCV_NXT, RCV_WUP,
    SND_UNA, WRITE_SEQ,
};
use drain_observer_ebpf::{PortCounts, PortKey, TLS_ALERTS, TLS_TICKETS_WITHIN, lost};

use crate::fields::{Fields as _, Span, TCP};
use crate::kernel::has;
use crate::maps::{COUNTS, count_lost};

/// What can be said of a connection without a record of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that was asked was answered after it was asked.
    Served,
    /// Nothing was asked or said.
    Idle,
    /// User space has to judge.
    Unsure,
}

/// Judges an orderly close. `fin`: 1 = the peer has closed its side, which counts as a byte. `established`: how many
/// connections this CPU has seen at the port.
#[inline(always)]
pub(super) fn judge(tcp: &Span<TCP>, fin: u64, jiffies: u32, established: u64) -> Verdict {
    let received = tcp.read::<u64>(BYTES_RECEIVED).saturating_sub(fin);
    let (next, copied): (u32, u32) = (tcp.read(RCV_NXT), tcp.read(COPIED_SEQ));
    let unread = u64::from(next.wrapping_sub(copied)).saturating_sub(fin);
    let unacked = tcp.read::<u32>(WRITE_SEQ).wrapping_sub(tcp.read(SND_UNA));
    let written = tcp.read::<u64>(BYTES_ACKED) + u64::from(unacked);
    if received == 0 && written == 0 {
        return Verdict::Idle;
    }
    if unread != 0 || received == 0 || written == 0 || !has(LSNDTIME) || !has(LRCVTIME) {
        return Verdict::Unsure;
    }
    // The last thing written may be no more than a goodbye.
    if TLS_ALERTS.contains(&unacked) {
        return Verdict::Unsure;
    }
    let (sent, got): (u32, u32) = (tcp.read(LSNDTIME), tcp.read(LRCVTIME));
    let (later, silence) = (sent.wrapping_sub(got) as i32, jiffies.wrapping_sub(sent));
    // Session tickets, too, are sent after the first request has come, at once and long before a response.
    let perhaps_tickets =
        later <= TLS_TICKETS_WITHIN && silence > 1 && matches!(tcp.read::<u32>(DATA_SEGS_IN), 2..=4);
    let answered = later > 0 || later == 0 && fin == 0 && answered_in_a_tick(tcp, established);
    if answered && !perhaps_tickets { Verdict::Served } else { Verdict::Unsure }
}

/// Whether the one segment of a request was answered in the tick in which it came: who answers also acknowledges, and
/// then is in "pingpong" mode. Of more segments the last may be another request, or part of a TLS handshake. The first
/// connections of a port are left to user space all the same, which learns from them whether it does without TLS.
#[inline(always)]
fn answered_in_a_tick(tcp: &Span<TCP>, established: u64) -> bool {
    const FIRST: u64 = 64;
    established > FIRST
        && has(PINGPONG)
        && has(RCV_WUP)
        && tcp.read::<u32>(DATA_SEGS_IN) == 1
        && tcp.read::<u32>(RCV_WUP) == tcp.read(RCV_NXT)
        && tcp.bits(PINGPONG) != 0
}

/// This CPU's counts of a port.
#[inline(always)]
pub(super) fn counts(key: PortKey) -> Option<*mut PortCounts> {
    if let Some(counts) = COUNTS.get_ptr_mut(key) {
        return Some(counts);
    }
    // Another CPU may be first: then the insertion fails and the value is there all the same.
    let _ = COUNTS.insert(
        key,
        PortCounts { established: 0, served: 0, idle: 0, bytes_received: 0, bytes_written: 0 },
        u64::from(BPF_NOEXIST),
    );
    let counts = COUNTS.get_ptr_mut(key);
    if counts.is_none() {
        count_lost(lost::COUNTS_MAP);
    }
    counts
}

/// Counts a connection with this verdict, on which so many bytes came and were written.
///
/// # Safety
/// `counts` is this CPU's own value.
#[inline(always)]
pub(super) unsafe fn count(counts: *mut PortCounts, verdict: Verdict, received: u64, written: u64) {
    // SAFETY: as the caller promised.
    unsafe {
        if verdict == Verdict::Idle {
            (*counts).idle += 1;
        } else {
            (*counts).served += 1;
            (*counts).bytes_received += received;
            (*counts).bytes_written += written;
        }
    }
}
