//! Which connection an event is about.

use crate::correlate::ConnectionFact;
use crate::event::{BootNs, Endpoint, Kind, Local, Peer};

/// What tells a connection from others of about the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ends {
    /// This host's end and the other.
    Inet(Endpoint, Endpoint),
    /// A client's process may have many to one path, which may end together: the client, when it came, and when it ended.
    Unix(u32, Option<BootNs>, BootNs),
}

impl Ends {
    pub(super) fn of(fact: &ConnectionFact) -> Option<Self> {
        match (fact.local, fact.peer) {
            (Local::Inet(local), Peer::Inet(peer)) => Some(Self::Inet(local, peer)),
            (Local::Unix(_), Peer::Process(client)) => {
                Some(Self::Unix(client.pid, fact.established_at, fact.ended_at))
            }
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
            Kind::UpstreamFailed(one) => Self::Inet(one.peer, one.local),
            Kind::UnixEnded(one) => Self::Unix(one.client, one.connected_at, one.ended_at(at)),
            Kind::UnixRefused(one) => Self::Unix(one.client.pid, None, at),
            _ => return None,
        })
    }
}
