//! One observer that sees many worlds, one after the other, with hours between them: what is gone has to be forgotten.

use crate::case::Case;
use crate::check::{INVARIANTS, Wrong};
use crate::deliver::{Delivery, play_on};
use crate::disorder;
use crate::world::{HZ, World};
use drain_observer::correlate::{Config, Correlator};
use drain_observer::event::{BootNs, Event, Kind};
use std::collections::BTreeMap;

const HOUR: BootNs = 3_600_000_000_000;

/// What an observer keeps is bounded by little here, so that what grows shows.
fn config() -> Config {
    Config {
        hz: HZ,
        max_restarts: 4,
        max_connections: 32,
        max_recent: 32,
        max_dead: 16,
        max_steps: 64,
        ..Config::default()
    }
}

/// Shows so many worlds to one correlator, every fourth with events lost, and says what of it has grown.
pub fn soak(seed: u64, worlds: u64) -> Vec<Wrong> {
    let mut correlator = Correlator::new(config());
    let mut largest: BTreeMap<String, usize> = BTreeMap::new();
    let half = worlds / 2;
    for number in 0..worlds {
        let case = Case::whole(seed, number);
        let world = World::to_its_end(&case);
        let mut random = case.random(&[9]);
        let delivery = match number % 4 {
            3 => disorder::incomplete(&world, &mut random).0,
            _ => Delivery::plain(&world, 500_000),
        };
        correlator = play_on(&world, &delivery, correlator, number * 4 * HOUR);
        // Nothing but time passes.
        let end = world.until + number * 4 * HOUR;
        for hour in 1..=2 {
            for minute in 0..3 {
                let at = end + hour * HOUR + minute * HOUR / 40;
                correlator.handle(&Event { at, event: Kind::Tick });
            }
        }
        let sizes = sizes(&correlator);
        if number < half {
            for (field, size) in sizes {
                let known = largest.entry(field).or_default();
                *known = size.max(*known);
            }
            continue;
        }
        // What was there at the worst half-way may be there again, a little more at chance.
        let grown: Vec<String> = sizes
            .into_iter()
            .filter(|(field, size)| *size > largest.get(field).copied().unwrap_or(0) * 2 + 4_000)
            .map(|(field, size)| {
                format!("{field}: {size}, before {}", largest.get(&field).copied().unwrap_or(0))
            })
            .collect();
        if !grown.is_empty() {
            let what =
                format!("after {} worlds of seed {seed} more is kept: {}", number + 1, grown.join(", "));
            return vec![Wrong { invariant: INVARIANTS[9], what }];
        }
    }
    Vec::new()
}

/// How much a correlator keeps, by field: the length of what it shows of itself.
fn sizes(correlator: &Correlator) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    let mut field = String::new();
    for line in format!("{correlator:#?}").lines() {
        let depth = line.len() - line.trim_start().len();
        if (depth == 4 || depth == 8)
            && let Some((name, _)) = line.trim_start().split_once(": ")
            && name.chars().all(|it| it.is_ascii_lowercase() || it == '_')
        {
            let group = field.split('.').next().unwrap_or_default().to_owned();
            field = if depth == 4 { name.to_owned() } else { format!("{group}.{name}") };
        }
        *sizes.entry(field.clone()).or_default() += line.len();
    }
    sizes
}

/// The same event so much later.
pub(crate) fn later(mut event: Event, by: BootNs) -> Event {
    let add = |at: &mut BootNs| *at += by;
    add(&mut event.at);
    match &mut event.event {
        Kind::Connection(it) => {
            add(&mut it.closed_at);
            [&mut it.established_at, &mut it.peer_fin_at].into_iter().flatten().for_each(add);
        }
        Kind::Flushed(it) => add(&mut it.closed_at),
        Kind::Forked(it) => add(&mut it.start),
        Kind::Executed(it) => add(&mut it.start),
        Kind::Exited(it) => add(&mut it.start),
        Kind::ProcessSeen(it) => add(&mut it.start),
        _ => {}
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::ZERO;

    #[test]
    fn what_is_gone_is_forgotten() {
        assert_eq!(soak(1, 24), Vec::new());
        assert!(sizes(&Correlator::new(config())).keys().any(|field| field == "processes.living"));
        let tick = later(Event { at: ZERO, event: Kind::Tick }, HOUR);
        assert_eq!(tick.at, ZERO + HOUR);
    }
}
