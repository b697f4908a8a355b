//! What always holds of the numbers.

use super::{Observed, SECOND, replayed, scenario, scenarios};
use crate::correlate::tests::events;
use crate::correlate::{Config, Outcome};
use crate::event::{BootNs, Event, Kind, Lost};
use crate::exporter::words::OUTCOMES;
use crate::exporter::{Family, FamilyKind, JournalStatus, MAX_SERVICES, Readiness, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Counters = BTreeMap<(String, Vec<String>), f64>;

/// All counters and buckets, by name and labels.
fn counters(families: &[Family]) -> Counters {
    let mut counters = Counters::new();
    for family in families.iter().filter(|family| family.kind != FamilyKind::Gauge) {
        for series in &family.series {
            let mut labels: Vec<String> =
                series.labels.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
            match &series.value {
                Value::Number { number, .. } => {
                    counters.insert((family.name.to_owned(), labels), *number);
                }
                Value::Histogram { buckets, sum } => {
                    counters.insert((format!("{}_sum", family.name), labels.clone()), *sum);
                    for bucket in buckets {
                        labels.push(format!("le={:?}", bucket.le));
                        counters.insert((family.name.to_owned(), labels.clone()), bucket.count as f64);
                        labels.pop();
                    }
                }
            }
        }
    }
    counters
}

/// Names of services in any metric.
fn names(families: &[Family]) -> BTreeSet<String> {
    let labels = families.iter().flat_map(|family| &family.series).flat_map(|series| &series.labels);
    labels.filter(|(name, _)| *name == "service").map(|(_, value)| value.as_str().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Services merge, are forgotten and renamed, restarts are given up: no counter goes back, once shown none goes
    /// away, and there are no more names than allowed.
    #[test]
    fn counters_never_go_back(
        events in events(160),
        max_services in 0..4usize,
        forget_after in prop_oneof![Just(SECOND), Just(30 * SECOND)],
        max_restarts in 1..4usize,
        pace in 0..3 * SECOND,
    ) {
        let config = Config { forget_after, max_restarts, ..Config::default() };
        let mut observed = Observed::new(&config, max_services);
        let mut before = Counters::new();
        let mut looked: BootNs = 0;
        for event in &events {
            observed.metrics.event(event);
            observed.correlator.handle(event);
            if event.at < looked.saturating_add(pace) {
                continue;
            }
            looked = event.at;
            observed.metrics.update(&observed.correlator, event.at);
            let families = observed.metrics.families();
            prop_assert!(names(&families).len() <= max_services + 1);
            let now = counters(&families);
            for (series, count) in &before {
                let is = now.get(series).copied();
                prop_assert!(
                    is.map_or(*count == 0.0, |is| is >= *count),
                    "{series:?} went from {count} to {is:?}"
                );
            }
            before = now;
        }
    }
}

#[test]
fn connections_are_counted_as_the_correlator_counts_them() {
    for scenario in scenarios() {
        let observed = replayed(&scenario);
        let mut expected: BTreeMap<Outcome, u64> = BTreeMap::new();
        for service in observed.correlator.services() {
            for (outcome, count) in service.counts {
                *expected.entry(outcome).or_default() += count;
            }
        }
        let mut counted: BTreeMap<Outcome, u64> = BTreeMap::new();
        for (_, totals) in observed.metrics.services.all() {
            for (outcome, count) in &totals.connections {
                *counted.entry(*outcome).or_default() += count;
            }
        }
        for outcome in OUTCOMES {
            let [expected, counted] = [&expected, &counted].map(|of| of.get(&outcome).copied().unwrap_or(0));
            // One that was found to be another a moment later has been told; and a service that was forgotten was one.
            let fits = if outcome.is_lost() { counted == expected } else { counted >= expected };
            assert!(fits, "{}: {outcome:?} {counted}, expected {expected}", scenario.name);
        }
    }
}

#[test]
fn restarts_are_counted_once_each_with_their_verdicts() {
    for scenario in scenarios() {
        let observed = replayed(&scenario);
        let end = scenario.until + 10 * SECOND;
        let facts: Vec<_> =
            observed.correlator.restart_ids().filter_map(|id| observed.correlator.restart(id, end)).collect();
        let ended =
            |fact: &&crate::correlate::RestartFact| fact.ended.is_some_and(|at| at + 2 * SECOND <= end);
        let expected = facts.iter().filter(ended).count() as u64;
        let totals: Vec<_> = observed.metrics.services.all().map(|(_, totals)| totals).collect();
        let counted = totals.iter().flat_map(|totals| totals.restarts.values()).map(|alike| alike.count);
        let counted: u64 = counted.sum();
        assert!(counted >= expected, "{}: {counted} of {expected}", scenario.name);
        // A restart that went on after all was counted twice.
        assert!(counted <= expected + 1, "{}: {counted} of {expected}", scenario.name);
    }
}

#[test]
fn old_and_current_generations_are_told_apart() {
    let scenario = scenario("haproxy-residual");
    let mut observed = Observed::new(&scenario.config, MAX_SERVICES);
    let mut residual = 0.0f64;
    let mut oldest = 0.0f64;
    for event in &scenario.events {
        observed.take([event]);
        observed.update(event.at);
        residual = residual.max(observed.value("drain_observer_residual_processes{").unwrap_or(0.0));
        oldest = oldest.max(observed.value("drain_observer_residual_oldest_age_seconds{").unwrap_or(0.0));
    }
    assert!(residual >= 1.0 && oldest > 10.0, "{residual} processes, {oldest} s");
}

#[test]
fn what_is_not_selected_is_not_told() {
    let scenario = scenario("two-services");
    let mut observed = Observed::new(&scenario.config, MAX_SERVICES);
    observed.take(&scenario.events);
    observed.update(scenario.until);
    let all = names(&observed.metrics.families());
    assert!(all.len() >= 2, "{all:?}");
    let mut header = crate::report::fixture::header();
    let port = observed.correlator.services().next().expect("a service").listeners[0]
        .key
        .local
        .port()
        .expect("a port");
    header.selection.ports = vec![port];
    observed.metrics = super::Metrics::new(&header, &scenario.config, MAX_SERVICES);
    observed.update(scenario.until);
    assert_eq!(names(&observed.metrics.families()).len(), 1);
}

#[test]
fn it_is_ready_when_attached_and_not_for_a_minute_after_a_loss() {
    let mut observed = Observed::new(&Config::default(), MAX_SERVICES);
    observed.update(SECOND);
    assert!(matches!(observed.metrics.readiness(), Readiness::NotReady(_)), "nothing is attached");
    let attached = crate::event::Attached { hooks: Vec::new(), notes: Vec::new() };
    observed.take(&[Event { at: 2 * SECOND, event: Kind::Attached(attached) }]);
    observed.update(2 * SECOND);
    assert_eq!(observed.metrics.readiness(), Readiness::Ready);
    assert_eq!(observed.value("drain_observer_up "), Some(1.0));
    let lost = |what: &str, at| {
        let lost = Lost { what: what.to_owned(), reason: "ring_full".to_owned(), count: 7 };
        Event { at, event: Kind::Lost(lost) }
    };
    observed.take(&[lost("journal", 3 * SECOND)]);
    observed.update(3 * SECOND);
    assert_eq!(observed.metrics.readiness(), Readiness::Ready, "observing goes on without a journal");
    observed.take(&[lost("signal", 4 * SECOND)]);
    observed.update(4 * SECOND);
    let Readiness::NotReady(why) = observed.metrics.readiness() else { panic!("events were lost") };
    assert!(why.iter().any(|why| why.contains("events were lost")), "{why:?}");
    let lost = "drain_observer_events_lost_total{kind=\"signal\",reason=\"ring_full\"}";
    assert_eq!(observed.value(lost), Some(7.0));
    observed.update(65 * SECOND);
    assert_eq!(observed.metrics.readiness(), Readiness::Ready);
}

#[test]
fn the_journal_is_told_of_where_there_is_one() {
    let mut observed = Observed::new(&Config::default(), MAX_SERVICES);
    assert_eq!(observed.value("drain_observer_journal_segments"), None);
    observed.metrics.journal(JournalStatus { segments: 3, bytes_written: 10, ..JournalStatus::default() });
    assert_eq!(observed.value("drain_observer_journal_segments"), Some(3.0));
    assert_eq!(observed.value("drain_observer_journal_written_bytes_total"), Some(10.0));
}
