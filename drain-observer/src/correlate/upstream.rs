//! Services that are each other's clients, as a proxy is its upstream's: what a proxy loses it answers with an error of
//! its own, which its kernel takes for a response like any other.

use super::Correlator;
use super::connections::Ends;
use super::facts::{ConnectionFact, RestartId, ServiceId};
use crate::event::{BootNs, Local, Task, UpstreamFailed};
use std::collections::{BTreeMap, VecDeque};

/// What one end and the other tell of a failure is told within this.
const TOLD_WITHIN: BootNs = 1_000_000_000;
/// A proxy that lost its upstream answers its own client no later.
const ANSWERS_WITHIN: BootNs = 100_000_000;
/// TCP's clock, which tells when a response was sent, is as coarse as this.
const TICK: BootNs = 10_000_000;
/// Clients whose upstream's end has not been told of.
const MAX_WAITING: usize = 8_192;
/// Processes whose last loss is remembered.
const MAX_PROXIES: usize = 1_024;
/// Processes named of one proxy.
const MAX_NAMED: usize = 8;

/// What is known of connections between services.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    /// Clients' ends of which the upstream's end has not been told yet.
    waiting: BTreeMap<Ends, (BootNs, Task)>,
    order: VecDeque<(BootNs, Ends)>,
    /// What each process lost last.
    lost: BTreeMap<u32, Loss>,
}

/// An upstream connection that was lost.
#[derive(Clone, Copy, Debug)]
struct Loss {
    at: BootNs,
    place: Local,
    restart: Option<RestartId>,
}

/// What one proxy lost in a restart.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProxyLosses {
    pub(crate) lost: u64,
    pub(crate) processes: Vec<Task>,
}

impl Upstreams {
    fn wait(&mut self, at: BootNs, ends: Ends, task: Task) {
        self.waiting.insert(ends, (at, task));
        self.order.push_back((at, ends));
        while let Some((since, oldest)) = self.order.front().copied()
            && (self.order.len() > MAX_WAITING || at.saturating_sub(since) > TOLD_WITHIN)
        {
            self.order.pop_front();
            if self.waiting.get(&oldest).is_some_and(|(of, _)| *of == since) {
                self.waiting.remove(&oldest);
            }
        }
    }
}

impl Upstreams {
    /// Makes room: what is too long ago to be answered for goes, or else the oldest.
    fn forget_one(&mut self, now: BootNs) {
        self.lost.retain(|_, loss| now.saturating_sub(loss.at) <= ANSWERS_WITHIN + TICK);
        let oldest = self.lost.iter().min_by_key(|(_, loss)| loss.at).map(|(pid, _)| *pid);
        if let Some(pid) = oldest.filter(|_| self.lost.len() >= MAX_PROXIES) {
            self.lost.remove(&pid);
        }
    }
}

impl Correlator {
    /// A process's connection to a listener of this host failed, as its own end tells.
    pub(super) fn upstream_failed(&mut self, at: BootNs, failed: &UpstreamFailed) {
        let ends = Ends::new(failed.netns, failed.peer, failed.local);
        let client = self.task(failed.by.pid);
        let known = self.connections.last(&ends).filter(|fact| {
            fact.outcome.is_lost() && fact.client.is_none() && at.abs_diff(fact.ended_at) <= TOLD_WITHIN
        });
        if known.is_none() {
            self.upstreams.wait(at, ends, client);
            return;
        }
        if let Some(fact) = self.connections.set_client(&ends, client) {
            self.upstream_lost(&fact);
        }
    }

    /// The process at the client's end of a TCP connection that was lost, if that has been told.
    pub(super) fn client_of(&mut self, fact: &ConnectionFact) -> Option<Task> {
        let (since, task) = self.upstreams.waiting.remove(&Ends::of(fact)?)?;
        (since.abs_diff(fact.ended_at) <= TOLD_WITHIN).then_some(task)
    }

    /// A connection was lost whose client's process is known: if that is of another service, it is a proxy's.
    pub(super) fn upstream_lost(&mut self, fact: &ConnectionFact) {
        let Some((client, service)) = fact.client.zip(fact.service) else { return };
        let Some(proxy) = self.processes.find(client.pid).and_then(|process| process.service) else { return };
        let proxy = self.services.canonical(proxy);
        if proxy == self.services.canonical(service) {
            return;
        }
        if let Some(entry) = self.services.get_mut(proxy) {
            entry.upstream_lost += 1;
        }
        let loss = Loss { at: fact.ended_at, place: fact.local, restart: fact.restart };
        if self.upstreams.lost.len() >= MAX_PROXIES && !self.upstreams.lost.contains_key(&client.pid) {
            self.upstreams.forget_one(fact.ended_at);
        }
        self.upstreams.lost.insert(client.pid, loss);
        if let Some(restart) = fact.restart.and_then(|id| self.restarts.get_mut(&id)) {
            let losses = restart.proxies.entry(proxy).or_default();
            losses.lost += 1;
            if losses.processes.len() < MAX_NAMED
                && losses.processes.iter().all(|task| task.pid != client.pid)
            {
                losses.processes.push(client);
            }
        }
    }

    /// Why a response may be an error of the process's own, if it may.
    pub(super) fn perhaps_an_error(&self, task: Task, responded: BootNs) -> Option<String> {
        let loss = self.upstreams.lost.get(&task.pid)?;
        let after = responded.saturating_add(TICK).checked_sub(loss.at)?.saturating_sub(TICK);
        if after > ANSWERS_WITHIN {
            return None;
        }
        let restart = if loss.restart.is_some() { ", in a restart there" } else { "" };
        Some(format!(
            "the response came at most {:.0} ms after its process had lost a connection to {}{restart}: perhaps an error of its \
             own, such as 502",
            (after.saturating_add(TICK)) as f64 / 1e6,
            loss.place
        ))
    }

    /// What proxies lost in a restart, by service.
    pub(super) fn proxies(
        &self,
        losses: &BTreeMap<ServiceId, ProxyLosses>,
    ) -> BTreeMap<ServiceId, ProxyLosses> {
        let mut now: BTreeMap<ServiceId, ProxyLosses> = BTreeMap::new();
        for (service, losses) in losses {
            let sum = now.entry(self.services.canonical(*service)).or_default();
            sum.lost += losses.lost;
            let room = MAX_NAMED.saturating_sub(sum.processes.len());
            sum.processes.extend(losses.processes.iter().take(room));
        }
        now
    }
}
