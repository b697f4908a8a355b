//! The part of a snapshot that a gate is about.

use crate::correlate::{ConnectionFact, RestartFact, ServiceFact, ServiceId, Snapshot};
use crate::selection::Selection;
use std::collections::BTreeSet;

/// Selected services, and what belongs to them.
pub(super) struct Scope<'a> {
    snapshot: &'a Snapshot,
    selection: &'a Selection,
    services: BTreeSet<ServiceId>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, selection: &'a Selection) -> Self {
        let selected = snapshot.services.iter().filter(|service| {
            let restarts = snapshot.restarts.iter().filter(|restart| restart.service == service.id);
            let past = restarts.flat_map(|restart| restart.old.iter().chain(&restart.new));
            selection.matches_service_and(service, past)
        });
        Self { snapshot, selection, services: selected.map(|service| service.id).collect() }
    }

    pub(super) fn restarts(&self) -> impl Iterator<Item = &'a RestartFact> {
        self.snapshot.restarts.iter().filter(|restart| self.services.contains(&restart.service))
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &'a ServiceFact> {
        self.snapshot.services.iter().filter(|service| self.services.contains(&service.id))
    }

    /// Losses outside any restart that a signal or a process's end brought about. The others, such as clients that
    /// ran out of patience, are every day's.
    pub(super) fn losses_outside(&self) -> impl Iterator<Item = &'a ConnectionFact> {
        let outside = |fact: &&ConnectionFact| {
            fact.outcome.is_lost() && !fact.outgoing && fact.restart.is_none() && fact.cause.is_some()
        };
        self.snapshot.connections.iter().filter(outside).filter(|fact| match fact.service {
            Some(service) => self.services.contains(&service),
            None => self.selection.matches_stray(fact),
        })
    }

    /// Something was selected, and it is nowhere.
    pub(super) fn is_nothing(&self) -> bool {
        self.services.is_empty() && !self.selection.is_all()
    }

    pub(super) fn name(&self, restart: &RestartFact) -> &'a str {
        let service = self.snapshot.services.iter().find(|service| service.id == restart.service);
        service.map_or("a service", |service| &service.name)
    }
}
