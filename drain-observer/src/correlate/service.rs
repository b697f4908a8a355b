//! Services: which listeners and processes belong together.

use super::facts::{LoadFact, Outcome, ServiceId};
use crate::event::{Attribution, ListenerKey};
use std::collections::{BTreeMap, BTreeSet};

/// A service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    pub(crate) listeners: BTreeSet<ListenerKey>,
    /// Living processes.
    pub(crate) members: BTreeSet<u32>,
    /// Name of its first master, kept when it is gone.
    pub(crate) name: String,
    pub(crate) executable: String,
    pub(crate) attribution: Attribution,
    /// Connections that were reported one by one.
    pub(crate) counts: BTreeMap<Outcome, u64>,
    pub(crate) lost_outside: BTreeMap<Outcome, u64>,
    /// Connections of its own that other services of this host lost.
    pub(crate) upstream_lost: u64,
    pub(crate) load: Option<LoadFact>,
}

/// All services. Two that turn out to be one are merged: the younger number then stands for the older.
#[derive(Debug, Default)]
pub(crate) struct Services {
    all: BTreeMap<ServiceId, Service>,
    merged: BTreeMap<ServiceId, ServiceId>,
    next: u32,
}

impl Services {
    /// A new service.
    pub(crate) fn create(&mut self) -> ServiceId {
        let id = ServiceId(self.next);
        self.next += 1;
        self.all.insert(id, Service::default());
        id
    }

    /// Forgets a service of which nothing has come.
    pub(crate) fn remove_empty(&mut self, id: ServiceId) {
        if self.all.get(&id).is_some_and(|service| service.listeners.is_empty() && service.members.is_empty())
        {
            self.all.remove(&id);
        }
    }

    /// Forgets the services that have neither listeners nor processes, but for those in `told`.
    pub(crate) fn forget_empty(&mut self, told: &BTreeSet<ServiceId>) {
        self.all.retain(|id, service| {
            !service.listeners.is_empty() || !service.members.is_empty() || told.contains(id)
        });
        let known: BTreeSet<ServiceId> =
            self.merged.keys().copied().filter(|id| self.all.contains_key(&self.canonical(*id))).collect();
        self.merged.retain(|id, _| known.contains(id));
    }

    /// The number that a service goes by now.
    pub(crate) fn canonical(&self, mut id: ServiceId) -> ServiceId {
        while let Some(into) = self.merged.get(&id) {
            id = *into;
        }
        id
    }

    /// A service.
    pub(crate) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.all.get(&self.canonical(id))
    }

    /// A service.
    pub(crate) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Service> {
        let id = self.canonical(id);
        self.all.get_mut(&id)
    }

    /// All services, by number.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        self.all.iter().map(|(id, service)| (*id, service))
    }

    /// Makes two services one. Returns the number that remains.
    pub(crate) fn merge(&mut self, a: ServiceId, b: ServiceId) -> ServiceId {
        let (a, b) = (self.canonical(a), self.canonical(b));
        let (into, from) = (a.min(b), a.max(b));
        if into == from {
            return into;
        }
        let Some(gone) = self.all.remove(&from) else { return into };
        self.merged.insert(from, into);
        if let Some(service) = self.all.get_mut(&into) {
            service.listeners.extend(gone.listeners);
            service.members.extend(gone.members);
            add(&mut service.counts, &gone.counts);
            add(&mut service.lost_outside, &gone.lost_outside);
            service.upstream_lost += gone.upstream_lost;
            if service.name.is_empty() {
                service.name = gone.name;
                service.executable = gone.executable;
            }
            if service.attribution.is_empty() {
                service.attribution = gone.attribution;
            }
        }
        into
    }
}

fn add(to: &mut BTreeMap<Outcome, u64>, from: &BTreeMap<Outcome, u64>) {
    for (outcome, count) in from {
        *to.entry(*outcome).or_default() += count;
    }
}
