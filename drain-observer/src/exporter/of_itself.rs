//! The metrics of the observer itself, as far as the event thread knows them.

use super::family::{Family, FamilyKind};
use super::histogram::seconds;
use super::metrics::{Metrics, Readiness};
use super::words::hook_state;
use drain_observer_ebpf::lost::NAMES;
use std::collections::BTreeMap;

pub(super) fn families(metrics: &Metrics) -> Vec<Family> {
    let itself = &metrics.itself;
    let mut lost = counter(
        "drain_observer_events_lost",
        "What was dropped on the way to the conclusions, by what it told of and why.",
    );
    // What the probes can lose, from the start: what begins at one was never seen to grow.
    let none = NAMES.iter().map(|(what, reason)| (((*what).to_owned(), (*reason).to_owned()), 0));
    let mut counts: BTreeMap<(String, String), u64> = none.collect();
    counts.extend(itself.lost.clone());
    for ((what, reason), count) in counts {
        lost.add([("kind", what.into()), ("reason", reason.into())], count as f64);
    }
    let mut bounds = counter(
        "drain_observer_bounds_hit",
        "How often something was not kept because there was too much of it, by what was bounded.",
    );
    for (bound, hits) in &itself.bounds {
        bounds.add([("bound", bound.clone().into())], *hits as f64);
    }
    let mut hooks =
        gauge("drain_observer_hooks", "The hooks in the kernel and what became of each; always 1.");
    for hook in &itself.hooks {
        hooks.add([("hook", hook.name.clone().into()), ("state", hook_state(hook.state).into())], 1.0);
    }
    let ready = f64::from(u8::from(metrics.readiness() == Readiness::Ready));
    let mut families = vec![
        gauge("drain_observer_up", "Whether the probes are attached and keep up, as /readyz has it.")
            .of(ready),
        counter("drain_observer_events", "Events handled.").of(itself.events as f64),
        lost,
        bounds,
        hooks,
        gauge(
            "drain_observer_updated_boot_seconds",
            "When these numbers were brought up to date, in seconds since the host was booted.",
        )
        .of(seconds(itself.at)),
    ];
    families.extend(journal(metrics).into_iter().flatten());
    families.extend(clients(metrics).into_iter().flatten());
    families
}

fn journal(metrics: &Metrics) -> Option<[Family; 6]> {
    let status = metrics.itself.journal?;
    let writing = f64::from(u8::from(status.is_writing));
    Some([
        counter("drain_observer_journal_written_bytes", "Bytes written to the journal, before compression.")
            .of(status.bytes_written as f64),
        gauge("drain_observer_journal_disk_bytes", "Bytes that the journal takes on disk.")
            .of(status.bytes_on_disk as f64),
        gauge("drain_observer_journal_segments", "Files that the journal consists of.")
            .of(status.segments as f64),
        counter("drain_observer_journal_events_dropped", "Events that could not be written to the journal.")
            .of(status.events_dropped as f64),
        counter("drain_observer_journal_errors", "Writes to the journal, syncs and rotations that failed.")
            .of(status.errors as f64),
        gauge("drain_observer_journal_writing", "Whether the last write to the journal succeeded.")
            .of(writing),
    ])
}

fn clients(metrics: &Metrics) -> Option<[Family; 2]> {
    let status = metrics.itself.clients?;
    let mut ended = counter(
        "drain_observer_socket_clients_ended",
        "Clients of the local socket that are gone, by how it ended: `slow` = dropped, because they read too slowly.",
    );
    for (how, count) in [("served", status.served), ("refused", status.refused), ("slow", status.dropped)] {
        ended.add([("how", how.into())], count as f64);
    }
    let now = gauge("drain_observer_socket_clients", "Clients of the local socket that are connected.");
    Some([now.of(status.connected as f64), ended])
}

fn counter(name: &'static str, help: &'static str) -> Family {
    Family::new(name, FamilyKind::Counter, help)
}

fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(name, FamilyKind::Gauge, help)
}
