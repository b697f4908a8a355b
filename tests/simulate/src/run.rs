//! Many worlds, one after the other.

use crate::case::Case;
use crate::check::{self, Wrong};
use crate::deliver::{Delivery, Played, play};
use crate::disorder;
use crate::shrink::shrink;
use crate::world::World;
use drain_observer::correlate::Outcome;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
/// far.
pub fn run(seed: u64, restarts: u64, threads: usize, each: impl Fn(&Totals) + Sync) -> (Totals, Option<Failure>) {
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let results: Mutex<(Totals, Option<Failure>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let case = Case::whole(seed, next.fetch_add(1, Ordering::Relaxed));
                    let (totals, wrong) = examine(&case);
                    let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    results.0.add(&totals);
                    if !wrong.is_empty() {
                        // Of several the first, whatever thread was faster.
                        let first = results.1.as_ref().is_none_or(|known| case.world < known.case.world);
                        if first {
                            results.1 = Some(Failure { case, wrong });
                        }
                    }
                    each(&results.0);
                    if results.1.is_some() || results.0.restarts >= restarts {
                        done.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (totals, failure) = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    (totals, failure.map(|failure| smallest(&failure)))
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
        wrong.extend(check::same(&whole, &other, delivery.unkept.is_empty()));
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
        let (totals, failure) = run(1, 3_000, 2, |_| {});
        if let Some(Failure { case, wrong }) = failure {
            let only = case.only.clone().unwrap_or_default();
            panic!("cargo xtask simulate --seed {} --world {} --only {only}\n{wrong:#?}", case.seed, case.world);
        }
        assert!(totals.restarts >= 3_000);
        for outcome in [Outcome::Served, Outcome::QueueReset, Outcome::Refused, Outcome::LateRequest] {
            assert!(totals.outcomes.get(&outcome).is_some_and(|count| *count > 100), "{outcome:?}");
        }
    }
}
