//! Everything the correlator concludes, as of one moment.

use super::facts::{
    Cause, ConnectionFact, ListenerFact, Outcome, ProxyFact, RestartFact, RestartId, ServiceFact, ServiceId,
    Snapshot,
};
use super::restart::{Restart, member_fact};
use super::service::Service;
use super::upstream::ProxyLosses;
use super::{Correlator, findings};
use crate::event::{BootNs, CountedBy, Local};
use std::collections::{BTreeMap, BTreeSet};

impl Correlator {
    /// All facts as of `at`, or of the last event if that came later.
    pub fn snapshot(&self, at: BootNs) -> Snapshot {
        Snapshot { connections: self.connection_facts().collect(), ..self.overview(at) }
    }

    /// All facts but the connections, of which there may be many.
    pub fn overview(&self, at: BootNs) -> Snapshot {
        let at = at.max(self.now);
        let restarts = self.restarts.values().map(|restart| self.restart_fact(restart, at));
        Snapshot {
            at,
            services: self.services().collect(),
            restarts: restarts.collect(),
            ..self.observation()
        }
    }

    /// What is observed, and what was missed: all facts but those about services, restarts and connections.
    pub fn observation(&self) -> Snapshot {
        Snapshot {
            at: self.now,
            from: self.first.unwrap_or(self.now),
            attached_at: self.attached_at,
            ended: self.ended,
            hooks: self.hooks.iter().chain(&self.unix_hooks).cloned().collect(),
            notes: self.start_notes.clone(),
            lost_events: self.lost.clone(),
            bounds: self.bounds.all(),
            services: Vec::new(),
            restarts: Vec::new(),
            connections: Vec::new(),
        }
    }

    /// Whether a restart goes on.
    pub fn is_restarting(&self) -> bool {
        self.active().any(|restart| restart.ended.is_none())
    }

    /// Time of the latest event.
    pub fn now(&self) -> BootNs {
        self.now
    }

    /// All services, by number.
    pub fn services(&self) -> impl Iterator<Item = ServiceFact> {
        self.services.all().map(|(id, service)| self.service_fact(id, service))
    }

    /// Of each service, by number, the connections that were reported one by one, by outcome: all but those that the
    /// kernel counted. An outcome may be found to be another one later.
    pub fn reported(&self) -> impl Iterator<Item = (ServiceId, &BTreeMap<Outcome, u64>)> {
        self.services.all().map(|(id, service)| (id, &service.counts))
    }

    /// The number that a service goes by now: of two that turned out to be one, the younger stands for the older.
    pub fn service_id(&self, id: ServiceId) -> ServiceId {
        self.services.canonical(id)
    }

    /// The numbers of the restarts that are kept.
    pub fn restart_ids(&self) -> impl Iterator<Item = RestartId> {
        self.restarts.keys().copied()
    }

    /// A restart as of `at`.
    pub fn restart(&self, id: RestartId, at: BootNs) -> Option<RestartFact> {
        self.restarts.get(&id).map(|restart| self.restart_fact(restart, at))
    }

    /// Whether a restart can be another than it was when this fact was made: something can still happen to it, or
    /// events that were lost may still be found to have been its own, or its service has merged with another.
    pub fn may_change(&self, fact: &RestartFact, at: BootNs) -> bool {
        let late = self.config.deadline.saturating_add(2 * self.config.settle);
        self.active.contains(&fact.id)
            || fact.ended.is_none_or(|ended| at <= ended.saturating_add(late))
            || fact.service != self.services.canonical(fact.service)
    }

    /// The connections that are kept: the lost ones and (where asked for) the others, in order of their end's report.
    pub fn connection_facts(&self) -> impl Iterator<Item = ConnectionFact> {
        self.connections.kept().map(|fact| {
            let service = fact.service.map(|service| self.services.canonical(service));
            ConnectionFact { service, ..fact.clone() }
        })
    }

    /// A number that differs whenever [`Correlator::connection_facts`] may have.
    pub fn connections_version(&self) -> u64 {
        self.connections.version()
    }

    fn restart_fact(&self, restart: &Restart, at: BootNs) -> RestartFact {
        let incomplete = self.incomplete_since(restart);
        let mut fact = restart.fact(at, self.ended, incomplete, &self.config);
        fact.service = self.services.canonical(fact.service);
        let unit = self.services.get(fact.service).and_then(|service| service.attribution.service_unit());
        let proxy = |(service, losses): (ServiceId, ProxyLosses)| {
            let name = self.services.get(service).map(|entry| self.service_fact(service, entry).name);
            let ProxyLosses { lost, processes } = losses;
            ProxyFact { service, name: name.unwrap_or_default(), processes, lost }
        };
        fact.proxies = self.proxies(&restart.proxies).into_iter().map(proxy).collect();
        fact.findings = findings::of(&fact, unit, at, &self.config);
        fact
    }

    /// Why a restart may have begun before anything was seen of it.
    fn incomplete_since(&self, restart: &Restart) -> Option<&'static str> {
        let Some(attached) = self.attached_at.filter(|attached| *attached <= restart.started) else {
            return Some("the observer was not yet in place when it began");
        };
        if restart.unwatched.is_some() {
            return restart.unwatched;
        }
        // What begins with an end in good order had been asked for by somebody.
        let asked_before = match &restart.cause {
            Cause::Exit { signal, oom, .. } => *signal == 0 && !oom,
            Cause::ListenerClosed { .. } | Cause::Exec { .. } => true,
            Cause::Signal(_) | Cause::ListenerOpened { .. } => false,
        };
        let soon = restart.started.saturating_sub(attached) < self.config.deadline;
        (asked_before && soon)
            .then_some("what asked for it was not seen: the observer may have come too late for it")
    }

    fn service_fact(&self, id: ServiceId, service: &Service) -> ServiceFact {
        let listeners: Vec<ListenerFact> = service
            .listeners
            .iter()
            .filter_map(|key| {
                let listener = self.listeners.get(key)?;
                let sockets = listener.sockets.iter().filter_map(|socket| self.listeners.socket(*socket));
                Some(ListenerFact {
                    key: *key,
                    sockets: u32::try_from(listener.sockets.len()).unwrap_or(u32::MAX),
                    limit: sockets.clone().map(|socket| socket.limit).max().unwrap_or(listener.limit),
                    queue: sockets.map(|socket| socket.queue).max().unwrap_or(0),
                    established: self.listeners.counted(CountedBy::of(key)).established,
                })
            })
            .collect();
        let mut counts = service.counts.clone();
        counts.retain(|_, count| *count > 0);
        let counted_by: BTreeSet<CountedBy> = service.listeners.iter().map(CountedBy::of).collect();
        for counted in counted_by.iter().map(|of| self.listeners.counted(*of)) {
            for (outcome, count) in
                [(Outcome::Served, counted.served), (Outcome::IdleClosed, counted.idle_closed)]
            {
                if count > 0 {
                    let total = counts.entry(outcome).or_default();
                    *total = total.saturating_add(count);
                }
            }
        }
        let processes = service.members.iter().filter_map(|pid| self.processes.get(*pid));
        let belongs_to = service.attribution.name();
        let name = belongs_to.unwrap_or_else(|| name_by_place(&service.name, &listeners));
        ServiceFact {
            id,
            name,
            attribution: service.attribution.clone(),
            executable: service.executable.clone(),
            listeners,
            processes: processes.map(|process| member_fact(process, self.is_master(process))).collect(),
            state: self.state(id, service),
            load: service.load.clone(),
            counts,
            lost_outside_restarts: service.lost_outside.clone(),
            upstream_lost: service.upstream_lost,
        }
    }
}

/// A service's name by its first port, which is the first of its places if it has one, or else by its path's last part.
fn name_by_place(name: &str, listeners: &[ListenerFact]) -> String {
    let place = listeners.first().map(|listener| listener.key.local);
    let (kind, place) = match place {
        Some(Local::Inet(endpoint)) => ("port", endpoint.port.to_string()),
        Some(Local::Unix(path)) => ("unix", path.last_component().to_string()),
        None => ("port", "0".to_owned()),
    };
    format!("{}:{place}", if name.is_empty() { kind } else { name })
}
