//! A map from places. A path makes a key of over a hundred bytes, and TCP's places, of which one is looked up for each
//! connection, are kept apart from those so that many of them fit into few cache lines.

use crate::event::{Endpoint, ListenerKey, Local};
use std::collections::BTreeMap;

/// What is known of places.
#[derive(Debug)]
pub(crate) struct ByPlace<V> {
    inet: BTreeMap<(u32, Endpoint), V>,
    unix: BTreeMap<ListenerKey, V>,
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
            Local::Inet(local) => self.inet.get(&(key.netns, local)),
            Local::Unix(_) => self.unix.get(key),
        }
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: &ListenerKey) -> Option<&mut V> {
        match key.local {
            Local::Inet(local) => self.inet.get_mut(&(key.netns, local)),
            Local::Unix(_) => self.unix.get_mut(key),
        }
    }

    /// The same, made if there is nothing yet.
    pub(crate) fn get_or_insert_with(&mut self, key: ListenerKey, new: impl FnOnce() -> V) -> &mut V {
        match key.local {
            Local::Inet(local) => self.inet.entry((key.netns, local)).or_insert_with(new),
            Local::Unix(_) => self.unix.entry(key).or_insert_with(new),
        }
    }

    /// Forgets a place.
    pub(crate) fn remove(&mut self, key: &ListenerKey) {
        match key.local {
            Local::Inet(local) => drop(self.inet.remove(&(key.netns, local))),
            Local::Unix(_) => drop(self.unix.remove(key)),
        }
    }

    /// How many places are known.
    pub(crate) fn len(&self) -> usize {
        self.inet.len() + self.unix.len()
    }

    /// All places, TCP's first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ListenerKey, &V)> {
        let inet = self.inet.iter().map(|((netns, local), value)| {
            (ListenerKey { netns: *netns, local: Local::Inet(*local) }, value)
        });
        inet.chain(self.unix.iter().map(|(key, value)| (*key, value)))
    }

    /// The paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &ListenerKey> {
        self.unix.keys()
    }
}
