//! What is counted by service, under a bounded number of names.

use super::family::Exemplar;
use super::histogram::Histogram;
use crate::correlate::{Outcome, RestartKind, ServiceId, Severity, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The name under which the services beyond the bound are counted together.
pub(super) const OTHER: &str = "other";

/// Names longer than this are cut, in characters; systemd's longest unit has 255.
const MAX_NAME: usize = 255;

/// What has been counted, by the services' names. A name that something was counted under is kept, or its counters
/// would go back when it returns.
#[derive(Debug)]
pub(super) struct Services {
    max: usize,
    other: Arc<str>,
    totals: BTreeMap<Arc<str>, Totals>,
    live: BTreeMap<ServiceId, Arc<str>>,
    folded: usize,
}

/// What has been counted under one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) connections: BTreeMap<Outcome, u64>,
    pub(super) restarts: BTreeMap<(RestartKind, Verdict), Ended>,
    /// Restarts of which another verdict was found after they had been counted, by the new one.
    pub(super) revised: BTreeMap<Verdict, u64>,
    pub(super) signals: BTreeMap<u32, u64>,
    pub(super) findings: BTreeMap<(&'static str, Severity), u64>,
    pub(super) drain: Histogram,
    pub(super) gap: Histogram,
    pub(super) silence: Histogram,
    pub(super) boot: Histogram,
    pub(super) accept_wait: Histogram,
}

/// Restarts that ended alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    pub(super) count: u64,
    /// The last of them.
    pub(super) exemplar: Option<Exemplar>,
}

impl Totals {
    fn is_zero(&self) -> bool {
        self.connections.values().all(|count| *count == 0)
            && self.restarts.is_empty()
            && self.revised.is_empty()
            && self.signals.is_empty()
            && self.findings.is_empty()
    }
}

impl Services {
    /// At most `max` names besides [`OTHER`].
    pub(super) fn new(max: usize) -> Self {
        Self { max, other: OTHER.into(), totals: BTreeMap::new(), live: BTreeMap::new(), folded: 0 }
    }

    /// At most `max` names from the next refresh on. Names that something was counted under are kept all the same.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// These are the services now, by number, and their names.
    pub(super) fn refresh<'a>(&mut self, services: impl IntoIterator<Item = (ServiceId, &'a str)>) {
        let named: Vec<(ServiceId, String)> =
            services.into_iter().map(|(id, name)| (id, clean(name))).collect();
        let wanted: BTreeSet<&str> = named.iter().map(|(_, name)| name.as_str()).collect();
        self.live.clear();
        self.folded = 0;
        for (id, name) in &named {
            let label = self.label_for(name, &wanted);
            if *label == *self.other && name != OTHER {
                self.folded += 1;
            }
            self.live.insert(*id, label);
        }
    }

    /// The name that a service is counted under; one that is gone, among the others.
    pub(super) fn label(&self, id: ServiceId) -> &Arc<str> {
        self.live.get(&id).unwrap_or(&self.other)
    }

    /// What is counted of a service.
    pub(super) fn totals(&mut self, id: ServiceId) -> &mut Totals {
        let label = self.label(id).clone();
        self.totals.entry(label).or_default()
    }

    /// All names with what was counted under them: those that something was counted under, or that are there now.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Totals)> {
        let live: BTreeSet<&Arc<str>> = self.live.values().collect();
        self.totals.iter().filter(move |(label, totals)| live.contains(label) || !totals.is_zero())
    }

    /// Services there are now.
    pub(super) fn known(&self) -> usize {
        self.live.len()
    }

    /// Of these, counted under [`OTHER`].
    pub(super) fn folded(&self) -> usize {
        self.folded
    }

    fn label_for(&mut self, name: &str, wanted: &BTreeSet<&str>) -> Arc<str> {
        if let Some((label, _)) = self.totals.get_key_value(name) {
            return label.clone();
        }
        while self.used() >= self.max && name != OTHER {
            if !self.make_room(wanted) {
                self.totals.entry(self.other.clone()).or_default();
                return self.other.clone();
            }
        }
        let label: Arc<str> = name.into();
        self.totals.insert(label.clone(), Totals::default());
        label
    }

    fn used(&self) -> usize {
        self.totals.len() - usize::from(self.totals.contains_key(OTHER))
    }

    /// Gives up a name that nobody goes by and nothing was counted under.
    fn make_room(&mut self, wanted: &BTreeSet<&str>) -> bool {
        let idle = |(name, totals): &(&Arc<str>, &Totals)| !wanted.contains(&***name) && totals.is_zero();
        let idle = self.totals.iter().filter(|(name, _)| ***name != *OTHER).find(idle);
        let Some(name) = idle.map(|(name, _)| name.clone()) else { return false };
        self.totals.remove(&name).is_some()
    }
}

/// Whoever shows a label need not expect control characters in it.
fn clean(name: &str) -> String {
    name.chars().take(MAX_NAME).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_an_idle_one_makes_room() {
        let mut services = Services::new(2);
        let named = |names: &[&'static str]| -> Vec<(ServiceId, &'static str)> {
            (0..).map(ServiceId).zip(names.iter().copied()).collect()
        };
        services.refresh(named(&["a", "b", "c"]));
        assert_eq!((services.known(), services.folded()), (3, 1));
        assert_eq!(&**services.label(ServiceId(2)), OTHER);
        services.totals(ServiceId(0)).signals.insert(15, 1);
        services.refresh(named(&["c", "d"]));
        assert_eq!(&**services.label(ServiceId(0)), "c", "b was idle and gone");
        assert_eq!(&**services.label(ServiceId(1)), OTHER, "a is gone, but was counted");
        let names: Vec<&str> = services.all().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["a", "c", OTHER]);
        services.refresh(named(&["a\u{1b}[2J\n"]));
        assert!(services.all().all(|(name, _)| !name.contains(char::is_control)));
    }

    #[test]
    fn another_bound_holds_from_the_next_refresh_on() {
        let mut services = Services::new(1);
        let named = [(ServiceId(0), "a"), (ServiceId(1), "b")];
        services.refresh(named);
        services.totals(ServiceId(1)).signals.insert(15, 1);
        services.set_max(2);
        services.refresh(named);
        assert_eq!(&**services.label(ServiceId(1)), "b");
        assert!(
            services.totals.get(OTHER).is_some_and(|other| other.signals[&15] == 1),
            "no counter goes back"
        );
        services.totals(ServiceId(1)).signals.insert(15, 1);
        services.set_max(0);
        services.refresh(named);
        assert_eq!(&**services.label(ServiceId(1)), "b", "what was counted keeps its name");
        services.refresh([(ServiceId(2), "c")]);
        assert_eq!(&**services.label(ServiceId(2)), OTHER);
    }

    #[test]
    fn without_room_for_anybody_all_are_others() {
        let mut services = Services::new(0);
        services.refresh([(ServiceId(1), "a"), (ServiceId(2), OTHER)]);
        assert_eq!((services.known(), services.folded()), (2, 1));
        assert_eq!(services.all().count(), 1);
    }
}
