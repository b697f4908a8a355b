//! The metrics of services.

use super::family::{Family, FamilyKind, Label, Series, Value};
use super::histogram::Histogram;
use super::metrics::Metrics;
use super::restarts::age;
use super::services::{OTHER, Totals};
use super::words::{KINDS, OUTCOMES, STATES, VERDICTS, severity};
use crate::event::signal_name;
use std::sync::Arc;

pub(super) fn families(metrics: &Metrics) -> Vec<Family> {
    let mut families = totals(metrics);
    families.extend(present(metrics));
    families.extend(names(metrics));
    families
}

fn totals(metrics: &Metrics) -> Vec<Family> {
    let mut connections = counter(
        "drain_observer_connections",
        "Connections that ended, by what became of them; in a restart or not.",
    );
    let mut restarts =
        counter("drain_observer_restarts", "Restarts that ended, by how they went and what came of it.");
    let mut revised = counter(
        "drain_observer_restart_verdict_changes",
        "Restarts of which another verdict was found after they had been counted, by the new one.",
    );
    let mut signals = counter(
        "drain_observer_signals",
        "Signals to and among the processes of a service during its restarts.",
    );
    let mut findings = counter("drain_observer_findings", "Diagnosed causes in restarts that ended.");
    let mut durations = DURATIONS.map(|(name, help, _)| Family::new(name, FamilyKind::Histogram, help));
    for (service, totals) in metrics.services.all() {
        let of = || ("service", service.into());
        // All of them from the start: what begins at one was never seen to grow.
        for outcome in OUTCOMES {
            let count = totals.connections.get(&outcome).copied().unwrap_or(0);
            connections.add([of(), ("outcome", outcome.as_str().into())], count as f64);
        }
        restarts.series.extend(ended(service, totals));
        for (verdict, word) in VERDICTS {
            if let Some(count) = totals.revised.get(&verdict) {
                revised.add([of(), ("verdict", word.into())], *count as f64);
            }
        }
        for (signal, count) in &totals.signals {
            signals.add([of(), ("signal", signal_name(*signal).into())], *count as f64);
        }
        for ((finding, bad), count) in &totals.findings {
            let labels = [of(), ("finding", (*finding).into()), ("severity", severity(*bad).into())];
            findings.add(labels, *count as f64);
        }
        for (family, (.., histogram)) in durations.iter_mut().zip(DURATIONS) {
            let histogram = histogram(totals);
            if !histogram.is_empty() {
                family.series.push(Series { labels: vec![of()], value: histogram.value() });
            }
        }
    }
    [connections, restarts, revised, signals, findings].into_iter().chain(durations).collect()
}

type Duration = (&'static str, &'static str, fn(&Totals) -> &Histogram);

const DURATIONS: [Duration; 5] = [
    (
        "drain_observer_drain_seconds",
        "From the first signal of a restart until the old generation was gone.",
        |totals| &totals.drain,
    ),
    (
        "drain_observer_listener_gap_seconds",
        "How long nobody listened in a restart, at the worst of a service's places that are listened at again.",
        |totals| &totals.gap,
    ),
    (
        "drain_observer_listener_silence_seconds",
        "How long at most somebody listened in a restart and nobody accepted while connections waited.",
        |totals| &totals.silence,
    ),
    (
        "drain_observer_boot_seconds",
        "From the start of a new generation until its first response.",
        |totals| &totals.boot,
    ),
    (
        "drain_observer_accept_wait_seconds",
        "The longest that a connection waited in the accept queue in a restart, at most.",
        |totals| &totals.accept_wait,
    ),
];

fn ended<'a>(service: &'a Arc<str>, totals: &'a Totals) -> impl Iterator<Item = Series> + 'a {
    let all = KINDS.into_iter().flat_map(|kind| VERDICTS.into_iter().map(move |verdict| (kind, verdict)));
    all.map(move |((kind, kind_word), (verdict, verdict_word))| {
        let alike = totals.restarts.get(&(kind, verdict));
        let labels: Vec<Label> =
            vec![("service", service.into()), ("kind", kind_word.into()), ("verdict", verdict_word.into())];
        let number = alike.map_or(0, |alike| alike.count) as f64;
        let exemplar = alike.and_then(|alike| alike.exemplar.clone());
        Series { labels, value: Value::Number { number, exemplar } }
    })
}

fn present(metrics: &Metrics) -> Vec<Family> {
    let mut state = gauge(
        "drain_observer_service_state",
        "Whether a service is in this state: 1 or 0; of services counted under one name, how many are.",
    );
    let mut depth =
        gauge("drain_observer_accept_queue_depth", "Connections in a service's fullest accept queue.");
    let mut limit = gauge(
        "drain_observer_accept_queue_limit",
        "Limit of the queue that the depth is of; it holds one more.",
    );
    let mut in_flight = gauge(
        "drain_observer_connections_in_flight",
        "Connections accepted and open, by who holds them: the old generation of a restart or the current one.",
    );
    let mut residual = gauge(
        "drain_observer_residual_processes",
        "Processes of an old generation that are still there well after the new one served.",
    );
    let mut oldest = gauge(
        "drain_observer_residual_oldest_age_seconds",
        "How long the oldest of them has stayed since the new generation served.",
    );
    let mut open = gauge("drain_observer_restarts_in_progress", "Restarts that go on.");
    let mut began = gauge(
        "drain_observer_last_restart_timestamp_seconds",
        "When the last restart began, in seconds since 1970.",
    );
    let mut verdict = gauge(
        "drain_observer_last_restart_verdict",
        "What is to be thought of the last restart by now, ended or not: 1 for one verdict, 0 for the others.",
    );
    for (service, present) in &metrics.present {
        let of = || ("service", service.into());
        for one in STATES {
            let count = present.states.get(&one).copied().unwrap_or(0);
            state.add([of(), ("state", one.as_str().into())], count as f64);
        }
        if let Some((queued, most)) = present.queue {
            depth.add([of()], f64::from(queued));
            limit.add([of()], f64::from(most));
        }
        if let Some(held) = present.in_flight {
            for (generation, count) in [("old", held.old), ("current", held.current)] {
                in_flight.add([of(), ("generation", generation.into())], count as f64);
            }
        }
        residual.add([of()], present.residual as f64);
        oldest.add([of()], present.residual_since.map_or(0.0, |since| age(since, metrics.itself.at)));
        open.add([of()], present.restarts_open as f64);
        if let Some(last) = present.last {
            began.add([of()], last.started);
            for (one, word) in VERDICTS {
                verdict.add([of(), ("verdict", word.into())], f64::from(u8::from(one == last.verdict)));
            }
        }
    }
    vec![state, depth, limit, in_flight, residual, oldest, open, began, verdict]
}

fn names(metrics: &Metrics) -> [Family; 2] {
    let known = gauge("drain_observer_services", "Services there are now.");
    let folded = gauge(
        "drain_observer_services_folded",
        "Of these, services counted together as \"other\" because there are more than --max-services.",
    );
    debug_assert_eq!(OTHER, "other", "the help text names it");
    [known.of(metrics.services.known() as f64), folded.of(metrics.services.folded() as f64)]
}

fn counter(name: &'static str, help: &'static str) -> Family {
    Family::new(name, FamilyKind::Counter, help)
}

fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(name, FamilyKind::Gauge, help)
}
