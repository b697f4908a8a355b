//! What services have open: asked for at each tick while a restart goes on, kept as the last answer of each service
//! and as a curve of each restart.

use super::facts::{HeldFact, LoadFact, LoadPoint, ServiceId};
use super::limits::Config;
use super::restart::{Member, Restart};
use super::{Correlator, Request};
use crate::event::{BootNs, CountedBy, Held, QueueSeen, Surveyed};
use std::collections::{BTreeMap, BTreeSet};

/// Places and processes asked about at a time.
const MAX_ASKED: usize = 4_096;

/// The curve of a restart. When it grows too long, every second point is left out and fewer are taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    points: Vec<LoadPoint>,
    /// Points taken of those that come: one in `1 << thinned`.
    thinned: u32,
    since: u32,
}

impl Curve {
    pub(crate) fn points(&self) -> &[LoadPoint] {
        &self.points
    }

    fn add(&mut self, point: LoadPoint, max: usize) {
        // Another answer about the same moment (of several services merged) does not happen.
        if self.points.last().is_some_and(|last| last.at >= point.at) {
            return;
        }
        self.since += 1;
        if self.since < 1 << self.thinned {
            return;
        }
        self.since = 0;
        self.points.push(point);
        if self.points.len() > max {
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.thinned = (self.thinned + 1).min(16);
        }
    }
}

impl Correlator {
    /// Asks what is open in the services that a restart goes on in, or in all where that is wanted.
    pub(super) fn ask_for_survey(&mut self) {
        let open = self.active().filter(|restart| restart.ended.is_none());
        let mut wanted: BTreeSet<_> = open.map(|restart| self.services.canonical(restart.service)).collect();
        let due = |every: BootNs| self.now.saturating_sub(self.survey_asked) >= every;
        if self.config.survey_every.is_some_and(due) {
            self.survey_asked = self.now;
            wanted.extend(self.services.all().map(|(id, _)| id));
        }
        let mut places = BTreeSet::new();
        let mut pids = BTreeSet::new();
        for service in wanted.into_iter().filter_map(|id| self.services.get(id)) {
            places.extend(service.listeners.iter().map(CountedBy::of));
            pids.extend(&service.members);
        }
        if places.is_empty() {
            return;
        }
        if places.len() > MAX_ASKED || pids.len() > MAX_ASKED {
            self.bounds.hit("survey");
        }
        self.request(Request::Survey {
            places: places.into_iter().take(MAX_ASKED).collect(),
            pids: pids.into_iter().take(MAX_ASKED).collect(),
        });
    }

    /// The answer.
    pub(super) fn surveyed(&mut self, at: BootNs, surveyed: &Surveyed) {
        for seen in &surveyed.queues {
            self.queue_seen(seen);
        }
        let places: BTreeMap<CountedBy, _> = self
            .services
            .all()
            .flat_map(|(id, service)| service.listeners.iter().map(move |key| (CountedBy::of(key), id)))
            .collect();
        let mut loads: BTreeMap<ServiceId, Load> = BTreeMap::new();
        // One that has nothing open any more is in no answer.
        let asked = self.active().filter(|restart| restart.ended.is_none() && restart.started <= at);
        loads.extend(asked.map(|restart| (self.services.canonical(restart.service), Load::default())));
        for seen in &surveyed.queues {
            if let Some(id) = places.get(&CountedBy::of(&seen.key)) {
                let load = loads.entry(*id).or_default();
                // What waits at a port is among what nobody holds.
                if seen.key.local.path().is_some() {
                    load.queued = load.queued.saturating_add(seen.queue);
                }
            }
        }
        for unheld in &surveyed.unheld {
            if let Some(id) = places.get(&unheld.of) {
                let load = loads.entry(*id).or_default();
                load.unheld = load.unheld.saturating_add(unheld.open);
                load.queued = load.queued.saturating_add(unheld.queued);
            }
        }
        for held in &surveyed.held {
            if let Some(id) = places.get(&held.of) {
                loads.entry(*id).or_default().hold(held);
            }
        }
        let loads: BTreeMap<ServiceId, LoadFact> =
            loads.into_iter().map(|(id, load)| (id, load.fact(at, surveyed.complete))).collect();
        for id in self.active.clone() {
            let Some(restart) = self.restarts.get_mut(&id) else { continue };
            let service = self.services.canonical(restart.service);
            if restart.ended.is_none()
                && let Some(load) = loads.get(&service)
            {
                restart.loaded(load, &self.config);
            }
        }
        for (id, load) in loads {
            if let Some(service) = self.services.get_mut(id) {
                service.load = Some(load);
            }
        }
    }

    fn queue_seen(&mut self, seen: &QueueSeen) {
        let Some(listener) = self.listeners.get(&seen.key) else { return };
        let service = listener.service;
        let sockets: Vec<_> = listener.sockets.iter().copied().collect();
        for id in sockets {
            if let Some(socket) = self.listeners.socket_mut(id)
                && (seen.cookie == 0 || socket.cookie == 0 || socket.cookie == seen.cookie)
            {
                socket.queue = seen.queue;
                socket.limit = seen.limit;
            }
        }
        if let Some(restart) = self.current_mut(service) {
            restart.silence.queue_seen(seen.key, seen.queue, seen.limit);
        }
    }
}

/// What a service had open, as it is put together.
#[derive(Default)]
struct Load {
    queued: u32,
    unheld: u32,
    held: BTreeMap<u32, HeldFact>,
}

impl Load {
    /// Adds what a process held at one port to what it held at others.
    fn hold(&mut self, more: &Held) {
        if self.held.len() >= MAX_ASKED && !self.held.contains_key(&more.pid) {
            self.unheld = self.unheld.saturating_add(more.open);
            return;
        }
        let none =
            HeldFact { pid: more.pid, open: 0, unread: 0, awaiting: 0, unsent: 0, oldest: more.oldest };
        let held = self.held.entry(more.pid).or_insert(none);
        held.open = held.open.saturating_add(more.open);
        held.unread = held.unread.saturating_add(more.unread);
        held.awaiting = held.awaiting.saturating_add(more.awaiting);
        held.unsent = held.unsent.saturating_add(more.unsent);
        held.oldest = held.oldest.min(more.oldest);
    }

    fn fact(self, at: BootNs, complete: bool) -> LoadFact {
        let Self { queued, unheld, held } = self;
        LoadFact { at, queued, held: held.into_values().collect(), unheld, complete }
    }
}

impl Restart {
    fn loaded(&mut self, load: &LoadFact, config: &Config) {
        if load.queued > 0 {
            self.waiting_at = Some(load.at);
        }
        let living = |generation: &[Member]| -> BTreeSet<u32> {
            let living = generation.iter().filter(|member| member.fact.ended.is_none());
            living.map(|member| member.fact.pid).collect()
        };
        // A program that replaces itself was in both; what it holds is the new one's.
        let (old, new) = (living(&self.old), living(&self.new));
        let of_old = load.held.iter().filter(|held| old.contains(&held.pid) && !new.contains(&held.pid));
        let old = of_old.fold(0u32, |sum, held| sum.saturating_add(held.open));
        let new = load.in_flight().saturating_sub(old);
        self.curve.add(LoadPoint { at: load.at, old, new, queued: load.queued }, config.max_points);
    }
}
