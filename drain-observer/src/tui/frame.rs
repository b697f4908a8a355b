//! What the screens show, as of one moment: facts of the correlator, nothing added.

use crate::correlate::{ConnectionFact, RestartFact, RestartId, ServiceFact, ServiceId};
use crate::event::{BootNs, Hook};
use crate::mask::Masking;
use crate::report::WallClock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything as of one moment. Parts that did not change are shared with the frame before.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The moment.
    pub at: BootNs,
    /// Wall-clock times.
    pub clock: Arc<WallClock>,
    /// Where the facts come from.
    pub source: Source,
    /// What is observed, and what was missed.
    pub observation: Arc<Observation>,
    /// The services selected, by number.
    pub services: Vec<Arc<ServiceFact>>,
    /// Their restarts, by number, which is the order in which they began.
    pub restarts: Vec<Arc<RestartFact>>,
    /// The connections that were last asked for, if any were.
    pub listed: Option<Listed>,
}

impl Frame {
    /// A service.
    pub fn service(&self, id: ServiceId) -> Option<&Arc<ServiceFact>> {
        let place = self.services.binary_search_by_key(&id, |service| service.id).ok()?;
        self.services.get(place)
    }

    /// A restart.
    pub fn restart(&self, id: RestartId) -> Option<&Arc<RestartFact>> {
        let place = self.restarts.binary_search_by_key(&id, |restart| restart.id).ok()?;
        self.restarts.get(place)
    }

    /// The restart that goes on in a service, else the last one.
    pub fn last_restart(&self, service: ServiceId) -> Option<&Arc<RestartFact>> {
        let mut of_service = self.restarts.iter().rev().filter(|restart| restart.service == service);
        let last = of_service.clone().next();
        of_service.find(|restart| restart.ended.is_none()).or(last)
    }
}

/// Where facts come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// This host, now.
    Live,
    /// A journal.
    Replay(Playback),
}

/// How far a replay is.
#[derive(Clone, Debug, PartialEq)]
pub struct Playback {
    /// The journal's name.
    pub file: String,
    /// Time of its first event.
    pub from: BootNs,
    /// Time of its last event.
    pub until: BootNs,
    /// Time goes on by itself.
    pub playing: bool,
    /// Seconds of the journal in a second.
    pub speed: u32,
}

/// What is observed, and what was missed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Name of the host.
    pub host: String,
    /// Its kernel.
    pub kernel: String,
    /// Its boot, as in ids of restarts.
    pub boot_id: String,
    /// Which services are selected, in words.
    pub selection: String,
    /// How the addresses of peers are masked; `None` = they are the true ones.
    pub masked_peers: Option<Masking>,
    /// Time of the first event.
    pub from: BootNs,
    /// When the probes were in place; `None` = never seen.
    pub attached_at: Option<BootNs>,
    /// Observation ended in good order.
    pub ended: bool,
    /// The hooks and their state.
    pub hooks: Vec<Hook>,
    /// Remarks from start-up and from reading the journal.
    pub notes: Vec<String>,
    /// Events lost, by what and why.
    pub lost_events: BTreeMap<(String, String), u64>,
    /// Bounds of the correlator that bit, and how often.
    pub bounds: BTreeMap<String, u64>,
}

/// Which connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of all services.
    All,
    /// Of one service.
    Service(ServiceId),
    /// Of one restart.
    Restart(RestartId),
}

/// Connections that are kept: the lost ones and those of unknown fate.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Which.
    pub scope: Scope,
    /// In the order in which their ends were reported.
    pub rows: Arc<Vec<ConnectionFact>>,
}
