//! The accumulator: facts of the correlator become counters that never go back, and gauges as of the last look.

use super::family::Family;
use super::flows::Flows;
use super::gist::Gist;
use super::restarts::{Last, Restarts};
use super::services::Services;
use super::{of_itself, of_services};
use crate::correlate::{Config, Correlator, ServiceFact, ServiceId, ServiceState};
use crate::event::{BootNs, Event, Hook, Kind};
use crate::journal::Header;
use crate::selection::Selection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Names of services that metrics may have.
pub const MAX_SERVICES: usize = 200;

const SECOND: BootNs = 1_000_000_000;
/// What a service had open this long ago is not what it has open now.
const STALE: BootNs = 30 * SECOND;
/// Events that were lost this long ago do not count against keeping up.
const LATELY: BootNs = 60 * SECOND;

/// Everything that is counted and measured. It does no IO and reads no clock: the same events and the same times of
/// [`Metrics::update`] give the same metrics.
#[derive(Debug)]
pub struct Metrics {
    selection: Selection,
    selected: BTreeSet<ServiceId>,
    pub(super) services: Services,
    pub(super) present: BTreeMap<Arc<str>, Present>,
    flows: Flows,
    pub(super) restarts: Restarts,
    pub(super) itself: Itself,
}

/// What the recorder says of itself. Counters are since the daemon began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStatus {
    /// Bytes written, before compression.
    pub bytes_written: u64,
    /// Bytes that the journal takes on disk now.
    pub bytes_on_disk: u64,
    /// Files that the journal consists of now.
    pub segments: u64,
    /// Events that could not be written.
    pub events_dropped: u64,
    /// Writes, syncs and rotations that failed.
    pub errors: u64,
    /// Whether the last write succeeded.
    pub is_writing: bool,
}

/// What became of the clients of the local socket. Counters are since the daemon began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStatus {
    /// Connected now.
    pub connected: u64,
    /// Got what they asked for, or as much of it as they wanted.
    pub served: u64,
    /// Were turned away.
    pub refused: u64,
    /// Read too slowly, and were dropped.
    pub dropped: u64,
}

/// Whether the daemon sees what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Attached and keeping up.
    Ready,
    /// Not, and why, in words.
    NotReady(Vec<String>),
}

/// How the services of one name are now.
#[derive(Clone, Debug, Default)]
pub(super) struct Present {
    /// How many there are in each state.
    pub(super) states: BTreeMap<ServiceState, u64>,
    /// Their listeners.
    pub(super) listeners: usize,
    /// Depth and limit of the fullest accept queue.
    pub(super) queue: Option<(u32, u32)>,
    pub(super) in_flight: Option<InFlight>,
    pub(super) residual: usize,
    pub(super) residual_since: Option<BootNs>,
    pub(super) restarts_open: usize,
    pub(super) last: Option<Last>,
}

/// Connections accepted and open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InFlight {
    pub(super) old: u64,
    pub(super) current: u64,
}

/// What is known of the observation.
#[derive(Debug, Default)]
pub(super) struct Itself {
    pub(super) at: BootNs,
    pub(super) attached: bool,
    pub(super) hooks: Vec<Hook>,
    pub(super) events: u64,
    pub(super) lost: BTreeMap<(String, String), u64>,
    pub(super) lost_at: Option<BootNs>,
    pub(super) bounds: BTreeMap<String, u64>,
    pub(super) journal: Option<JournalStatus>,
    pub(super) clients: Option<ClientStatus>,
}

impl Metrics {
    /// Metrics of the host and selection of a header, under at most `max_services` names (such as [`MAX_SERVICES`]).
    pub fn new(header: &Header, config: &Config, max_services: usize) -> Self {
        let mut restarts = Restarts::new(&header.host.boot_id, config.residual);
        restarts.clock_set(header.clock.wall_minus_boot_ns);
        Self {
            selection: header.selection.clone(),
            selected: BTreeSet::new(),
            services: Services::new(max_services),
            present: BTreeMap::new(),
            flows: Flows::default(),
            restarts,
            itself: Itself::default(),
        }
    }

    /// Names at most so many services from the next update on; those that something was counted under keep their names.
    pub fn set_max_services(&mut self, max: usize) {
        self.services.set_max(max);
    }

    /// Takes an event in: each one that the correlator gets.
    pub fn event(&mut self, event: &Event) {
        self.itself.events += 1;
        match &event.event {
            Kind::Counts(counts) => self.flows.count(counts),
            Kind::ClockSet(set) => self.restarts.clock_set(set.wall_minus_boot_ns),
            Kind::Lost(lost) if lost.what != "journal" => self.itself.lost_at = Some(event.at),
            _ => {}
        }
    }

    /// Takes in what the recorder says of itself.
    pub fn journal(&mut self, status: JournalStatus) {
        self.itself.journal = Some(status);
    }

    /// Takes in what became of the socket's clients.
    pub fn clients(&mut self, status: ClientStatus) {
        self.itself.clients = Some(status);
    }

    /// Counts what is new as of `at`. To be called once a second.
    pub fn update(&mut self, correlator: &Correlator, at: BootNs) {
        let at = at.max(correlator.now());
        let now = self.select(correlator);
        self.services.refresh(now.iter().map(|service| (service.id, service.name.as_str())));
        self.flows.update(correlator, &now, &mut self.services);
        self.restarts.update(correlator, at, &self.selected, &mut self.services);
        self.look_at(&now, at);
        let seen = correlator.observation();
        self.itself.at = at;
        self.itself.attached = seen.attached_at.is_some();
        self.itself.hooks = seen.hooks;
        self.itself.lost = seen.lost_events;
        self.itself.bounds = seen.bounds;
        for (bound, hits) in
            [("metrics_ports", self.flows.places_ignored()), ("metrics_restarts", self.restarts.uncounted())]
        {
            if hits > 0 {
                self.itself.bounds.insert(bound.to_owned(), hits);
            }
        }
    }

    /// The metrics as of the last update, by name.
    pub fn families(&self) -> Vec<Family> {
        let mut families = of_services::families(self);
        families.extend(of_itself::families(self));
        families
    }

    /// The same in a few numbers.
    pub fn gist(&self) -> Gist {
        Gist::of(self)
    }

    /// Whether it was attached and kept up as of the last update.
    pub fn readiness(&self) -> Readiness {
        let mut why = Vec::new();
        if !self.itself.attached {
            why.push("the probes are not attached yet".to_owned());
        }
        let recent = |lost: &BootNs| self.itself.at.saturating_sub(*lost) <= LATELY;
        if self.itself.lost_at.as_ref().is_some_and(recent) {
            why.push(format!(
                "events were lost within the last {} s: see drain_observer_events_lost_total for which and why",
                LATELY / SECOND
            ));
        }
        if why.is_empty() { Readiness::Ready } else { Readiness::NotReady(why) }
    }

    /// The services that are selected; what was selected once remains so.
    fn select(&mut self, correlator: &Correlator) -> Vec<ServiceFact> {
        let services: Vec<ServiceFact> = correlator.services().collect();
        let merged: Vec<ServiceId> = self.selected.iter().map(|id| correlator.service_id(*id)).collect();
        self.selected = services
            .iter()
            .filter(|service| merged.contains(&service.id) || self.selection.matches_service(service))
            .map(|service| service.id)
            .collect();
        services.into_iter().filter(|service| self.selected.contains(&service.id)).collect()
    }

    fn look_at(&mut self, now: &[ServiceFact], at: BootNs) {
        self.present.clear();
        let mut old: BTreeMap<ServiceId, BTreeSet<u32>> = BTreeMap::new();
        for standing in self.restarts.standing() {
            if !self.selected.contains(&standing.service) {
                continue;
            }
            old.entry(standing.service).or_default().extend(&standing.old);
            let present = self.present.entry(self.services.label(standing.service).clone()).or_default();
            present.restarts_open += usize::from(standing.open);
            present.residual += standing.residual;
            if standing.residual > 0 {
                let since = present.residual_since.get_or_insert(standing.residual_since);
                *since = standing.residual_since.min(*since);
            }
            if present.last.is_none_or(|last| last.id < standing.last.id) {
                present.last = Some(standing.last);
            }
        }
        let nobody = BTreeSet::new();
        for service in now {
            let label = self.services.label(service.id).clone();
            let old = old.get(&service.id).unwrap_or(&nobody);
            self.present.entry(label).or_default().add(service, old, at);
        }
    }
}

impl Present {
    fn add(&mut self, service: &ServiceFact, old: &BTreeSet<u32>, at: BootNs) {
        *self.states.entry(service.state).or_default() += 1;
        let fullness = |(depth, limit): (u32, u32)| f64::from(depth) / f64::from(limit.max(1));
        for listener in service.listeners.iter().filter(|listener| listener.sockets > 0) {
            self.listeners += 1;
            let queue = (listener.queue, listener.limit);
            if self.queue.is_none_or(|fullest| fullness(queue) > fullness(fullest)) {
                self.queue = Some(queue);
            }
        }
        let Some(load) = service.load.as_ref().filter(|load| at.saturating_sub(load.at) <= STALE) else {
            return;
        };
        let of_old = load.held.iter().filter(|held| old.contains(&held.pid));
        let of_old = of_old.map(|held| u64::from(held.open)).sum();
        let in_flight = self.in_flight.get_or_insert_default();
        in_flight.old += of_old;
        in_flight.current += u64::from(load.in_flight()).saturating_sub(of_old);
    }
}
