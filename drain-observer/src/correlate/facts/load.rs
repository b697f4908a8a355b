//! What services have open.

use crate::event::BootNs;
use serde::{Deserialize, Serialize};

/// What a service had open when it was last looked at. Between two looks nothing is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadFact {
    /// When it was looked at.
    pub at: BootNs,
    /// Connections in its accept queues.
    pub queued: u32,
    /// What its processes held, by pid; who held nothing is absent.
    pub held: Vec<HeldFact>,
    /// Accepted connections of which no process of the service was seen to be the holder.
    pub unheld: u32,
    /// Everything was looked at; otherwise there may be more.
    pub complete: bool,
}

impl LoadFact {
    /// Connections accepted and still open.
    pub fn in_flight(&self) -> u32 {
        self.held.iter().fold(self.unheld, |sum, held| sum.saturating_add(held.open))
    }
}

/// The open connections of one process, and what would become of them if it were killed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFact {
    /// The process.
    pub pid: u32,
    /// Connections.
    pub open: u32,
    /// Of these, with received bytes that it has not read: `unread_reset`.
    pub unread: u32,
    /// Of these, with a request read and not answered yet: `unanswered`.
    pub awaiting: u32,
    /// Of these, with a response that the client has not taken yet: possibly `truncated`.
    pub unsent: u32,
    /// The oldest has been open since this time or longer.
    pub oldest: BootNs,
}

impl HeldFact {
    /// Connections that would be lost.
    pub fn at_risk(&self) -> u32 {
        self.unread.saturating_add(self.awaiting).saturating_add(self.unsent)
    }
}

/// A point on the curve of a restart's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// When.
    pub at: BootNs,
    /// Connections that the old generation held.
    pub old: u32,
    /// Connections that the new generation held, or nobody who is known.
    pub new: u32,
    /// Connections in the accept queues.
    pub queued: u32,
}
