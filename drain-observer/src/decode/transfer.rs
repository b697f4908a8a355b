//! What the sequence numbers of a connection mean.

use drain_observer_ebpf::record::{Connection, HELD};

use crate::event::TcpState;

/// Payload that went both ways, without what TCP counts besides.
pub(super) struct Transfer {
    pub(super) bytes_received: u64,
    pub(super) unread: u32,
    pub(super) unacked: u32,
    pub(super) written_after_fin: u32,
    pub(super) ack_pending: bool,
    pub(super) unsent: u32,
}

impl Transfer {
    pub(super) fn of(raw: &Connection) -> Self {
        // A FIN from the peer counts as a byte, in bytes_received as in rcv_nxt.
        let fin = u32::from(TcpState::from_kernel(raw.old_state.into()) == TcpState::CloseWait);
        // Held back, the record has rcv_nxt of the close and copied_seq of later; but only what was read to its
        // end is held back.
        let held = raw.flags & HELD != 0;
        let unread = if held { 0 } else { ahead(raw.rcv_nxt, raw.copied_seq).saturating_sub(fin) };
        let written_after_fin =
            if raw.peer_fin_ns == 0 { 0 } else { ahead(raw.write_seq, raw.write_seq_at_fin) };
        Self {
            bytes_received: raw.bytes_received.saturating_sub(fin.into()),
            unread,
            unacked: ahead(raw.write_seq, raw.snd_una),
            written_after_fin,
            // The peer's FIN asks for nothing.
            ack_pending: !held && ahead(raw.rcv_nxt, raw.rcv_wup) > fin,
            unsent: ahead(raw.write_seq, raw.snd_nxt),
        }
    }
}

/// How far `later` lies ahead of `earlier` in the circle of sequence numbers, 0 if behind.
fn ahead(later: u32, earlier: u32) -> u32 {
    let distance = later.wrapping_sub(earlier);
    if distance.cast_signed() > 0 { distance } else { 0 }
}
