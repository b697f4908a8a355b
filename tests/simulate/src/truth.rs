//! What really happened: to each client, and why; to each service, and by whose doing. Nothing here is concluded.

use drain_observer::correlate::{Outcome, RestartKind};
use drain_observer::event::{BootNs, Endpoint};
use std::collections::{BTreeMap, BTreeSet};

/// What happened in a world.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Restarts, in order of their beginning.
    pub restarts: Vec<Restart>,
    /// Clients whose connection ended, or that got none.
    pub clients: Vec<Client>,
    /// Ports of each service.
    pub services: Vec<Vec<u16>>,
}

/// A restart.
#[derive(Clone, Debug)]
pub struct Restart {
    /// What it is called here.
    pub way: &'static str,
    /// Of which service.
    pub service: usize,
    /// What it may rightly be called.
    pub kinds: &'static [RestartKind],
    /// What began it.
    pub cause: Cause,
    /// Everybody who belonged to the service when it began.
    pub old: BTreeSet<u32>,
    /// Everybody (or every program) that came for them, and when.
    pub new: BTreeMap<u32, BootNs>,
    /// When its first sign was there.
    pub began: BootNs,
    /// When the old generation was told to go, where that is later.
    pub told: BootNs,
    /// Who of the old generation stays, as a master does that starts new workers.
    pub survivor: Option<u32>,
    /// When the rest of it was gone.
    pub old_gone: Option<BootNs>,
    /// When the new one had answered somebody.
    pub first_served: Option<BootNs>,
    /// What comes of it.
    pub end: End,
}

/// What comes of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody took the old generation's place.
    Replaced,
    /// Nobody did.
    Down,
    /// Nothing.
    Nothing,
}

/// What begins a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A signal.
    Signal {
        /// Its number.
        signal: u32,
        /// Who sent it.
        sender: u32,
        /// To whom.
        target: u32,
    },
    /// A process ended of itself.
    Exit {
        /// Which.
        pid: u32,
        /// Its status.
        status: u8,
        /// The signal that killed it.
        signal: u8,
    },
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its end.
    pub peer: Endpoint,
    /// The server's.
    pub local: Endpoint,
    /// Of which service it was.
    pub service: usize,
    /// What became of it: the truth first, then what else the kernel's facts do not tell from it.
    pub outcomes: Vec<Outcome>,
    /// When its connection was there.
    pub established: Option<BootNs>,
    /// When a process accepted it.
    pub accepted: Option<BootNs>,
    /// When that ended, as the server's kernel has it.
    pub ended: BootNs,
    /// Who closed it, if a process did.
    pub closer: Option<u32>,
    /// When it left of its own, if it did.
    pub left: Option<BootNs>,
}

impl Restart {
    /// When it was over: the old generation gone, and the new one at work.
    pub fn complete(&self) -> Option<BootNs> {
        Some(self.old_gone?.max(self.first_served?))
    }
}
