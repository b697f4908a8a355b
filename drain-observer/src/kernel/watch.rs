//! What the probes are told while they run: ports and processes of interest.

use std::collections::BTreeSet;

use aya::maps::{Array, HashMap, Map, MapData, MapError};
use drain_observer_ebpf::{LISTENER_EMIT_ALL, seen};

use super::KernelError;
use super::counts::{Key, key};
use crate::event::Lost;

pub(super) struct Watched {
    listeners: HashMap<MapData, Key, u32>,
    members: HashMap<MapData, u32, u8>,
    seen: Array<MapData, u32>,
    /// The ports of which all connections are sent.
    all_of: BTreeSet<(u32, u16)>,
    listeners_lost: u64,
    members_lost: u64,
}

impl Watched {
    pub(super) fn new(listeners: Map, members: Map, seen: Map) -> Result<Watched, KernelError> {
        let refused = |error: MapError| KernelError::Load(error.to_string());
        Ok(Watched {
            listeners: HashMap::try_from(listeners).map_err(refused)?,
            members: HashMap::try_from(members).map_err(refused)?,
            seen: Array::try_from(seen).map_err(refused)?,
            all_of: BTreeSet::new(),
            listeners_lost: 0,
            members_lost: 0,
        })
    }

    pub(super) fn mark_listener(&mut self, netns: u32, port: u16) {
        let key = key(netns, port);
        // The probes may have been first, and the flags may be set.
        if let Err(MapError::KeyNotFound) = self.listeners.get(&key, 0) {
            self.set_listener(key, 0);
        }
    }

    pub(super) fn emit_all(&mut self, netns: u32, port: u16, on: bool) {
        self.set_listener(key(netns, port), if on { LISTENER_EMIT_ALL } else { 0 });
        self.note_all_of(netns, port, on);
    }

    pub(super) fn forget_listener(&mut self, netns: u32, port: u16) {
        self.note_all_of(netns, port, false);
        // It may never have been there.
        let _ = self.listeners.remove(&key(netns, port));
    }

    pub(super) fn member(&mut self, pid: u32, on: bool) {
        if !on {
            // It may never have been there.
            let _ = self.members.remove(&pid);
        } else if self.members.insert(pid, 1, 0).is_err() {
            self.members_lost += 1;
        }
    }

    /// What did not fit.
    pub(super) fn losses(&mut self) -> impl Iterator<Item = Lost> + use<> {
        let counts = [("listener", &mut self.listeners_lost), ("outgoing", &mut self.members_lost)];
        let taken = counts.map(|(what, count)| (what, std::mem::take(count)));
        taken.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| Lost {
            what: what.to_owned(),
            reason: "map_full".to_owned(),
            count,
        })
    }

    /// Tells the probes whether there is any port of which all is sent.
    fn note_all_of(&mut self, netns: u32, port: u16, on: bool) {
        let before = !self.all_of.is_empty();
        if on {
            self.all_of.insert((netns, port));
        } else {
            self.all_of.remove(&(netns, port));
        }
        let now = !self.all_of.is_empty();
        if now != before && self.seen.set(seen::EMIT_ALL, u32::from(now), 0).is_err() {
            self.listeners_lost += 1;
        }
    }

    fn set_listener(&mut self, key: Key, flags: u32) {
        if self.listeners.insert(key, flags, 0).is_err() {
            self.listeners_lost += 1;
        }
    }
}
