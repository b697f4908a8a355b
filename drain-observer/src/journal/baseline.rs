//! What the kernel had counted before somebody began to look.

use crate::event::{CountedBy, Event, Kind};
use std::collections::BTreeMap;

/// What the kernel had counted before: a recap says it. Only what comes on top of it happened since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline(BTreeMap<CountedBy, [u64; 3]>);

impl Baseline {
    /// Takes in an event of a recap.
    pub fn learn(&mut self, event: &Event) {
        if let Kind::Counts(counts) = &event.event {
            self.0.insert(counts.of, [counts.established, counts.served, counts.idle_closed]);
        }
    }

    /// Leaves what was counted before out of an event.
    pub fn leave_out(&self, event: &mut Event) {
        if let Kind::Counts(counts) = &mut event.event
            && let Some([established, served, idle_closed]) = self.0.get(&counts.of)
        {
            counts.established = counts.established.saturating_sub(*established);
            counts.served = counts.served.saturating_sub(*served);
            counts.idle_closed = counts.idle_closed.saturating_sub(*idle_closed);
        }
    }
}
