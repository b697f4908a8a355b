//! Connections that ended: those that are kept for the report, and the last few others, in case
//! something comes for them late.

use super::facts::{Cause, ConnectionFact, Outcome, RestartId};
use super::limits::{Bounds, Config};
use crate::event::{Endpoint, Task};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Both ends of a TCP connection. Of others nothing is told after their end, so nothing has to find them again.
///
/// A key that is searched for at each event: few comparisons have to look beyond the first number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ends {
    /// Peer's port, local port, network namespace.
    ports: u64,
    peer: u128,
    local: u128,
}

impl Ends {
    /// Of a connection in a network namespace. An IPv4 address is the same in its v4-mapped form.
    pub(crate) fn new(netns: u32, local: Endpoint, peer: Endpoint) -> Self {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        let ports = u64::from(peer.port) << 48 | u64::from(local.port) << 32 | u64::from(netns);
        Self { ports, peer: bits(peer.address), local: bits(local.address) }
    }

    /// The ends of a judged connection.
    pub(crate) fn of(fact: &ConnectionFact) -> Option<Self> {
        Some(Self::new(fact.netns, *fact.local.inet()?, *fact.peer.inet()?))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Kept(u64),
    Recent(u64),
}

/// Connections that ended.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    kept: Numbered,
    version: u64,
    recent: Numbered,
    places: BTreeMap<Ends, Place>,
}

impl Connections {
    /// Those that are kept, in order of their end's report.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &ConnectionFact> {
        self.kept.facts.iter()
    }

    /// Differs whenever those that are kept may have changed.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Adds a connection.
    pub(crate) fn add(&mut self, fact: ConnectionFact, config: &Config, bounds: &mut Bounds) {
        if wanted(&fact, config) {
            self.keep(fact, config, bounds);
            return;
        }
        let Some(ends) = Ends::of(&fact) else { return };
        self.places.insert(ends, Place::Recent(self.recent.push(fact)));
        if self.recent.facts.len() > config.max_recent {
            self.leave(self.recent.first().and_then(Ends::of), Place::Recent(self.recent.from));
            self.recent.forget_first();
        }
    }

    /// The last connection between two ends.
    pub(crate) fn last(&self, ends: &Ends) -> Option<&ConnectionFact> {
        match *self.places.get(ends)? {
            Place::Kept(number) => self.kept.get(number),
            Place::Recent(number) => self.recent.get(number),
        }
    }

    /// Changes the outcome of the last connection between two ends, and says why. Returns the fact as it is now.
    pub(crate) fn revise(
        &mut self,
        ends: &Ends,
        outcome: Outcome,
        why: String,
        config: &Config,
        bounds: &mut Bounds,
    ) -> Option<ConnectionFact> {
        self.version += 1;
        let place = *self.places.get(ends)?;
        let fact = match place {
            Place::Kept(number) => self.kept.get_mut(number)?,
            Place::Recent(number) => self.recent.get_mut(number)?,
        };
        fact.outcome = outcome;
        fact.evidence.insert(0, why);
        let fact = fact.clone();
        if matches!(place, Place::Recent(_)) && wanted(&fact, config) {
            self.keep(fact.clone(), config, bounds);
        }
        Some(fact)
    }

    /// Sets the process at the client's end of the last connection between two ends. Returns the fact as it is now.
    pub(crate) fn set_client(&mut self, ends: &Ends, client: Task) -> Option<ConnectionFact> {
        let fact = match *self.places.get(ends)? {
            Place::Kept(number) => self.kept.get_mut(number)?,
            Place::Recent(number) => self.recent.get_mut(number)?,
        };
        fact.client = Some(client);
        self.version += 1;
        Some(fact.clone())
    }

    /// Sets what began the loss of the last connection between two ends.
    pub(crate) fn set_cause(&mut self, ends: &Ends, cause: Option<Box<Cause>>) {
        if let Some(Place::Kept(number)) = self.places.get(ends)
            && let Some(fact) = self.kept.get_mut(*number)
        {
            fact.cause = cause;
            self.version += 1;
        }
    }

    /// The last connection between two ends falls to no restart any more. Returns the fact as it was.
    pub(crate) fn take_restart(&mut self, ends: &Ends) -> Option<ConnectionFact> {
        let fact = match *self.places.get(ends)? {
            Place::Kept(number) => self.kept.get_mut(number)?,
            Place::Recent(number) => self.recent.get_mut(number)?,
        };
        let was = fact.clone();
        fact.restart = None;
        self.version += 1;
        Some(was)
    }

    /// Sets what began the losses of a restart, where that turns out to be something else.
    pub(crate) fn set_cause_of(&mut self, restart: RestartId, cause: &Cause) {
        let of_restart = |fact: &&mut ConnectionFact| fact.restart == Some(restart) && fact.cause.is_some();
        for fact in self.kept.facts.iter_mut().filter(of_restart) {
            fact.cause = Some(Box::new(cause.clone()));
        }
        self.version += 1;
    }

    /// Keeps a connection, and forgets the oldest where that is one too many.
    fn keep(&mut self, fact: ConnectionFact, config: &Config, bounds: &mut Bounds) {
        let ends = Ends::of(&fact);
        let number = self.kept.push(fact);
        if let Some(ends) = ends {
            self.places.insert(ends, Place::Kept(number));
        }
        self.version += 1;
        if self.kept.facts.len() > config.max_connections {
            bounds.hit("connections");
            self.leave(self.kept.first().and_then(Ends::of), Place::Kept(self.kept.from));
            self.kept.forget_first();
        }
    }

    /// What was at a place is forgotten; another between the same ends may have come since.
    fn leave(&mut self, ends: Option<Ends>, place: Place) {
        let Some(ends) = ends else { return };
        if self.places.get(&ends) == Some(&place) {
            self.places.remove(&ends);
        }
    }
}

/// Facts that are numbered as they come, of which the oldest are forgotten first.
#[derive(Debug, Default)]
struct Numbered {
    facts: VecDeque<ConnectionFact>,
    /// Number of the first.
    from: u64,
}

impl Numbered {
    fn push(&mut self, fact: ConnectionFact) -> u64 {
        self.facts.push_back(fact);
        self.from + self.facts.len() as u64 - 1
    }

    fn first(&self) -> Option<&ConnectionFact> {
        self.facts.front()
    }

    /// There is one.
    fn forget_first(&mut self) {
        self.facts.pop_front();
        self.from += 1;
    }

    fn get(&self, number: u64) -> Option<&ConnectionFact> {
        self.facts.get(usize::try_from(number.checked_sub(self.from)?).ok()?)
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut ConnectionFact> {
        self.facts.get_mut(usize::try_from(number.checked_sub(self.from)?).ok()?)
    }
}

fn wanted(fact: &ConnectionFact, config: &Config) -> bool {
    config.keep_all
        || fact.outcome.is_lost()
        || fact.outcome == Outcome::Unknown
        || fact.outcome == Outcome::Overflowed
}
