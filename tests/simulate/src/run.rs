//! Many worlds, one after the other.

use crate::case::Case;
use crate::check::{self, Wrong};
use crate::deliver::{Delivery, Played, play};
use crate::disorder;
use crate::gist;
use crate::shrink::shrink;
use crate::world::World;
use drain_observer::correlate::Outcome;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Worlds simulated before it is looked whether there were enough.
const ROUND: u64 = 64;

/// What was simulated.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Worlds.
    pub worlds: u64,
    /// Restarts in them.
    pub restarts: u64,
    /// Of these, by what they are called.
    pub ways: BTreeMap<&'static str, u64>,
    /// Events told to correlators, of all ways in which a world was told.
    pub events: u64,
    /// Clients, by what became of them.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Of these, those of which the kernel's facts do not tell for sure.
    pub unclear: u64,
    /// Of these, those that the correlator called unknown.
    pub unknown: u64,
}

/// A world in which an invariant does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// It, or the smallest part of it that still fails.
    pub case: Case,
    /// What is wrong with that.
    pub wrong: Vec<Wrong>,
}

/// Simulates worlds until there were so many restarts, or one fails; `each` is called now and then with what there was so
/// far. The result does not depend on how many `threads` there are.
pub fn run(seed: u64, restarts: u64, threads: usize, each: impl Fn(&Totals)) -> (Totals, Option<Failure>) {
    let mut totals = Totals::default();
    loop {
        let first = totals.worlds;
        let failure = round(seed, first..first + ROUND, threads, &mut totals);
        each(&totals);
        if failure.is_some() || totals.restarts >= restarts {
            return (totals, failure.map(|failure| smallest(&failure)));
        }
    }
}

/// Simulates some worlds. Of those that fail the first is told.
fn round(seed: u64, worlds: Range<u64>, threads: usize, totals: &mut Totals) -> Option<Failure> {
    let next = AtomicU64::new(worlds.start);
    let results: Mutex<(&mut Totals, Option<Failure>)> = Mutex::new((totals, None));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let case = Case::whole(seed, next.fetch_add(1, Ordering::Relaxed));
                    if case.world >= worlds.end {
                        break;
                    }
                    let (totals, wrong) = examine(&case);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.0.add(&totals);
                    let first = results.1.as_ref().is_none_or(|known| case.world < known.case.world);
                    if first && !wrong.is_empty() {
                        results.1 = Some(Failure { case, wrong });
                    }
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).1
}

/// What is wrong with a case, however it is told.
pub fn examine(case: &Case) -> (Totals, Vec<Wrong>) {
    let world = World::of(case);
    let mut random = case.random(&[8]);
    let whole = play(&world, &Delivery::plain(&world, 700_000), false);
    let mut wrong = check::complete(&world, &whole);
    let mut totals = Totals::of(&world, &whole);
    if wrong.is_empty() {
        let delivery = disorder::reordered(&world, &mut random);
        let other = play(&world, &delivery, false);
        totals.events += other.events;
        wrong.extend(gist::same(&whole, &other, delivery.unkept.is_empty()));
    }
    if wrong.is_empty() {
        let (delivery, gone) = disorder::incomplete(&world, &mut random);
        let other = play(&world, &delivery, false);
        totals.events += other.events;
        wrong.extend(check::incomplete(&world, &whole, &other, &gone));
    }
    (totals, wrong)
}

fn smallest(failure: &Failure) -> Failure {
    let invariant = failure.wrong[0].invariant;
    let fails = |case: &Case| examine(case).1.iter().any(|wrong| wrong.invariant == invariant);
    let case = shrink(&failure.case, fails);
    let wrong = examine(&case).1;
    if wrong.is_empty() { failure.clone() } else { Failure { case, wrong } }
}

impl Totals {
    fn of(world: &World, played: &Played) -> Self {
        let mut totals = Self { worlds: 1, events: played.events, ..Self::default() };
        for restart in &world.truth.restarts {
            totals.restarts += 1;
            *totals.ways.entry(restart.way).or_default() += 1;
        }
        for client in &world.truth.clients {
            *totals.outcomes.entry(client.outcomes[0]).or_default() += 1;
            totals.unclear += u64::from(client.outcomes.len() > 1);
        }
        let unknown = played.snapshot.connections.iter().filter(|fact| fact.outcome == Outcome::Unknown);
        totals.unknown = unknown.count() as u64;
        totals
    }

    fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.restarts += other.restarts;
        self.events += other.events;
        self.unclear += other.unclear;
        self.unknown += other.unknown;
        for (way, count) in &other.ways {
            *self.ways.entry(way).or_default() += count;
        }
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_found_as_they_were() {
        let (totals, failure) = run(1, 2_000, 2, |_| {});
        if let Some(Failure { case, wrong }) = failure {
            let only = case.only.clone().unwrap_or_default();
            panic!(
                "cargo xtask simulate --seed {} --world {} --only {only}\n{wrong:#?}",
                case.seed, case.world
            );
        }
        assert!(totals.restarts >= 2_000);
        for outcome in [Outcome::Served, Outcome::QueueReset, Outcome::Refused, Outcome::LateRequest] {
            assert!(totals.outcomes.get(&outcome).is_some_and(|count| *count > 100), "{outcome:?}");
        }
    }
}
