//! What a restart's listeners went through.

use crate::event::{BootNs, ListenerKey};
use serde::{Deserialize, Serialize};

/// What a listener went through in a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilenceFact {
    /// Which.
    pub listener: ListenerKey,
    /// When the last listening socket there closed, if all did.
    pub closed_at: Option<BootNs>,
    /// How long nobody listened there, up to the snapshot, at most.
    pub not_listening: BootNs,
    /// And at least: at a path no event tells of a close or a listen, but a look before and one after.
    pub not_listening_at_least: BootNs,
    /// Somebody listens there at the snapshot.
    pub listens: bool,
    /// When somebody listened and nobody accepted, if connections waited then.
    pub not_accepting: Option<Unaccepted>,
    /// The longest that a connection waited in the accept queue.
    pub longest_wait: Option<Wait>,
    /// The deepest that the queue was seen.
    pub peak_queue: u32,
    /// The queue's limit (a queue holds one more).
    pub queue_limit: u32,
    /// Packets dropped at the listening sockets that closed, since each of them opened; at a path, clients that were
    /// turned away from a full queue.
    pub drops: u64,
    /// Clients refused because nobody listened.
    pub refused: u64,
    /// When the last connection came in, of those seen to end.
    pub last_arrival: Option<BootNs>,
}

/// When a listener was there and nobody accepted from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unaccepted {
    /// Since the old generation's last accept, or the end of its last acceptor.
    pub from: BootNs,
    /// Until the new generation's first accept where that is known, else its first response, or the listener's close: no
    /// later.
    pub until: BootNs,
    /// It lasted so long for sure.
    pub at_least: BootNs,
    /// `from` and `until` are what they are taken for, not bounds.
    pub exact: bool,
    /// Connections that waited meanwhile.
    pub waiting: u64,
    /// Of these, reset when the listener closed.
    pub reset: u64,
    /// Of these, given up by their clients.
    pub gave_up: u64,
}

/// How long a connection waited in an accept queue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// How long.
    pub ns: BootNs,
    /// It was so; otherwise it was this at most, because the moment of accept(2) is not known.
    pub exact: bool,
}
