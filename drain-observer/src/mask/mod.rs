//! Addresses of peers replaced by others that stand for them, so that nothing that is kept or shown has the true ones.
//! Who is at which end stays as it is: the same peer has the same stand-in for as long as a [`Mask`] lasts, and no two
//! peers share one. Ports stay.

mod stand_in;
#[cfg(test)]
mod tests;

use crate::event::{Endpoint, Event, Kind, Local};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use stand_in::KEY_BYTES;
use stand_in::StandIns;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// Addresses of this host that are known as such; of more, those of upstreams are masked.
const MAX_OWN: usize = 4_096;

/// How addresses of peers are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Masking {
    /// Whole addresses, by addresses in fd6d:6173:6b00::/48 that nobody has
    Hash,
    /// The network stays (/24 of IPv4, /48 of IPv6), the host in it is another
    Prefix,
}

/// Masks the peers of one run.
pub struct Mask {
    stand_ins: StandIns,
    /// Addresses that this host was seen to have.
    own: BTreeSet<IpAddr>,
}

impl Mask {
    /// With a key of its own: who has that, can find out the addresses again by trying them all.
    pub fn new(masking: Masking, key: &[u8; KEY_BYTES]) -> Self {
        Self { stand_ins: StandIns::new(masking, key), own: BTreeSet::new() }
    }

    /// Replaces the addresses of peers in an event. Not masked are loopback, and a peer that has the same address as
    /// the other end, which is this host itself.
    pub fn apply(&mut self, event: &mut Event) {
        match &mut event.event {
            Kind::Connection(one) => self.hide(one.local, &mut one.peer),
            Kind::Flushed(one) => self.hide(one.local, &mut one.peer),
            Kind::Lingered(one) => self.hide(one.local, &mut one.peer),
            Kind::Reset(one) => self.hide(one.local, &mut one.peer),
            Kind::UpstreamFailed(one) => {
                // The client's end is the peer of who tells of the server's end, and has to be the same there; the
                // server's end is that one's own, if it is one of this host.
                let (client, server) = (one.local, one.peer);
                self.learn(client);
                self.hide_from(server, &mut one.local);
                if !self.own.contains(&server.address) {
                    self.hide_from(client, &mut one.peer);
                }
            }
            Kind::ListenerOpened(one) | Kind::ListenerClosed(one) => self.learn_place(one.key.local),
            Kind::ListenerSeen(one) => self.learn_place(one.key.local),
            // Listed, so that a new kind of event is not forgotten here.
            Kind::Signal(_)
            | Kind::SignalDelivered(_)
            | Kind::Forked(_)
            | Kind::Executed(_)
            | Kind::Exited(_)
            | Kind::OomVictim(_)
            | Kind::UnixListener(_)
            | Kind::UnixEnded(_)
            | Kind::UnixHolderDied(_)
            | Kind::UnixRefused(_)
            | Kind::UnixWatched(_)
            | Kind::UnixOpened(_)
            | Kind::UnixClosed(_)
            | Kind::ProcessSeen(_)
            | Kind::Scanned(_)
            | Kind::Surveyed(_)
            | Kind::Lost(_)
            | Kind::Counts(_)
            | Kind::Attached(_)
            | Kind::ClockSet(_)
            | Kind::Tick
            | Kind::Ended => {}
        }
    }

    fn hide(&mut self, own: Endpoint, peer: &mut Endpoint) {
        self.learn(own);
        self.hide_from(own, peer);
    }

    fn hide_from(&self, other: Endpoint, end: &mut Endpoint) {
        if end.address != other.address {
            end.address = self.stand_ins.of(end.address);
        }
    }

    fn learn_place(&mut self, place: Local) {
        if let Some(endpoint) = place.inet() {
            self.learn(*endpoint);
        }
    }

    fn learn(&mut self, own: Endpoint) {
        if self.own.len() < MAX_OWN && !own.address.is_unspecified() {
            self.own.insert(own.address);
        }
    }
}

impl fmt::Debug for Mask {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}

impl Masking {
    /// As in options and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Prefix => "prefix",
        }
    }
}
