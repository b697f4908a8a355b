//! What became of one connection, from what `tcp_sock` said when it ended. Pure, and the only place
//! where kernel numbers turn into an [`Outcome`].

use super::facts::Outcome;
use super::tls;
use crate::event::{Connection, Flushed, TcpState, flag};
use std::cmp::Ordering;

/// Begins the evidence of a response that was written after the client had closed its side.
pub(super) const ANSWERED_LATE: &str = "answered after the client had closed its side";

/// More than this under way at the close is a long response, perhaps cut short, and not the end of a usual one.
const MUCH_UNDER_WAY: u32 = 65_536;

const EPIPE: u32 = 32;
const ECONNABORTED: u32 = 103;
const ECONNRESET: u32 = 104;
const ETIMEDOUT: u32 = 110;

/// A connection's outcome and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The outcome.
    pub outcome: Outcome,
    /// What it rests on, in words.
    pub evidence: Vec<String>,
    /// Whether an earlier request on the connection had been answered, where that can be told.
    pub reused: Option<bool>,
    /// It was closed by a process, so the event's task is the closer.
    pub closed_by_process: bool,
}

/// How it stood with the process in whose context a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closer {
    /// It went on.
    Serving,
    /// It was of an old generation that was to go.
    Draining,
    /// It had been killed by a signal, so the kernel closed the connection for it.
    Killed,
}

/// Judges a connection at its end, on a kernel of `hz` ticks a second.
pub fn judge(connection: &Connection, closer: Closer, hz: u32) -> Judgement {
    let mut evidence = Vec::new();
    let closed_by_process = connection.errno == 0;
    let outcome = if never_accepted(connection) {
        judge_queued(connection, &mut evidence)
    } else if connection.errno != 0 {
        judge_error(connection, hz, &mut evidence)
    } else {
        judge_closed(connection, closer, hz, &mut evidence)
    };
    Judgement { outcome, evidence, reused: reused(connection, outcome), closed_by_process }
}

/// What a closed connection's outcome becomes when its last bytes' fate is known; `None` = as it was.
pub(super) fn judge_flushed(
    was: Outcome,
    answered_after_fin: bool,
    flushed: &Flushed,
) -> Option<(Outcome, String)> {
    if flushed.unacked == 0 || was != Outcome::Served {
        return None;
    }
    let bytes = flushed.unacked;
    Some(match flushed.errno {
        ECONNRESET | EPIPE if answered_after_fin => (
            Outcome::GaveUp,
            format!("the client had closed before it was answered; it reset {bytes} bytes of the response"),
        ),
        ECONNRESET | EPIPE => (
            Outcome::ClientGone,
            format!("the client reset the connection with {bytes} bytes of the response under way"),
        ),
        ETIMEDOUT => (Outcome::TimedOut, format!("the client never acknowledged the last {bytes} bytes")),
        errno => (
            Outcome::Unknown,
            format!(
                "the last {bytes} bytes were dropped after the close (errno {errno}); whether the client wanted them can't be told"
            ),
        ),
    })
}

/// Handshake done and no process ever had it: the listener's close took it along.
fn never_accepted(connection: &Connection) -> bool {
    !connection.has(flag::HAS_SOCKET)
        && !connection.has(flag::DEAD)
        && connection.errno == 0
        && connection.to == TcpState::Close
}

fn judge_queued(connection: &Connection, evidence: &mut Vec<String>) -> Outcome {
    if connection.has(flag::MPTCP) {
        evidence.push("a subflow of an MPTCP connection, which is not judged by its subflows".into());
        return Outcome::Unknown;
    }
    let waiting = connection.unread;
    if connection.from == TcpState::CloseWait {
        evidence.push(format!(
            "the client closed its side while the connection waited in the accept queue, {}",
            if waiting > 0 {
                format!("with a request of {waiting} bytes unread")
            } else {
                "having sent nothing".into()
            }
        ));
        return if waiting > 0 { Outcome::GaveUp } else { Outcome::ClientGone };
    }
    evidence.push(
        "the handshake was done, no process had accepted it, and the last holder of the listener let go"
            .into(),
    );
    evidence.push(if waiting > 0 {
        format!("a request of {waiting} bytes waited")
    } else {
        "no data had arrived yet".into()
    });
    Outcome::QueueReset
}

fn judge_error(connection: &Connection, hz: u32, evidence: &mut Vec<String>) -> Outcome {
    match connection.errno {
        ETIMEDOUT => {
            evidence.push("the client stopped answering (ETIMEDOUT)".into());
            Outcome::TimedOut
        }
        ECONNABORTED => {
            evidence.push("closed from outside (ECONNABORTED), as `ss -K` does".into());
            Outcome::KilledByAdmin
        }
        ECONNRESET | EPIPE => {
            let accepted = if connection.has(flag::HAS_SOCKET) { "" } else { " in the accept queue" };
            if answered_late(connection) {
                evidence.push("the client had closed before it was answered, and reset the response".into());
                return Outcome::GaveUp;
            }
            match outstanding(connection, hz) {
                Asked::Unread(why) | Asked::Unanswered(why) => {
                    evidence.push(format!(
                        "the client reset the connection while its request waited{accepted}: {why}"
                    ));
                    Outcome::GaveUp
                }
                Asked::Answered | Asked::Nothing => {
                    evidence
                        .push(format!("the client reset the connection{accepted} with nothing outstanding"));
                    Outcome::ClientGone
                }
                Asked::Unclear(why) => {
                    evidence.push(format!("the client reset the connection; {why}"));
                    Outcome::Unknown
                }
            }
        }
        errno => {
            evidence.push(format!("ended by the network (errno {errno})"));
            Outcome::TimedOut
        }
    }
}

fn judge_closed(connection: &Connection, closer: Closer, hz: u32, evidence: &mut Vec<String>) -> Outcome {
    if connection.has(flag::MPTCP) && !connection.has(flag::HAS_SOCKET) {
        evidence.push("a subflow of an MPTCP connection, which is not judged by its subflows".into());
        return Outcome::Unknown;
    }
    let peer_first = connection.from == TcpState::CloseWait;
    match outstanding(connection, hz) {
        Asked::Unread(why) if peer_first => client_left(&why, evidence),
        Asked::Unread(why) => {
            evidence.push(match connection.to {
                // Only shutdown(2) sends an end of stream first.
                TcpState::FinWait1 => format!(
                    "shut down for sending with {why}: the client sees the end of the stream, and at the close a reset"
                ),
                _ => format!("closed with {why}, which makes the kernel send a reset"),
            });
            Outcome::UnreadReset
        }
        Asked::Answered if tls::client_said_goodbye(connection) => {
            evidence.push(
                "the client had said goodbye (by the size of it, a TLS alert) after its last response".into(),
            );
            Outcome::Served
        }
        // Whatever was asked meanwhile: the client was still being answered.
        _ if blocked(connection) => {
            evidence.push(format!(
                "closed while the writer waited for room in the send buffer ({} bytes under way)",
                connection.unacked
            ));
            Outcome::Truncated
        }
        Asked::Unclear(why) => {
            evidence.push(why);
            Outcome::Unknown
        }
        Asked::Nothing if connection.bytes_written() == 0 => {
            evidence.push("closed before any data went either way".into());
            if peer_first { Outcome::ClientGone } else { Outcome::IdleClosed }
        }
        Asked::Nothing => {
            evidence.push("the server spoke, the client asked nothing".into());
            Outcome::IdleClosed
        }
        Asked::Unanswered(why) if peer_first => client_left(&why, evidence),
        Asked::Unanswered(why) => {
            evidence.push(why);
            Outcome::Unanswered
        }
        Asked::Answered => judge_response(connection, closer, evidence),
    }
}

fn client_left(why: &str, evidence: &mut Vec<String>) -> Outcome {
    evidence.push(format!("the client closed its side while its request waited: {why}"));
    Outcome::GaveUp
}

/// Every request was followed by a response: but was the response whole?
fn judge_response(connection: &Connection, closer: Closer, evidence: &mut Vec<String>) -> Outcome {
    let unacked = connection.unacked;
    if unacked > 0 && connection.to == TcpState::Close {
        evidence.push(format!(
            "reset by its own side (SO_LINGER 0) with {unacked} bytes of the response unacknowledged"
        ));
        return Outcome::Truncated;
    }
    let killed = closer == Closer::Killed;
    if killed && connection.has(flag::CORKED) {
        evidence
            .push("the process was killed with TCP_CORK set: the response was not marked as whole".into());
        return Outcome::Truncated;
    }
    let silence = connection.jiffies.wrapping_sub(connection.last_sent);
    let span = connection.last_sent.wrapping_sub(connection.last_received);
    if killed && connection.segments_out > 1 && span > 0 && silence < span {
        evidence.push(format!(
            "the process was killed {silence} ticks after its last write, and had written {span} ticks after the request: probably a response cut off"
        ));
        return Outcome::Unknown;
    }
    if closer == Closer::Draining && unacked > MUCH_UNDER_WAY && silence < span {
        evidence.push(format!(
            "closed by a process that was to go, {unacked} bytes of a response still under way: whether it was the whole response can't be told"
        ));
        return Outcome::Unknown;
    }
    if answered_late(connection) {
        evidence.push(format!("{ANSWERED_LATE}, {} bytes", connection.written_after_fin));
    } else {
        evidence.push("a response followed the last request".into());
    }
    Outcome::Served
}

/// Whether a response was cut off while its writer waited for the client to take more.
fn blocked(connection: &Connection) -> bool {
    connection.unacked > 0 && connection.has(flag::NOSPACE)
}

/// Whether the server wrote more than a goodbye after the client had closed its side.
fn answered_late(connection: &Connection) -> bool {
    connection.written_after_fin > 0 && !tls::goodbye_returned(connection)
}

pub(super) enum Asked {
    Nothing,
    Answered,
    Unread(String),
    Unanswered(String),
    Unclear(String),
}

/// Whether the last thing received was followed by something sent.
fn outstanding(connection: &Connection, hz: u32) -> Asked {
    if connection.bytes_received == 0 {
        return Asked::Nothing;
    }
    if let Some(asked) = tls::behind_goodbyes(connection, hz) {
        return asked;
    }
    let (received, written) = (connection.bytes_received, connection.bytes_written());
    // A close with data unread resets. Where it did not, only the sending side was shut, and the rest may be read.
    let shut_down_only = connection.to != TcpState::Close && written > 0;
    if connection.unread > 0 && !shut_down_only {
        let unread = connection.unread;
        return Asked::Unread(format!("{unread} of {received} received bytes unread"));
    }
    if written == 0 {
        return Asked::Unanswered(format!(
            "{received} bytes of request read, not one byte of response written"
        ));
    }
    if connection.has(flag::NO_TIMES) {
        return Asked::Unclear("this kernel does not tell when data was last sent and received".into());
    }
    if connection.unsent > 0 {
        // Written at the last moment, and not yet sent when it was closed: the flush will tell.
        return Asked::Answered;
    }
    match (connection.last_sent.wrapping_sub(connection.last_received) as i32).cmp(&0) {
        Ordering::Greater => Asked::Answered,
        Ordering::Less => {
            let ticks = connection.last_received.wrapping_sub(connection.last_sent);
            Asked::Unanswered(format!(
                "a later request was read {ticks} ticks after the last response, and not answered"
            ))
        }
        Ordering::Equal => outstanding_in_one_tick(connection),
    }
}

/// The same within one tick of the clock: whoever answers also acknowledges, and then is in "pingpong" mode.
fn outstanding_in_one_tick(connection: &Connection) -> Asked {
    // What the peer's FIN found waiting can only have been answered after it.
    let came_last = connection.standing.pending > 0 && connection.written_after_fin == 0;
    if connection.ack_pending || came_last {
        return Asked::Unanswered(
            "a later request came in the same tick as the last response and was not even acknowledged".into(),
        );
    }
    // A FIN that the owner is slow to answer is acknowledged without data as well.
    if connection.pingpong == 0 && connection.standing.pingpong == 0 {
        return Asked::Unanswered(
            "a later request came in the same tick as the last response and was acknowledged without data"
                .into(),
        );
    }
    Asked::Answered
}

fn reused(connection: &Connection, outcome: Outcome) -> Option<bool> {
    let answered = connection.bytes_written() > 0 && connection.bytes_received > 0;
    match outcome {
        Outcome::QueueReset => Some(false),
        // One segment in: one request at most (of the usual size).
        _ if connection.segments_in <= 1 => Some(false),
        Outcome::Unanswered | Outcome::UnreadReset | Outcome::GaveUp => Some(answered),
        _ if !answered => Some(false),
        _ => None,
    }
}
