//! What TLS adds to a connection without asking or answering anything: handshakes, session tickets and goodbyes (the
//! alert close_notify). It is encrypted and nobody looks into it here: order and sizes have to tell.

use super::judge::Asked;
use crate::event::{Connection, Standing, TcpState};
use drain_observer_ebpf::{TLS_ALERTS, TLS_TICKETS_WITHIN};

/// Either side's part of a handshake is longer than this, bytes.
const HANDSHAKE: u64 = 150;
/// The server's part, certificate or tickets included, is longer than this, bytes.
const SERVER_HANDSHAKE: u64 = 400;
/// Segments in which a client sends its part of a handshake and one request, at most and at least.
const FIRST_REQUEST: std::ops::RangeInclusive<u32> = 2..=4;
/// Handshake and first request follow upon the connection's beginning within this time, ns.
const FIRST_MOMENTS: u64 = 1_000_000_000;
/// TCP never puts off an acknowledgement for longer than this, ms.
const LONGEST_DELAYED_ACK: u64 = 200;

/// Whether so many bytes may be an alert.
pub(super) fn may_be_alert(bytes: u32) -> bool {
    TLS_ALERTS.contains(&bytes)
}

/// Whether the last thing that the client sent was a goodbye.
pub(super) fn client_said_goodbye(connection: &Connection) -> bool {
    let Standing { pending, last_segment, .. } = connection.standing;
    let unread = connection.unread;
    // What came since this side's last packet; that failing, what is still unread, or came in the last segment.
    let Some(bytes) = [pending, unread, last_segment].into_iter().find(|&bytes| bytes > 0) else {
        return acknowledged_at_once(connection);
    };
    may_be_alert(bytes) && unread <= bytes && after_handshake(connection, bytes, 0)
}

/// Whether all that the server wrote after the client had closed its side was a goodbye of its own.
pub(super) fn goodbye_returned(connection: &Connection) -> bool {
    let bytes = connection.written_after_fin;
    may_be_alert(bytes) && after_handshake(connection, 0, bytes)
}

/// What is outstanding behind the goodbyes with which a connection ended; `None` where there are none, or none that
/// hide anything.
pub(super) fn behind_goodbyes(connection: &Connection, hz: u32) -> Option<Asked> {
    let standing = &connection.standing;
    if client_said_goodbye(connection) {
        return Some(if answered_last(standing, hz) {
            Asked::Answered
        } else {
            Asked::Unclear(
                "the client said goodbye (by the size of it, a TLS alert); whether a request of its waited can't be told".into(),
            )
        });
    }
    if goodbye_returned(connection) {
        return Some(if standing.pending == 0 && answered_last(standing, hz) {
            Asked::Answered
        } else {
            Asked::Unanswered(
                "the server wrote nothing but a goodbye (by the size of it, a TLS alert)".into(),
            )
        });
    }
    if connection.from != TcpState::CloseWait && server_left_with_goodbye(connection) {
        return behind_parting(connection, hz);
    }
    None
}

/// Whether the only thing sent after the first request may have been session tickets, which TLS 1.3 servers send when
/// the handshake is done: by then the request is there, too.
pub(super) fn perhaps_tickets_only(connection: &Connection, hz: u32) -> bool {
    let after_request = connection.last_sent.wrapping_sub(connection.last_received).cast_signed();
    // Right after a response a server may close; tickets go out before the request is begun.
    let silence = connection.jiffies.wrapping_sub(connection.last_sent);
    let last_sent_at = connection.closed_at.saturating_sub(
        u64::from(connection.jiffies.wrapping_sub(connection.last_sent))
            .saturating_mul(1_000_000_000 / u64::from(hz.max(1))),
    );
    let in_first_moments = connection
        .established_at
        .is_none_or(|established| last_sent_at.saturating_sub(established) < FIRST_MOMENTS);
    FIRST_REQUEST.contains(&connection.segments_in)
        && connection.segments_out > 1
        && connection.bytes_received > HANDSHAKE
        && connection.bytes_written() > SERVER_HANDSHAKE
        && connection.from == TcpState::Established
        && (0..=TLS_TICKETS_WITHIN).contains(&after_request)
        && silence > 1
        && in_first_moments
}

/// Whether a connection shows that its server does without TLS: answered and closed after a single segment.
pub(super) fn does_without(connection: &Connection) -> bool {
    let silence = connection.jiffies.wrapping_sub(connection.last_sent);
    let written = connection.bytes_written();
    connection.segments_in == 1
        && written > HANDSHAKE / 2
        && silence <= 2
        && connection.from == TcpState::Established
}

/// Whether the server's last words, which nobody has acknowledged, were a goodbye.
fn server_left_with_goodbye(connection: &Connection) -> bool {
    let bytes = connection.unacked;
    may_be_alert(bytes)
        && connection.unsent == 0
        && connection.unread == 0
        && after_handshake(connection, 0, bytes)
}

/// The client acknowledges a response, and has nothing to acknowledge of a request that waits.
fn behind_parting(connection: &Connection, hz: u32) -> Option<Asked> {
    let acked = connection.last_acked?;
    if acked.wrapping_sub(connection.last_received).cast_signed() > 0 {
        return None;
    }
    if connection.pingpong == 0 {
        return Some(Asked::Unanswered(
            "the last request was read, and nothing written but a goodbye (by the size of it, a TLS alert)"
                .into(),
        ));
    }
    // Before its acknowledgement was due the goodbye itself would count as a prompt answer.
    let silence = milliseconds(connection.last_sent.wrapping_sub(connection.last_received), hz);
    if silence > LONGEST_DELAYED_ACK {
        return None;
    }
    Some(Asked::Unclear(
        "a goodbye (by the size of it, a TLS alert) came right after the last request; whether a response came before it can't be told".into(),
    ))
}

/// Whether the last bytes came together with the client's FIN, and were read and acknowledged in between: the size of
/// them is not known, but with a request nobody closes its side so soon.
fn acknowledged_at_once(connection: &Connection) -> bool {
    let Standing { packet_ms, received_ticks, data_ticks, pingpong, .. } = connection.standing;
    connection.from == TcpState::CloseWait
        && pingpong == 0
        && packet_ms.is_some_and(|ms| ms <= 1)
        && received_ticks <= 1
        && data_ticks > 0
        && after_handshake(connection, 0, 0)
}

/// Whether the last thing sent was data, not the bare acknowledgement of a request that waits.
fn answered_last(standing: &Standing, hz: u32) -> bool {
    // A tick for the clock of data, another because one clock is read after the other.
    let inexact = milliseconds(2, hz);
    standing.pingpong > 0
        || standing.packet_ms.is_some_and(|packet| {
            u64::from(packet).saturating_add(inexact) >= milliseconds(standing.data_ticks, hz)
        })
}

/// Whether enough went both ways for a handshake, without the last bytes.
fn after_handshake(connection: &Connection, received_last: u32, written_last: u32) -> bool {
    connection.bytes_received > HANDSHAKE + u64::from(received_last)
        && connection.bytes_written() > HANDSHAKE + u64::from(written_last)
}

fn milliseconds(ticks: u32, hz: u32) -> u64 {
    u64::from(ticks).saturating_mul(1_000) / u64::from(hz.max(1))
}
