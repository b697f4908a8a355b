//! Connections as counters that never go back, from facts that may: services merge and are forgotten, an outcome is
//! found to be another one, and what the kernel counted of a place is forgotten with its listener.

use super::services::Services;
use crate::correlate::{Correlator, Outcome, ServiceFact, ServiceId};
use crate::event::{CountedBy, Counts};
use std::collections::{BTreeMap, BTreeSet};

/// Ports and paths whose counts are kept apart: four times what the kernel's map of ports holds.
const MAX_PLACES: usize = 65_536;

/// What of each service's connections was counted already.
#[derive(Debug, Default)]
pub(super) struct Flows {
    places: BTreeMap<CountedBy, PlaceFlow>,
    services: BTreeMap<ServiceId, Flow>,
    places_ignored: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct PlaceFlow {
    served: u64,
    idle_closed: u64,
    /// Of these, not put down to a service yet.
    pending_served: u64,
    pending_idle: u64,
}

#[derive(Clone, Debug, Default)]
struct Flow {
    /// Counted by the kernel.
    counted: BTreeMap<Outcome, u64>,
    /// Counted under the service's name.
    emitted: BTreeMap<Outcome, u64>,
}

impl Flows {
    /// What the kernel counted of a port or path since the observer came.
    pub(super) fn count(&mut self, counts: &Counts) {
        if self.places.len() >= MAX_PLACES && !self.places.contains_key(&counts.of) {
            self.places_ignored += 1;
            return;
        }
        let flow = self.places.entry(counts.of).or_default();
        flow.pending_served += counts.served.saturating_sub(flow.served);
        flow.pending_idle += counts.idle_closed.saturating_sub(flow.idle_closed);
        (flow.served, flow.idle_closed) = (counts.served, counts.idle_closed);
    }

    /// How often a port or path was not counted because there were too many.
    pub(super) fn places_ignored(&self) -> u64 {
        self.places_ignored
    }

    /// Counts what is new, under the names of the services that are there now.
    pub(super) fn update(&mut self, correlator: &Correlator, now: &[ServiceFact], services: &mut Services) {
        self.follow_merges(correlator, now);
        self.put_down(now);
        let here: BTreeSet<ServiceId> = now.iter().map(|service| service.id).collect();
        for (id, reported) in correlator.reported().filter(|(id, _)| here.contains(id)) {
            let flow = self.services.entry(id).or_default();
            let mut total = flow.counted.clone();
            for (outcome, count) in reported {
                *total.entry(*outcome).or_default() += count;
            }
            for (outcome, total) in total {
                let emitted = flow.emitted.entry(outcome).or_default();
                // An outcome that was found to be another one is made up for by the next of its kind.
                if total > *emitted {
                    *services.totals(id).connections.entry(outcome).or_default() += total - *emitted;
                    *emitted = total;
                }
            }
        }
    }

    /// What was counted of a service that has become part of another was counted of that one.
    fn follow_merges(&mut self, correlator: &Correlator, now: &[ServiceFact]) {
        let here: BTreeSet<ServiceId> = now.iter().map(|service| service.id).collect();
        let gone: Vec<ServiceId> = self.services.keys().copied().filter(|id| !here.contains(id)).collect();
        for id in gone {
            let Some(flow) = self.services.remove(&id) else { continue };
            let into = correlator.service_id(id);
            if into == id || !here.contains(&into) {
                continue;
            }
            let kept = self.services.entry(into).or_default();
            for (to, from) in [(&mut kept.counted, flow.counted), (&mut kept.emitted, flow.emitted)] {
                for (outcome, count) in from {
                    *to.entry(outcome).or_default() += count;
                }
            }
        }
    }

    /// The kernel counts by place; of several services at one the first is taken.
    fn put_down(&mut self, now: &[ServiceFact]) {
        let mut owners: BTreeMap<CountedBy, ServiceId> = BTreeMap::new();
        for service in now {
            for listener in &service.listeners {
                owners.entry(CountedBy::of(&listener.key)).or_insert(service.id);
            }
        }
        for (place, flow) in &mut self.places {
            let (served, idle) = (flow.pending_served, flow.pending_idle);
            if served + idle == 0 {
                continue;
            }
            let Some(owner) = owners.get(place) else { continue };
            let counted = &mut self.services.entry(*owner).or_default().counted;
            *counted.entry(Outcome::Served).or_default() += served;
            *counted.entry(Outcome::IdleClosed).or_default() += idle;
            (flow.pending_served, flow.pending_idle) = (0, 0);
        }
    }
}
