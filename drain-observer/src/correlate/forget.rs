//! Forgetting what has long been gone, so that an observer that runs for months keeps no more than one that runs for
//! a day.

use super::facts::ServiceId;
use super::{Correlator, Request};
use crate::event::BootNs;
use std::collections::BTreeSet;

/// It is looked this often whether there is anything to forget.
const EVERY: BootNs = 60_000_000_000;

impl Correlator {
    /// Forgets places where nobody has listened for long, and services that have nothing left.
    pub(super) fn forget_the_gone(&mut self, at: BootNs) {
        if at.saturating_sub(self.tidied) < EVERY {
            return;
        }
        self.tidied = at;
        let busy: BTreeSet<ServiceId> = self
            .restarts
            .values()
            .filter(|restart| restart.ended.is_none())
            .map(|restart| self.services.canonical(restart.service))
            .collect();
        let long_gone = self.listeners.empty_since(at.saturating_sub(self.config.forget_after));
        for (key, service) in long_gone {
            let service = self.services.canonical(service);
            if busy.contains(&service) {
                continue;
            }
            let last = self.listeners.forget(&key);
            if let Some(port) = key.local.port().filter(|_| last) {
                self.request(Request::ForgetPort { netns: key.netns, port });
            }
            if let Some(entry) = self.services.get_mut(service) {
                entry.listeners.remove(&key);
            }
        }
        self.stop_watching_unix();
        // What is told of a restart includes its service.
        let told: BTreeSet<ServiceId> =
            self.restarts.values().map(|restart| self.services.canonical(restart.service)).collect();
        self.services.forget_empty(&told);
    }
}
