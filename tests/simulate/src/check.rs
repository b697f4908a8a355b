//! Whether what the correlator concludes is what happened.

use crate::blame::falls_to;
use crate::deliver::Played;
use crate::truth::{Cause, Client, End, Restart};
use crate::world::{World, ZERO};
use drain_observer::correlate::{
    self, ConnectionFact, MemberFact, Outcome, RestartFact, ServiceFact, Snapshot, Verdict,
};
use drain_observer::event::BootNs;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

const MS: BootNs = 1_000_000;
const SECOND: BootNs = 1_000 * MS;
/// Clocks of CPUs differ, and so do those of a close and its event.
pub(crate) const CLOCKS: BootNs = 2 * MS;
/// What was asked for before the observer came may show itself for so long.
const SOON: BootNs = 60 * SECOND;
/// Signals so far apart may be one attempt, of which the first was missed.
const SAME_ATTEMPT: BootNs = 10 * SECOND;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its name.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

/// The invariants, by name.
pub const INVARIANTS: [&str; 10] = [
    "each connection has one outcome, the true one",
    "each restart is found, once, with its true cause",
    "each restart has its true generations and kind",
    "each loss falls to the right service, restart and process",
    "each loss has the cause of its restart",
    "the verdict is the true one",
    "counts add up",
    "the order in which events come changes nothing",
    "nothing is clean in which something was missed",
    "memory goes back to what it was",
];
const OUTCOMES: &str = INVARIANTS[0];
const RESTARTS: &str = INVARIANTS[1];
const GENERATIONS: &str = INVARIANTS[2];
const ATTRIBUTION: &str = INVARIANTS[3];
const CAUSES: &str = INVARIANTS[4];
const VERDICTS: &str = INVARIANTS[5];
const COUNTS: &str = INVARIANTS[6];
const CLEAN: &str = INVARIANTS[8];

type Key = (u16, SocketAddr);

/// What is wrong with a world of which everything was told.
pub fn complete(world: &World, played: &Played) -> Vec<Wrong> {
    let mut check = Check::new(world, played);
    check.services();
    check.restarts();
    check.clients();
    check.counts();
    check.wrong
}

/// What is wrong with a world of which some events were lost, beside the same `whole`.
pub fn incomplete(world: &World, whole: &Played, played: &Played, gone: &[usize]) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut add = |invariant, what| wrong.push(Wrong { invariant, what });
    // What is ignored has no effect, whatever was lost.
    let ignored = |it: &RestartFact| matches!(&it.cause, correlate::Cause::Signal(signal) if signal.ignored);
    // Whoever was missed longer before may be taken for somebody else for ever: that is not looked for.
    let last = gone.iter().map(|index| world.told[*index].event.at).max().unwrap_or(0);
    let long_after = |it: &RestartFact| it.verdict == Verdict::Clean && it.started > last + SAME_ATTEMPT;
    let restarts = |played: &Played, verdict| {
        let called = |it: &&RestartFact| it.verdict == verdict && !ignored(it) && !long_after(it);
        played.snapshot.restarts.iter().filter(called).count()
    };
    for verdict in [Verdict::Clean, Verdict::NotRestarted] {
        if restarts(played, verdict) > restarts(whole, verdict) {
            let of =
                |played: &Played| played.snapshot.restarts.iter().map(name).collect::<Vec<_>>().join(", ");
            let lost: Vec<_> = gone.iter().map(|index| &world.told[*index].event).collect();
            let (whole, found) = (of(whole), of(played));
            add(
                CLEAN,
                format!(
                    "there are more restarts called {verdict:?} than in {whole}: {found} without {lost:?}"
                ),
            );
        }
    }
    for restart in played.snapshot.restarts.iter().filter(|restart| restart.verdict == Verdict::Clean) {
        let open = |at: BootNs| at >= restart.started && restart.ended.is_none_or(|ended| at <= ended);
        if let Some(index) = gone.iter().find(|index| open(world.told[**index].event.at)) {
            add(CLEAN, format!("{} though this was lost: {:?}", name(restart), world.told[*index].event));
        }
    }
    let mut seen: BTreeMap<Key, u32> = BTreeMap::new();
    let truths: BTreeMap<Key, &Client> = world.truth.clients.iter().map(|it| (truth_key(it), it)).collect();
    let of_gone = |key: &Key| gone.iter().any(|index| is_of(&world.told[*index].event.event, key));
    for fact in &played.snapshot.connections {
        let Some(key) = fact_key(fact) else { continue };
        *seen.entry(key).or_default() += 1;
        let known = truths.get(&key).is_some_and(|it| it.outcomes.contains(&fact.outcome));
        if !known && fact.outcome != Outcome::Unknown && !of_gone(&key) {
            let truth = truths.get(&key).map(|it| &it.outcomes);
            add(
                OUTCOMES,
                format!(
                    "{} is {:?}, in truth {truth:?}, though what tells it was not lost",
                    fact.peer, fact.outcome
                ),
            );
        }
    }
    for (key, _) in seen.iter().filter(|(key, count)| **count > 1 && !played.counted_clients.contains(key)) {
        add(OUTCOMES, format!("{} is there more than once", key.1));
    }
    wrong
}

struct Check<'a> {
    world: &'a World,
    played: &'a Played,
    snapshot: &'a Snapshot,
    /// Of each service what the correlator has for it.
    services: Vec<Option<&'a ServiceFact>>,
    /// Of each restart the same.
    found: Vec<Option<&'a RestartFact>>,
    wrong: Vec<Wrong>,
}

impl<'a> Check<'a> {
    fn new(world: &'a World, played: &'a Played) -> Self {
        let found = vec![None; world.truth.restarts.len()];
        Self { world, played, snapshot: &played.snapshot, services: Vec::new(), found, wrong: Vec::new() }
    }

    fn add(&mut self, invariant: &'static str, what: String) {
        self.wrong.push(Wrong { invariant, what });
    }

    fn services(&mut self) {
        for (number, ports) in self.world.truth.services.iter().enumerate() {
            let of = |service: &&ServiceFact| {
                service
                    .listeners
                    .iter()
                    .any(|it| it.key.local.port().is_some_and(|port| ports.contains(&port)))
            };
            let found: Vec<&ServiceFact> = self.snapshot.services.iter().filter(of).collect();
            if found.len() != 1 {
                self.add(RESTARTS, format!("service {number} is taken for {} services", found.len()));
            }
            self.services.push(found.first().copied());
        }
        let count = self.snapshot.services.len();
        if count != self.world.truth.services.len() {
            self.add(
                RESTARTS,
                format!("{count} services found, there are {}", self.world.truth.services.len()),
            );
        }
    }

    fn restarts(&mut self) {
        for (number, service) in self.services.clone().into_iter().enumerate() {
            let of_service = |it: &&RestartFact| service.is_some_and(|service| service.id == it.service);
            let mut found: Vec<&RestartFact> = self.snapshot.restarts.iter().filter(of_service).collect();
            found.sort_by_key(|restart| restart.started);
            let restarts = &self.world.truth.restarts;
            let all: Vec<usize> =
                (0..restarts.len()).filter(|index| restarts[*index].service == number).collect();
            if found.len() != all.len() {
                let ways: Vec<&str> = all.iter().map(|index| restarts[*index].way).collect();
                let names: Vec<String> = found.iter().map(|restart| name(restart)).collect();
                self.add(RESTARTS, format!("service {number}: {names:?} found, in truth {ways:?}"));
                continue;
            }
            for (index, fact) in all.into_iter().zip(found) {
                self.found[index] = Some(fact);
                self.restart(&restarts[index], fact);
            }
        }
    }

    fn restart(&mut self, truth: &Restart, fact: &RestartFact) {
        let name = format!("{} of service {}", truth.way, truth.service);
        if !is_cause(&truth.cause, &fact.cause) {
            self.add(RESTARTS, format!("{name}: cause {:?}, in truth {:?}", fact.cause, truth.cause));
        }
        if !truth.kinds.contains(&fact.kind) {
            self.add(GENERATIONS, format!("{name} is called {:?}", fact.kind));
        }
        let pids =
            |members: &[MemberFact]| members.iter().map(|member| member.pid).collect::<BTreeSet<u32>>();
        if truth.old != pids(&fact.old) {
            let (found, truth) = (pids(&fact.old), &truth.old);
            self.add(GENERATIONS, format!("{name}: old generation {found:?}, in truth {truth:?}"));
        }
        // Who comes when it is over is not the restart's.
        let over = fact.ended.unwrap_or(BootNs::MAX);
        let new = pids(&fact.new);
        let wanted = |(pid, born): (&u32, &BootNs)| new.contains(pid) || *born + CLOCKS > over;
        if !truth.new.iter().all(wanted) || !new.iter().all(|pid| truth.new.contains_key(pid)) {
            self.add(GENERATIONS, format!("{name}: new generation {new:?}, in truth {:?}", truth.new.keys()));
        }
        if fact.started.abs_diff(truth.began) > 10 * MS && truth.way != "takeover" {
            let late = fact.started as i64 - truth.began as i64;
            self.add(RESTARTS, format!("{name} began {late} ns later than in truth"));
        }
        if let (Some(truth), Some(found)) = (truth.old_gone, fact.times.old_gone)
            && truth.abs_diff(found) > 5 * MS
        {
            self.add(
                GENERATIONS,
                format!("{name}: the old generation was gone at {found}, in truth at {truth}"),
            );
        }
        let soon = matches!(truth.cause, Cause::Exit { signal: 0, .. }) && truth.began - ZERO < SOON;
        let verdicts: &[Verdict] = match truth.end {
            End::Down => &[Verdict::Down],
            _ if fact.lost() > 0 => &[Verdict::Lossy],
            End::Nothing => &[Verdict::NotRestarted],
            End::Replaced if soon => &[Verdict::Clean, Verdict::Inconclusive],
            End::Replaced => &[Verdict::Clean],
        };
        if !verdicts.contains(&fact.verdict) {
            self.add(
                VERDICTS,
                format!("{name} is {:?} ({}), in truth {verdicts:?}", fact.verdict, fact.reason),
            );
        }
        if fact.ended.is_none() && truth.end != End::Down {
            self.add(VERDICTS, format!("{name} never ends"));
        }
    }

    fn clients(&mut self) {
        let mut facts: BTreeMap<Key, Vec<&ConnectionFact>> = BTreeMap::new();
        for fact in &self.snapshot.connections {
            facts.entry(fact_key(fact).unwrap_or((0, ([0, 0, 0, 0], 0).into()))).or_default().push(fact);
        }
        for client in &self.world.truth.clients {
            let key = truth_key(client);
            let counted = self.played.counted_clients.contains(&key);
            let own = facts.remove(&key).unwrap_or_default();
            match (own.as_slice(), counted) {
                ([], true) => {
                    // Who left before asking anything and who was sent away then are one to the kernel.
                    let clean = [Outcome::Served, Outcome::IdleClosed, Outcome::ClientGone];
                    if !clean.iter().any(|outcome| client.outcomes.contains(outcome)) {
                        self.add(
                            OUTCOMES,
                            format!("{} was counted as clean, in truth {:?}", client.peer, client.outcomes),
                        );
                    }
                }
                // The kernel counted it before its client's last request came.
                ([fact], true) if client.outcomes[0] == Outcome::LateRequest => {
                    self.client(client, fact, true)
                }
                ([fact], false) => self.client(client, fact, false),
                (facts, _) => {
                    let found: Vec<Outcome> = facts.iter().map(|fact| fact.outcome).collect();
                    self.add(
                        OUTCOMES,
                        format!(
                            "{} is there as {found:?} (counted: {counted}), in truth {:?}",
                            client.peer, client.outcomes
                        ),
                    );
                }
            }
        }
        for (key, facts) in facts {
            self.add(OUTCOMES, format!("{} was never there, and is {:?}", key.1, facts[0].outcome));
        }
    }

    fn client(&mut self, client: &Client, fact: &ConnectionFact, counted: bool) {
        let peer = client.peer;
        if !client.outcomes.contains(&fact.outcome) {
            let (found, truth) = (fact.outcome, &client.outcomes);
            self.add(
                OUTCOMES,
                format!("{peer} is {found:?} ({}), in truth {truth:?}", fact.evidence.join("; ")),
            );
        }
        let service = self.services[client.service].map(|service| service.id);
        if fact.service != service {
            self.add(ATTRIBUTION, format!("{peer} falls to {:?}, in truth to {service:?}", fact.service));
        }
        if !fact.outcome.is_lost() || self.services[client.service].is_none() {
            return;
        }
        let found =
            fact.restart.and_then(|id| self.found.iter().position(|it| it.is_some_and(|it| it.id == id)));
        let allowed = falls_to(&self.world.truth.restarts, client, counted);
        if !allowed.contains(&found) {
            let way = |index: &Option<usize>| index.map(|index| self.world.truth.restarts[index].way);
            let truth: Vec<_> = allowed.iter().map(way).collect();
            let (found, outcome) = (way(&found), fact.outcome);
            self.add(ATTRIBUTION, format!("{peer}, {outcome:?}, falls to {found:?}, in truth to {truth:?}"));
        }
        if let (Some(closer), false) = (client.closer, counted)
            && fact.process.map(|task| task.pid) != Some(closer)
        {
            self.add(ATTRIBUTION, format!("{peer}: {:?} closed it, in truth {closer}", fact.process));
        }
        let restart = fact.restart.and_then(|id| self.snapshot.restarts.iter().find(|it| it.id == id));
        if let Some(restart) = restart
            && !same_cause(fact.cause.as_deref(), &restart.cause)
        {
            self.add(CAUSES, format!("{peer}: {:?}, its restart's is {:?}", fact.cause, restart.cause));
        }
    }

    fn counts(&mut self) {
        for restart in &self.snapshot.restarts {
            let own = count(self.snapshot.connections.iter().filter(|fact| fact.restart == Some(restart.id)));
            if own != restart.counts {
                self.add(
                    COUNTS,
                    format!("{} has {:?}, its connections are {own:?}", name(restart), restart.counts),
                );
            }
        }
        for service in &self.snapshot.services {
            let of_service =
                || self.snapshot.connections.iter().filter(|fact| fact.service == Some(service.id));
            let mut own = count(of_service());
            let outside = count(of_service().filter(|fact| fact.restart.is_none() && fact.outcome.is_lost()));
            let mut established: BTreeMap<u16, u64> = BTreeMap::new();
            for (_, port) in &self.world.established {
                *established.entry(*port).or_default() += 1;
            }
            for listener in &service.listeners {
                let port = listener.key.local.port().unwrap_or(0);
                let (served, idle) = self.played.counted.get(&port).copied().unwrap_or_default();
                *own.entry(Outcome::Served).or_default() += served;
                *own.entry(Outcome::IdleClosed).or_default() += idle;
                let truth = established.get(&port).copied().unwrap_or(0);
                if listener.established != truth {
                    self.add(
                        COUNTS,
                        format!("port {port}: {} connections made, in truth {truth}", listener.established),
                    );
                }
            }
            own.retain(|_, count| *count > 0);
            if own != service.counts {
                self.add(
                    COUNTS,
                    format!("{} has {:?}, its connections are {own:?}", service.name, service.counts),
                );
            }
            if outside != service.lost_outside_restarts {
                let found = &service.lost_outside_restarts;
                self.add(
                    COUNTS,
                    format!("{} lost {found:?} outside, its connections say {outside:?}", service.name),
                );
            }
        }
    }
}

fn is_cause(truth: &Cause, found: &correlate::Cause) -> bool {
    match (truth, found) {
        (Cause::Signal { signal, sender, target }, correlate::Cause::Signal(fact)) => {
            fact.signal == *signal
                && fact.sender.map(|task| task.pid) == Some(*sender)
                && fact.target.pid == *target
        }
        (Cause::Exit { pid, status, signal }, correlate::Cause::Exit { task, status: s, signal: k, .. }) => {
            task.pid == *pid && status == s && signal == k
        }
        _ => false,
    }
}

/// The same cause: what a signal did and how often it was repeated may have become known since.
fn same_cause(one: Option<&correlate::Cause>, other: &correlate::Cause) -> bool {
    match (one, other) {
        (Some(correlate::Cause::Signal(one)), correlate::Cause::Signal(other)) => {
            (one.at, one.signal, one.sender, one.target.pid)
                == (other.at, other.signal, other.sender, other.target.pid)
        }
        (one, other) => one == Some(other),
    }
}

fn count<'a>(facts: impl Iterator<Item = &'a ConnectionFact>) -> BTreeMap<Outcome, u64> {
    let mut counts = BTreeMap::new();
    for fact in facts {
        *counts.entry(fact.outcome).or_default() += 1;
    }
    counts
}

fn name(restart: &RestartFact) -> String {
    format!("{:?} {:?} at {}", restart.kind, restart.verdict, restart.started)
}

fn fact_key(fact: &ConnectionFact) -> Option<Key> {
    let peer = fact.peer.inet()?;
    Some((fact.local.port()?, (peer.address, peer.port).into()))
}

fn truth_key(client: &Client) -> Key {
    (client.local.port, (client.peer.address, client.peer.port).into())
}

fn is_of(event: &drain_observer::event::Kind, key: &Key) -> bool {
    use drain_observer::event::Kind;
    let (local, peer) = match event {
        Kind::Connection(it) => (it.local, it.peer),
        Kind::Flushed(it) => (it.local, it.peer),
        Kind::Reset(it) => (it.local, it.peer),
        _ => return false,
    };
    (local.port, (peer.address, peer.port).into()) == *key
}
