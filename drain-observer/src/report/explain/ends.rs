//! Which connection an event is about.

use crate::correlate::ConnectionFact;
use crate::event::{BootNs, Endpoint, Kind, Local, Peer, UnixPath};

/// What tells a connection from others of about the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ends {
    /// This host's end and the other.
    Inet(Endpoint, Endpoint),
    /// A client's process may have many to one path: the path, the client, and when it ended.
    Unix(UnixPath, u32, BootNs),
}

impl Ends {
    pub(super) fn of(fact: &ConnectionFact) -> Option<Self> {
        match (fact.local, fact.peer) {
            (Local::Inet(local), Peer::Inet(peer)) => Some(Self::Inet(local, peer)),
            (Local::Unix(path), Peer::Process(client)) => Some(Self::Unix(path, client.pid, fact.ended_at)),
            _ => None,
        }
    }

    /// `None` where the event, of time `at`, is not about one connection.
    pub(super) fn of_event(at: BootNs, event: &Kind) -> Option<Self> {
        Some(match event {
            Kind::Connection(one) => Self::Inet(one.local, one.peer),
            Kind::Reset(one) => Self::Inet(one.local, one.peer),
            Kind::Flushed(one) => Self::Inet(one.local, one.peer),
            Kind::Lingered(one) => Self::Inet(one.local, one.peer),
            Kind::UnixEnded(one) => Self::Unix(one.path, one.client.pid, one.closed_at),
            Kind::UnixRefused(one) => Self::Unix(one.path, one.client.pid, at),
            _ => return None,
        })
    }
}
