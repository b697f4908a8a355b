//! What was counted of unix connections instead of being told one by one.

use std::collections::{BTreeMap, BTreeSet};

use drain_observer_ebpf::UnixCounts;

use crate::event::{CountedBy, Counts, ListenerKey};
use crate::kernel::UnixCounted;

/// Places of which it is remembered what was counted: some programs make a path for each operation.
const MAX_PLACES: usize = 16_384;

/// What was counted, by place: several sockets may be bound to one, one after the other.
#[derive(Default)]
pub(super) struct Tally {
    by_binding: BTreeMap<u64, (CountedBy, UnixCounts)>,
    by_place: BTreeMap<CountedBy, UnixCounts>,
}

impl Tally {
    /// Adds what the probes counted of each bind. Returns what changed.
    pub(super) fn add(
        &mut self,
        counted: Vec<UnixCounted>,
        place: impl Fn(u64) -> Option<ListenerKey>,
    ) -> Vec<Counts> {
        let mut changed = BTreeMap::new();
        for UnixCounted { binding, total } in counted {
            let Some(of) = place(binding).map(|key| CountedBy::of(&key)) else { continue };
            let before =
                self.by_binding.insert(binding, (of, total)).map(|(_, counts)| counts).unwrap_or_default();
            let sum = self.by_place.entry(of).or_default();
            sum.connected += total.connected.saturating_sub(before.connected);
            sum.served += total.served.saturating_sub(before.served);
            sum.idle += total.idle.saturating_sub(before.idle);
            changed.insert(of, *sum);
        }
        changed.into_iter().map(counts).collect()
    }

    /// Adds clean connections that the probes did not see the end of. Returns what is counted there now.
    pub(super) fn add_served(&mut self, of: CountedBy, served: u64) -> Counts {
        let sum = self.by_place.entry(of).or_default();
        sum.served += served;
        counts((of, *sum))
    }

    /// The probes begin to count anew.
    pub(super) fn begin_anew(&mut self) {
        self.by_binding.clear();
    }

    /// Forgets a bind that is no more; what was counted of its place stays, unless there are very many such places.
    pub(super) fn forget(&mut self, binding: u64) {
        self.by_binding.remove(&binding);
        if self.by_place.len() > MAX_PLACES {
            let bound: BTreeSet<CountedBy> = self.by_binding.values().map(|(of, _)| *of).collect();
            self.by_place.retain(|of, _| bound.contains(of));
        }
    }
}

fn counts((of, sum): (CountedBy, UnixCounts)) -> Counts {
    Counts { of, established: sum.connected, served: sum.served, idle_closed: sum.idle }
}
