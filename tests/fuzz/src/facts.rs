//! What must hold of the correlator's facts, whatever the events.

use drain_observer::{
    correlate::{Config, Correlator, Snapshot},
    event::{Event, Kind},
};

/// Few of everything, so that every bound bites.
fn narrow() -> Config {
    Config {
        keep_all: true,
        max_connections: 4,
        max_recent: 4,
        max_restarts: 2,
        max_steps: 4,
        max_signals: 2,
        max_members: 2,
        max_processes: 6,
        max_dead: 2,
        max_listeners: 3,
        ..Config::default()
    }
}

/// Feeds the events to a correlator that may keep little.
pub(crate) fn check(events: &[Event]) {
    let snapshot = conclude(events);
    let bounds = narrow();
    assert!(
        snapshot.connections.len() <= bounds.max_connections,
        "{} connections",
        snapshot.connections.len()
    );
    // A restart that goes on is kept whatever the bound says; each service has one at most.
    let restarts = bounds.max_restarts + bounds.max_listeners;
    assert!(snapshot.restarts.len() <= restarts, "{} restarts", snapshot.restarts.len());
    let services = bounds.max_listeners + bounds.max_processes;
    assert!(snapshot.services.len() <= services, "{} services", snapshot.services.len());
    for restart in &snapshot.restarts {
        assert!(restart.signals.len() <= bounds.max_signals, "{} signals", restart.signals.len());
        assert!(restart.timeline.len() <= bounds.max_steps, "{} steps", restart.timeline.len());
    }
    assert!(snapshot == conclude(events), "the same events led to different facts");
}

fn conclude(events: &[Event]) -> Snapshot {
    let mut correlator = Correlator::new(narrow());
    for event in events {
        correlator.handle(event);
        while correlator.poll_request().is_some() {}
        while correlator.poll_note().is_some() {}
        if let Some(at) = correlator.poll_timeout() {
            correlator.handle(&Event { at, event: Kind::Tick });
        }
    }
    let end = events.iter().map(|event| event.at).max().unwrap_or_default();
    correlator.snapshot(end)
}
