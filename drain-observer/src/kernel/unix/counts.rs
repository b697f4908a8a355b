//! What the probes counted of unix connections instead of reporting it.

use std::collections::BTreeMap;

use aya::maps::{Map, MapData, PerCpuHashMap};
use aya::{Ebpf, Pod};
use drain_observer_ebpf::UnixCounts as Counted;

use crate::kernel::KernelError;

const MAP: &str = "UNIX_COUNTS";

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Value(Counted);

// SAFETY: three u64.
unsafe impl Pod for Value {}

/// What was counted of the connections to one bind of one unix listener, since unix sockets are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixCounted {
    /// Identity of its bind, as in [`crate::event::UnixListener::binding`].
    pub binding: u64,
    /// What was counted.
    pub total: Counted,
}

/// The counters, by what a listener is bound by.
pub(super) struct UnixCounters {
    map: PerCpuHashMap<MapData, u64, Value>,
    known: BTreeMap<u64, Counted>,
}

impl UnixCounters {
    /// Takes the counters out of the object.
    pub(super) fn take(programs: &mut Ebpf) -> Result<UnixCounters, KernelError> {
        let map: Map = programs.take_map(MAP).ok_or(KernelError::Object(MAP))?;
        let map = PerCpuHashMap::try_from(map).map_err(|error| KernelError::Load(error.to_string()))?;
        Ok(UnixCounters { map, known: BTreeMap::new() })
    }

    /// What changed since the last call.
    pub(super) fn changed(&mut self) -> Vec<UnixCounted> {
        let mut changed = Vec::new();
        // One that is missed because another was removed is there the next time.
        for (binding, values) in self.map.iter().flatten() {
            let total = values.iter().map(|Value(counted)| *counted).fold(Counted::default(), add);
            if self.known.insert(binding, total) != Some(total) {
                changed.push(UnixCounted { binding, total });
            }
        }
        changed.sort_unstable_by_key(|counts| counts.binding);
        changed
    }

    /// Forgets one of them.
    pub(super) fn forget(&mut self, binding: u64) {
        self.known.remove(&binding);
        // It may never have been there.
        let _ = self.map.remove(&binding);
    }

    /// Forgets all.
    pub(super) fn forget_all(&mut self) {
        let bindings: Vec<u64> = self.map.keys().flatten().collect();
        bindings.into_iter().for_each(|binding| self.forget(binding));
        self.known.clear();
    }
}

fn add(a: Counted, b: Counted) -> Counted {
    Counted {
        connected: a.connected.wrapping_add(b.connected),
        served: a.served.wrapping_add(b.served),
        idle: a.idle.wrapping_add(b.idle),
    }
}
