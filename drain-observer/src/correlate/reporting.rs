//! Where each connection is reported, and where the kernel only counts the clean ones.

use super::{Correlator, Request};
use crate::event::{BootNs, CountedBy};
use std::collections::BTreeSet;

impl Correlator {
    /// Has every connection reported of the ports of services that a restart goes on in, or has ended in just now: who
    /// waited with the first to be served is served a moment later. And of no others.
    pub(super) fn report_all_or_count(&mut self) {
        let mut wanted = BTreeSet::new();
        let settled = |ended: BootNs| self.now > ended.saturating_add(self.config.settle);
        for restart in self.active().filter(|restart| !restart.ended.is_some_and(settled)) {
            if let Some(service) = self.services.get(restart.service) {
                wanted.extend(service.listeners.iter().map(CountedBy::of));
            }
        }
        let before = std::mem::replace(&mut self.reported, wanted.clone());
        for (of, on) in wanted
            .difference(&before)
            .map(|of| (*of, true))
            .chain(before.difference(&wanted).map(|of| (*of, false)))
        {
            if let CountedBy::Port { netns, port } = of {
                self.request(Request::EmitAll { netns, port, on });
            }
        }
        // Those of paths are reported all, or none.
        let any_path = |of: &BTreeSet<CountedBy>| of.iter().any(|of| matches!(of, CountedBy::Path { .. }));
        let on = any_path(&wanted);
        if on != any_path(&before) {
            self.request(Request::EmitAllUnix { on });
        }
    }

    /// The same for a place that a service in which a restart goes on has just taken: it may take thousands.
    pub(super) fn report_all_at(&mut self, of: CountedBy) {
        // Paths come last in their order.
        let another_path = matches!(self.reported.last(), Some(CountedBy::Path { .. }));
        if !self.reported.insert(of) {
            return;
        }
        match of {
            CountedBy::Port { netns, port } => self.request(Request::EmitAll { netns, port, on: true }),
            CountedBy::Path { .. } if !another_path => self.request(Request::EmitAllUnix { on: true }),
            CountedBy::Path { .. } => {}
        }
    }
}
