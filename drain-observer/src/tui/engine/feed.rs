//! From the correlator to frames, making anew only what can have changed.

use crate::correlate::{ConnectionFact, Correlator, RestartFact, RestartId, ServiceFact, ServiceId};
use crate::event::BootNs;
use crate::journal::Header;
use crate::report::WallClock;
use crate::selection::Selection;
use crate::tui::frame::{Frame, Listed, Observation, Scope, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Makes frames of a correlator's facts.
#[derive(Debug)]
pub struct Feed {
    selections: [Selection; 2],
    clock: Arc<WallClock>,
    observation: Arc<Observation>,
    notes: Vec<String>,
    services: BTreeMap<ServiceId, Arc<ServiceFact>>,
    restarts: BTreeMap<RestartId, Arc<RestartFact>>,
    /// What was listed last, and its version.
    listed: Option<(Listed, u64)>,
}

impl Feed {
    /// For the host and selection of a header, and a further selection.
    pub fn new(header: &Header, selection: &Selection) -> Self {
        let words = [&header.selection, selection].map(|one| (!one.is_all()).then(|| one.to_string()));
        let words: BTreeSet<String> = words.into_iter().flatten().collect();
        let selected = if words.is_empty() {
            "every listener".to_owned()
        } else {
            words.into_iter().collect::<Vec<_>>().join(" and ")
        };
        let observation = Observation {
            host: header.host.hostname.clone(),
            kernel: header.host.kernel.clone(),
            boot_id: header.host.boot_id.clone(),
            selection: selected,
            masked_peers: header.masked_peers,
            ..Observation::default()
        };
        Self {
            selections: [header.selection.clone(), selection.clone()],
            clock: Arc::new(WallClock::new(header.clock.wall_minus_boot_ns)),
            observation: Arc::new(observation),
            notes: Vec::new(),
            services: BTreeMap::new(),
            restarts: BTreeMap::new(),
            listed: None,
        }
    }

    /// The wall clock was set.
    pub fn clock_set(&mut self, at: BootNs, wall_minus_boot_ns: i64) {
        Arc::make_mut(&mut self.clock).set(at, wall_minus_boot_ns);
    }

    /// The wall clock as it is known by now.
    pub fn set_clock(&mut self, clock: &WallClock) {
        if *self.clock != *clock {
            self.clock = Arc::new(clock.clone());
        }
    }

    /// Something that is to be said with every frame.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Everything as of `at`, with the connections of `scope`.
    pub fn frame(
        &mut self,
        correlator: &Correlator,
        at: BootNs,
        source: Source,
        scope: Option<Scope>,
    ) -> Frame {
        let at = at.max(correlator.now());
        self.refresh(correlator, at);
        self.refresh_observation(correlator);
        let selected: BTreeSet<ServiceId> = self
            .services
            .values()
            .filter(|service| self.selects(service))
            .map(|service| service.id)
            .collect();
        let services = self.services.values().filter(|service| selected.contains(&service.id));
        let restarts = self.restarts.values().filter(|restart| selected.contains(&restart.service));
        let (services, restarts) = (services.cloned().collect(), restarts.cloned().collect());
        let listed = scope.map(|scope| self.list(correlator, scope, &selected));
        Frame {
            at,
            clock: self.clock.clone(),
            source,
            observation: self.observation.clone(),
            services,
            restarts,
            listed,
        }
    }

    fn refresh(&mut self, correlator: &Correlator, at: BootNs) {
        let ids: BTreeSet<RestartId> = correlator.restart_ids().collect();
        self.restarts.retain(|id, _| ids.contains(id));
        for id in ids {
            let known = self.restarts.get(&id);
            if known.is_some_and(|known| !correlator.may_change(known, at)) {
                continue;
            }
            if let Some(fact) = correlator.restart(id, at)
                && known.is_none_or(|known| **known != fact)
            {
                self.restarts.insert(id, Arc::new(fact));
            }
        }
        let mut before = std::mem::take(&mut self.services);
        for fact in correlator.services() {
            let kept = before.remove(&fact.id).filter(|known| **known == fact);
            self.services.insert(fact.id, kept.unwrap_or_else(|| Arc::new(fact)));
        }
    }

    fn refresh_observation(&mut self, correlator: &Correlator) {
        let seen = correlator.observation();
        let now = Observation {
            from: seen.from,
            attached_at: seen.attached_at,
            ended: seen.ended,
            notes: seen.notes.iter().chain(&self.notes).cloned().collect(),
            hooks: seen.hooks,
            lost_events: seen.lost_events,
            bounds: seen.bounds,
            ..Observation::clone(&self.observation)
        };
        if *self.observation != now {
            self.observation = Arc::new(now);
        }
    }

    fn selects(&self, service: &ServiceFact) -> bool {
        self.selections.iter().all(|selection| {
            let past = self.restarts.values().filter(|restart| restart.service == service.id);
            let members = past.flat_map(|restart| restart.old.iter().chain(&restart.new));
            selection.is_all() || selection.matches_service_and(service, members)
        })
    }

    fn list(&mut self, correlator: &Correlator, scope: Scope, selected: &BTreeSet<ServiceId>) -> Listed {
        let version = correlator.connections_version();
        if let Some((listed, made)) = &self.listed
            && listed.scope == scope
            && *made == version
        {
            return listed.clone();
        }
        let fits = |fact: &ConnectionFact| match scope {
            Scope::All => match fact.service {
                Some(service) => selected.contains(&service),
                None => self.selections.iter().all(|selection| selection.matches_stray(fact)),
            },
            Scope::Service(service) => fact.service == Some(service),
            Scope::Restart(restart) => fact.restart == Some(restart),
        };
        let rows: Vec<ConnectionFact> = correlator.connection_facts().filter(fits).collect();
        let listed = Listed { scope, rows: Arc::new(rows) };
        self.listed = Some((listed.clone(), version));
        listed
    }
}
