//! Frames made by hand.

use crate::correlate::{ConnectionFact, Outcome, RestartId, ServiceFact, ServiceState, Snapshot};
use crate::event::BootNs;
use crate::report::{WallClock, fixture};
use crate::tui::frame::{Frame, Listed, Observation, Scope, Source};
use std::sync::Arc;

/// Live, nothing there.
pub(crate) fn empty(at: BootNs) -> Arc<Frame> {
    Arc::new(of(Snapshot { at, from: 0, ..fixture::quiet() }))
}

/// Live, one service with so many handshakes.
pub(crate) fn serving(at: BootNs, established: u64) -> Arc<Frame> {
    let mut service = fixture::clean().services.remove(0);
    service.listeners[0].established = established;
    Arc::new(of(Snapshot { at, from: 0, services: vec![service], ..fixture::quiet() }))
}

/// Live, a puma after a lossy restart.
pub(crate) fn lossy() -> Frame {
    of(fixture::lossy())
}

/// The connections of its restart.
pub(crate) fn lossy_connections() -> Listed {
    let restart = RestartId(0);
    let rows = fixture::lossy()
        .connections
        .into_iter()
        .filter(|one| one.restart == Some(restart) && one.outcome.is_lost());
    Listed { scope: Scope::Restart(restart), rows: Arc::new(rows.collect()) }
}

/// So many connections of its restart, of two outcomes, from ports 10000 on.
pub(crate) fn lost(count: u16) -> Listed {
    let outcome =
        |number: u16| if number.is_multiple_of(2) { Outcome::QueueReset } else { Outcome::Unanswered };
    let one = |number: u16| ConnectionFact {
        restart: Some(RestartId(0)),
        ..fixture::connection(outcome(number), 10_000 + number, fixture::BEGAN + u64::from(number))
    };
    Listed { scope: Scope::Restart(RestartId(0)), rows: Arc::new((0..count).map(one).collect()) }
}

/// Live, so many services.
pub(crate) fn many(count: u32) -> Frame {
    let one = fixture::clean().services.remove(0);
    let service = |number: u32| ServiceFact {
        id: crate::correlate::ServiceId(number),
        name: format!("service-{number:03}"),
        state: if number == 77 { ServiceState::Down } else { ServiceState::Serving },
        ..one.clone()
    };
    of(Snapshot { services: (0..count).map(service).collect(), ..fixture::quiet() })
}

/// A live frame of a snapshot.
pub(crate) fn of(snapshot: Snapshot) -> Frame {
    let header = fixture::header();
    Frame {
        at: snapshot.at,
        clock: Arc::new(WallClock::new(header.clock.wall_minus_boot_ns)),
        source: Source::Live,
        observation: Arc::new(Observation {
            host: header.host.hostname,
            kernel: header.host.kernel,
            boot_id: header.host.boot_id,
            selection: "port 8080".into(),
            masked_peers: None,
            from: snapshot.from,
            attached_at: snapshot.attached_at,
            ended: snapshot.ended,
            hooks: snapshot.hooks,
            notes: snapshot.notes,
            lost_events: snapshot.lost_events,
            bounds: snapshot.bounds,
        }),
        services: snapshot.services.into_iter().map(Arc::new).collect(),
        restarts: snapshot.restarts.into_iter().map(Arc::new).collect(),
        listed: None,
    }
}
