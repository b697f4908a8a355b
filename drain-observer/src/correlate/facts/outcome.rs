//! What becomes of connections, by its word.

use serde::{Deserialize, Serialize};

/// What became of a connection, as the server's kernel saw it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A response followed the last request.
    Served,
    /// Closed between requests, or before any.
    IdleClosed,
    /// The peer reset or left with nothing outstanding.
    ClientGone,
    /// Retransmission timeout.
    TimedOut,
    /// `ss -K` and the like.
    KilledByAdmin,
    /// Handshake done, never accepted, reset when the listener closed.
    QueueReset,
    /// Accepted, data never read, reset at close or kill.
    UnreadReset,
    /// Request read, closed with no response to it.
    Unanswered,
    /// Response begun, its rest dropped.
    Truncated,
    /// A request arrived on a connection that the server had already closed.
    LateRequest,
    /// The client came while nobody listened, at a place that had a listener.
    Refused,
    /// The peer left while its request waited, in the accept queue or unanswered.
    GaveUp,
    /// Turned away from a full accept queue, as clients of a unix socket that would not wait are. (A TCP client whose
    /// handshake is dropped tries again: that is counted as its listener's drops, and is no connection.)
    Overflowed,
    /// What the kernel cannot tell; the evidence says why.
    Unknown,
}

impl Outcome {
    /// Whether a client lost something.
    pub fn is_lost(self) -> bool {
        match self {
            Self::QueueReset
            | Self::UnreadReset
            | Self::Unanswered
            | Self::Truncated
            | Self::LateRequest
            | Self::Refused
            | Self::GaveUp
            | Self::Overflowed => true,
            Self::Served
            | Self::IdleClosed
            | Self::ClientGone
            | Self::TimedOut
            | Self::KilledByAdmin
            | Self::Unknown => false,
        }
    }

    /// The word used in JSON, metrics and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::IdleClosed => "idle_closed",
            Self::ClientGone => "client_gone",
            Self::TimedOut => "timed_out",
            Self::KilledByAdmin => "killed_by_admin",
            Self::QueueReset => "queue_reset",
            Self::UnreadReset => "unread_reset",
            Self::Unanswered => "unanswered",
            Self::Truncated => "truncated",
            Self::LateRequest => "late_request",
            Self::Refused => "refused",
            Self::GaveUp => "gave_up",
            Self::Overflowed => "overflowed",
            Self::Unknown => "unknown",
        }
    }
}
