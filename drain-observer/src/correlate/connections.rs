//! Connections that ended: those that are kept for the report, and the last few others, in case
//! something comes for them late.

use super::facts::{Cause, ConnectionFact, Outcome};
use super::limits::{Bounds, Config};
use crate::event::Endpoint;
use std::collections::{BTreeMap, VecDeque};

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ends {
    pub(crate) netns: u32,
    pub(crate) local: Endpoint,
    pub(crate) peer: Endpoint,
}

impl Ends {
    /// The ends of a judged connection.
    pub(crate) fn of(fact: &ConnectionFact) -> Self {
        Self { netns: fact.netns, local: fact.local, peer: fact.peer }
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Kept(usize),
    Recent(u64),
}

/// Connections that ended.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    kept: Vec<ConnectionFact>,
    version: u64,
    recent: VecDeque<ConnectionFact>,
    /// Number of the first of `recent`.
    recent_from: u64,
    places: BTreeMap<Ends, Place>,
}

impl Connections {
    /// Those that are kept, in order of their end's report.
    pub(crate) fn kept(&self) -> &[ConnectionFact] {
        &self.kept
    }

    /// Differs whenever those that are kept may have changed.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Adds a connection.
    pub(crate) fn add(&mut self, fact: ConnectionFact, config: &Config, bounds: &mut Bounds) {
        let ends = Ends::of(&fact);
        if wanted(&fact, config) {
            if self.keep(fact, config, bounds) {
                self.places.insert(ends, Place::Kept(self.kept.len() - 1));
            }
            return;
        }
        self.places.insert(ends, Place::Recent(self.recent_from + self.recent.len() as u64));
        self.recent.push_back(fact);
        if self.recent.len() > config.max_recent
            && let Some(oldest) = self.recent.pop_front()
        {
            let ends = Ends::of(&oldest);
            if matches!(self.places.get(&ends), Some(Place::Recent(number)) if *number == self.recent_from) {
                self.places.remove(&ends);
            }
            self.recent_from += 1;
        }
    }

    /// The last connection between two ends.
    pub(crate) fn last(&self, ends: &Ends) -> Option<&ConnectionFact> {
        match *self.places.get(ends)? {
            Place::Kept(index) => self.kept.get(index),
            Place::Recent(number) => {
                self.recent.get(usize::try_from(number.checked_sub(self.recent_from)?).ok()?)
            }
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
            Place::Kept(index) => self.kept.get_mut(index)?,
            Place::Recent(number) => {
                self.recent.get_mut(usize::try_from(number.checked_sub(self.recent_from)?).ok()?)?
            }
        };
        fact.outcome = outcome;
        fact.evidence.insert(0, why);
        let fact = fact.clone();
        if matches!(place, Place::Recent(_))
            && wanted(&fact, config)
            && self.keep(fact.clone(), config, bounds)
        {
            self.places.insert(*ends, Place::Kept(self.kept.len() - 1));
        }
        Some(fact)
    }

    /// Sets what began the loss of the last connection between two ends.
    pub(crate) fn set_cause(&mut self, ends: &Ends, cause: Option<Cause>) {
        if let Some(Place::Kept(index)) = self.places.get(ends)
            && let Some(fact) = self.kept.get_mut(*index)
        {
            fact.cause = cause;
            self.version += 1;
        }
    }

    fn keep(&mut self, fact: ConnectionFact, config: &Config, bounds: &mut Bounds) -> bool {
        if self.kept.len() >= config.max_connections {
            bounds.hit("connections");
            return false;
        }
        self.kept.push(fact);
        self.version += 1;
        true
    }
}

fn wanted(fact: &ConnectionFact, config: &Config) -> bool {
    config.keep_all
        || fact.outcome.is_lost()
        || fact.outcome == Outcome::Unknown
        || fact.outcome == Outcome::Overflowed
}
