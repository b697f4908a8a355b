//! Bounds and deadlines of the correlator.

use crate::event::BootNs;
use std::collections::BTreeMap;

const SECOND: BootNs = 1_000_000_000;

/// What the correlator is told at its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Kernel ticks per second: `tcp_sock`'s times are in ticks.
    pub hz: u32,
    /// Keep connections that were not lost, too.
    pub keep_all: bool,
    /// How often to ask what services have open while no restart goes on; `None` = not at all.
    pub survey_every: Option<BootNs>,
    /// An old generation that lives longer than this after a restart began is stuck.
    pub deadline: BootNs,
    /// An old process that is there this long after the new generation first served is residual.
    pub residual: BootNs,
    /// A request to restart without any effect for this long has come to nothing.
    pub effect_within: BootNs,
    /// A new generation that nobody asks anything for this long ends its restart unasked.
    pub unasked: BootNs,
    /// Losses this long after a restart's end still fall to it.
    pub settle: BootNs,
    /// Signals this far apart are one attempt, not two.
    pub same_attempt: BootNs,
    /// A process's end is put down to a signal that it got at most this long before.
    pub blame: BootNs,
    /// A place where nobody has listened for this long is forgotten.
    pub forget_after: BootNs,
    /// An event that comes so long after one of a later time is out of order: then neither can be relied upon.
    pub late: BootNs,
    /// Connections kept one by one, the latest.
    pub max_connections: usize,
    /// Ended connections remembered in case something comes for them late.
    pub max_recent: usize,
    /// Restarts kept.
    pub max_restarts: usize,
    /// Steps kept of one restart's timeline.
    pub max_steps: usize,
    /// Signals kept of one restart.
    pub max_signals: usize,
    /// Processes kept of one generation.
    pub max_members: usize,
    /// Points kept of one restart's curve of connections; of more, every second one is left out.
    pub max_points: usize,
    /// Living processes known.
    pub max_processes: usize,
    /// Ended processes remembered: their connections close after them.
    pub max_dead: usize,
    /// Listeners known.
    pub max_listeners: usize,
}

impl Config {
    /// The default, keeping connections that were not lost too if `keep_all`: then more of them.
    pub fn keeping(keep_all: bool) -> Self {
        let usual = Self::default();
        let max_connections = if keep_all { usual.max_connections * 10 } else { usual.max_connections };
        Self { keep_all, max_connections, ..usual }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hz: 250,
            keep_all: false,
            survey_every: None,
            deadline: 60 * SECOND,
            residual: 10 * SECOND,
            effect_within: 60 * SECOND,
            unasked: 10 * SECOND,
            settle: SECOND,
            same_attempt: 10 * SECOND,
            blame: 600 * SECOND,
            forget_after: 3_600 * SECOND,
            late: 3_600 * SECOND,
            max_connections: 100_000,
            max_recent: 16_384,
            max_restarts: 1_000,
            max_steps: 1_000,
            max_signals: 256,
            max_members: 1_024,
            max_points: 512,
            max_processes: 131_072,
            max_dead: 8_192,
            max_listeners: 32_768,
        }
    }
}

/// Which bounds bit, and how often.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bounds(BTreeMap<&'static str, u64>);

impl Bounds {
    /// Notes that something was not kept.
    pub(crate) fn hit(&mut self, bound: &'static str) {
        *self.0.entry(bound).or_default() += 1;
    }

    /// All that bit.
    pub(crate) fn all(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(bound, hits)| ((*bound).to_owned(), *hits)).collect()
    }
}
