//! Restarts as they go on and as they end. One is counted a moment after its end, when its verdict stands; one that
//! goes on after all is counted again at its second end.

use super::family::Exemplar;
use super::histogram::seconds;
use super::services::Services;
use crate::correlate::{Correlator, MemberFact, RestartFact, RestartId, ServiceId, Verdict};
use crate::event::BootNs;
use crate::report::restart_id;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECOND: BootNs = 1_000_000_000;
/// Losses this long after a restart's end still fall to it, and are reported a moment later.
const STANDS_AFTER: BootNs = 2 * SECOND;
/// How often a restart that was counted is looked at again.
const AGAIN: BootNs = 5 * SECOND;
/// Restarts looked at in one go.
const MAX_LOOKS: usize = 256;

/// The restarts that the correlator keeps, as far as they were looked at.
#[derive(Debug)]
pub(super) struct Restarts {
    boot_id: String,
    residual_after: BootNs,
    wall_minus_boot_ns: i64,
    tracked: BTreeMap<RestartId, Tracked>,
    /// The newest restart seen.
    newest: Option<RestartId>,
    uncounted: u64,
}

/// The last restart of a service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Last {
    /// Its number: later ones are higher.
    pub(super) id: RestartId,
    /// When it began, in seconds since 1970.
    pub(super) started: f64,
    /// What is to be thought of it by now.
    pub(super) verdict: Verdict,
}

/// A restart as it was last looked at.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) service: ServiceId,
    pub(super) open: bool,
    pub(super) last: Last,
    /// Processes of the old generation that are there and not of the new one too.
    pub(super) old: BTreeSet<u32>,
    /// Processes that should have gone, and since when.
    pub(super) residual: usize,
    pub(super) residual_since: BootNs,
}

#[derive(Clone, Debug, Default)]
struct Tracked {
    look_at: BootNs,
    done: bool,
    /// The end that was counted, and the verdict.
    counted: Option<(BootNs, Verdict)>,
    signals: BTreeMap<u32, u64>,
    standing: Option<Standing>,
}

impl Restarts {
    /// None yet. Old processes are residual that long (ns) after the new ones served.
    pub(super) fn new(boot_id: &str, residual_after: BootNs) -> Self {
        Self {
            boot_id: boot_id.to_owned(),
            residual_after,
            wall_minus_boot_ns: 0,
            tracked: BTreeMap::new(),
            newest: None,
            uncounted: 0,
        }
    }

    /// The wall clock was set.
    pub(super) fn clock_set(&mut self, wall_minus_boot_ns: i64) {
        self.wall_minus_boot_ns = wall_minus_boot_ns;
    }

    /// Looks at what may have changed and counts what has ended.
    pub(super) fn update(
        &mut self,
        correlator: &Correlator,
        at: BootNs,
        selected: &BTreeSet<ServiceId>,
        services: &mut Services,
    ) {
        self.follow(correlator);
        let mut due: Vec<(BootNs, RestartId)> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| !tracked.done && tracked.look_at <= at)
            .map(|(id, tracked)| (tracked.look_at, *id))
            .collect();
        due.sort_unstable();
        for (_, id) in due.into_iter().take(MAX_LOOKS) {
            let Some(fact) = correlator.restart(id, at) else { continue };
            if selected.contains(&fact.service) {
                self.look(&fact, at, services);
            }
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            let waits = fact.ended.is_none() || tracked.counted.is_none();
            tracked.look_at = at + if waits { 0 } else { AGAIN };
            // An end that is not counted yet is one that may still change.
            tracked.done = !correlator.may_change(&fact, at);
        }
    }

    /// The restarts that were looked at and are kept.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Standing> {
        self.tracked.values().filter_map(|tracked| tracked.standing.as_ref())
    }

    /// Restarts that were given up before they could be counted.
    pub(super) fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// Takes up new restarts and lets go of those that the correlator has given up.
    fn follow(&mut self, correlator: &Correlator) {
        let kept: BTreeSet<RestartId> = correlator.restart_ids().collect();
        let next = self.newest.map_or(0, |newest| newest.0 + 1);
        let mut new = 0;
        for id in kept.range(RestartId(next)..) {
            self.tracked.insert(*id, Tracked::default());
            self.newest = Some(*id);
            new += 1;
        }
        let begun = self.newest.map_or(0, |newest| newest.0 + 1) - next;
        self.uncounted += u64::from(begun.saturating_sub(new));
        let uncounted = &mut self.uncounted;
        self.tracked.retain(|id, tracked| {
            let keep = kept.contains(id);
            *uncounted += u64::from(!keep && tracked.counted.is_none() && !tracked.done);
            keep
        });
    }

    fn look(&mut self, fact: &RestartFact, at: BootNs, services: &mut Services) {
        let standing = self.stand(fact, at);
        let exemplar = self.exemplar(fact, at);
        let Some(tracked) = self.tracked.get_mut(&fact.id) else { return };
        tracked.standing = Some(standing);
        let totals = services.totals(fact.service);
        for (signal, count) in signals(fact) {
            let before = tracked.signals.entry(signal).or_default();
            if count > *before {
                *totals.signals.entry(signal).or_default() += count - *before;
                *before = count;
            }
        }
        let Some(ended) = fact.ended.filter(|ended| at >= ended.saturating_add(STANDS_AFTER)) else { return };
        match tracked.counted {
            Some((counted, verdict)) if counted == ended => {
                if verdict != fact.verdict {
                    *totals.revised.entry(fact.verdict).or_default() += 1;
                    tracked.counted = Some((ended, fact.verdict));
                }
                return;
            }
            _ => tracked.counted = Some((ended, fact.verdict)),
        }
        let alike = totals.restarts.entry((fact.kind, fact.verdict)).or_default();
        alike.count += 1;
        alike.exemplar = Some(Exemplar { value: 1.0, ..exemplar.clone() });
        for found in &fact.findings {
            *totals.findings.entry((found.finding.id(), found.finding.severity())).or_default() += 1;
        }
        // What did not happen took no time.
        if fact.verdict == Verdict::NotRestarted {
            return;
        }
        let observed = [
            (&mut totals.drain, drain(fact)),
            (&mut totals.gap, gap(fact)),
            (&mut totals.silence, silence(fact)),
            (&mut totals.boot, boot(fact)),
            (&mut totals.accept_wait, accept_wait(fact)),
        ];
        for (histogram, ns) in observed {
            if let Some(ns) = ns {
                histogram.observe(ns, |value| Exemplar { value, ..exemplar.clone() });
            }
        }
    }

    fn stand(&self, fact: &RestartFact, at: BootNs) -> Standing {
        let new: BTreeSet<u32> =
            fact.new.iter().filter(|member| member.ended.is_none()).map(|member| member.pid).collect();
        let left: Vec<&MemberFact> = fact.old_left().filter(|member| !new.contains(&member.pid)).collect();
        let since = match fact.times.first_served {
            Some(served) if at.saturating_sub(served) > self.residual_after => Some(served),
            None if fact.verdict == Verdict::Stuck => Some(fact.started),
            _ => None,
        };
        Standing {
            service: fact.service,
            open: fact.ended.is_none(),
            last: Last { id: fact.id, started: self.wall(fact.started), verdict: fact.verdict },
            residual: since.map_or(0, |_| left.len()),
            residual_since: since.unwrap_or(at),
            old: left.iter().map(|member| member.pid).collect(),
        }
    }

    fn exemplar(&self, fact: &RestartFact, at: BootNs) -> Exemplar {
        let restart: Arc<str> = restart_id(&self.boot_id, fact.started).into();
        Exemplar { restart, value: 0.0, at: self.wall(fact.ended.unwrap_or(at)) }
    }

    fn wall(&self, at: BootNs) -> f64 {
        (i128::from(at) + i128::from(self.wall_minus_boot_ns)) as f64 / 1e9
    }
}

fn signals(fact: &RestartFact) -> BTreeMap<u32, u64> {
    let mut counts = BTreeMap::new();
    for signal in &fact.signals {
        *counts.entry(signal.signal).or_default() += 1 + u64::from(signal.repeats);
    }
    counts
}

fn drain(fact: &RestartFact) -> Option<BootNs> {
    fact.times.old_gone?.checked_sub(fact.times.signal.unwrap_or(fact.started))
}

/// Of places where nobody listens any more there is no telling how long that will last.
fn gap(fact: &RestartFact) -> Option<BootNs> {
    fact.silence.iter().filter(|place| place.listens).map(|place| place.not_listening).max()
}

fn silence(fact: &RestartFact) -> Option<BootNs> {
    let lasted = |place: &crate::correlate::SilenceFact| {
        place.not_accepting.map_or(0, |silent| silent.until.saturating_sub(silent.from))
    };
    fact.silence.iter().map(lasted).max()
}

fn boot(fact: &RestartFact) -> Option<BootNs> {
    fact.times.first_served?.checked_sub(fact.times.new_started?)
}

fn accept_wait(fact: &RestartFact) -> Option<BootNs> {
    fact.silence.iter().filter_map(|place| place.longest_wait).map(|wait| wait.ns).max()
}

/// Seconds since something began.
pub(super) fn age(since: BootNs, at: BootNs) -> f64 {
    seconds(at.saturating_sub(since))
}
