//! What the probes counted instead of reporting it.

use std::collections::BTreeMap;

use aya::Pod;
use aya::maps::{Map, MapData, PerCpuHashMap};
use drain_observer_ebpf::{PortCounts, PortKey};

use super::KernelError;
use crate::event::{CountedBy, Counts};

/// [`PortKey`] as a map's key.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct Key(pub(super) PortKey);

// SAFETY: fixed-width integers with explicit padding.
unsafe impl Pod for Key {}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Value(PortCounts);

// SAFETY: five u64.
unsafe impl Pod for Value {}

pub(super) struct Counters {
    map: PerCpuHashMap<MapData, Key, Value>,
    known: BTreeMap<CountedBy, PortCounts>,
}

impl Counters {
    pub(super) fn new(map: Map) -> Result<Counters, KernelError> {
        let map = PerCpuHashMap::try_from(map).map_err(|error| KernelError::Load(error.to_string()))?;
        Ok(Counters { map, known: BTreeMap::new() })
    }

    pub(super) fn forget(&mut self, netns: u32, port: u16) {
        // Nothing may have been counted there.
        let _ = self.map.remove(&key(netns, port));
        self.known.remove(&CountedBy::Port { netns, port });
    }

    pub(super) fn changed(&mut self) -> Vec<Counts> {
        let mut changed = Vec::new();
        // An entry that is missed while others are added or removed is there the next time.
        for (Key(key), values) in self.map.iter().flatten() {
            let total = values.iter().map(|Value(counts)| *counts).fold(PortCounts::default(), add);
            let of = CountedBy::Port { netns: key.netns, port: key.port };
            if self.known.insert(of, total) != Some(total) {
                changed.push(Counts {
                    of,
                    established: total.established,
                    served: total.served,
                    idle_closed: total.idle,
                });
            }
        }
        changed.sort_unstable_by_key(|counts| counts.of);
        changed
    }
}

/// The key of a port.
pub(super) fn key(netns: u32, port: u16) -> Key {
    Key(PortKey { netns, port, pad: 0 })
}

fn add(a: PortCounts, b: PortCounts) -> PortCounts {
    PortCounts {
        established: a.established.wrapping_add(b.established),
        served: a.served.wrapping_add(b.served),
        idle: a.idle.wrapping_add(b.idle),
        bytes_received: a.bytes_received.wrapping_add(b.bytes_received),
        bytes_written: a.bytes_written.wrapping_add(b.bytes_written),
    }
}
