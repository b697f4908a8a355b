//! A map from places. A path makes a key of over a hundred bytes, and TCP's places, of which one is looked up for each
//! connection, are kept apart from those so that many of them fit into few cache lines.

use crate::event::{Endpoint, ListenerKey, Local};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is known of places.
#[derive(Debug)]
pub(crate) struct ByPlace<V> {
    inet: BTreeMap<InetPlace, V>,
    unix: BTreeMap<ListenerKey, V>,
}

/// A place of TCP's, in the order of its parts, which are quick to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InetPlace {
    /// Network namespace; the lowest bit: 0 = IPv4, 1 = IPv6.
    netns: u64,
    /// Its upper half and its lower one: a `u128` would leave room unused before and after it.
    address: (u64, u64),
    port: u16,
}

impl InetPlace {
    fn of(netns: u32, local: Endpoint) -> Self {
        let netns = u64::from(netns) << 1;
        match local.address {
            IpAddr::V4(address) => Self { netns, address: (0, address.to_bits().into()), port: local.port },
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                Self { netns: netns | 1, address: ((bits >> 64) as u64, bits as u64), port: local.port }
            }
        }
    }

    fn key(self) -> ListenerKey {
        let (upper, lower) = self.address;
        let address = if self.netns & 1 == 0 {
            IpAddr::V4(Ipv4Addr::from_bits(lower as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(upper) << 64 | u128::from(lower)))
        };
        let local = Endpoint { address, port: self.port }.into();
        ListenerKey { netns: (self.netns >> 1) as u32, local }
    }
}

impl<V> Default for ByPlace<V> {
    fn default() -> Self {
        Self { inet: BTreeMap::new(), unix: BTreeMap::new() }
    }
}

impl<V> ByPlace<V> {
    /// What is known of a place.
    pub(crate) fn get(&self, key: &ListenerKey) -> Option<&V> {
        match key.local {
            Local::Inet(local) => self.get_inet(key.netns, local),
            Local::Unix(_) => self.unix.get(key),
        }
    }

    /// What is known of a place of TCP's.
    pub(crate) fn get_inet(&self, netns: u32, local: Endpoint) -> Option<&V> {
        self.inet.get(&InetPlace::of(netns, local))
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: &ListenerKey) -> Option<&mut V> {
        match key.local {
            Local::Inet(local) => self.inet.get_mut(&InetPlace::of(key.netns, local)),
            Local::Unix(_) => self.unix.get_mut(key),
        }
    }

    /// The same, made if there is nothing yet.
    pub(crate) fn get_or_insert_with(&mut self, key: ListenerKey, new: impl FnOnce() -> V) -> &mut V {
        match key.local {
            Local::Inet(local) => self.inet.entry(InetPlace::of(key.netns, local)).or_insert_with(new),
            Local::Unix(_) => self.unix.entry(key).or_insert_with(new),
        }
    }

    /// Forgets a place.
    pub(crate) fn remove(&mut self, key: &ListenerKey) {
        match key.local {
            Local::Inet(local) => drop(self.inet.remove(&InetPlace::of(key.netns, local))),
            Local::Unix(_) => drop(self.unix.remove(key)),
        }
    }

    /// How many places are known.
    pub(crate) fn len(&self) -> usize {
        self.inet.len() + self.unix.len()
    }

    /// All places, TCP's first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ListenerKey, &V)> {
        let inet = self.inet.iter().map(|(place, value)| (place.key(), value));
        inet.chain(self.unix.iter().map(|(key, value)| (*key, value)))
    }

    /// The paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &ListenerKey> {
        self.unix.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_as_they_went_in_and_in_order() {
        let places =
            ["0.0.0.0:80", "10.0.0.1:80", "10.0.0.1:81", "[::]:80", "[::ffff:10.0.0.1]:80", "[fe80::1]:80"];
        let key = |netns: u32, place: &str| {
            let place: std::net::SocketAddr = place.parse().expect("an address and a port");
            ListenerKey { netns, local: Endpoint { address: place.ip(), port: place.port() }.into() }
        };
        let keys: Vec<ListenerKey> =
            [1, u32::MAX].iter().flat_map(|netns| places.map(|place| key(*netns, place))).collect();
        let mut map = ByPlace::default();
        for key in keys.iter().rev() {
            map.get_or_insert_with(*key, || *key);
        }
        let found: Vec<(ListenerKey, ListenerKey)> = map.iter().map(|(key, value)| (key, *value)).collect();
        assert_eq!(found, keys.iter().map(|key| (*key, *key)).collect::<Vec<_>>());
        assert!(keys.is_sorted());
    }
}
