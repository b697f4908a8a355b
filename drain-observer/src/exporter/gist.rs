//! How everything is, in a few numbers.

use super::metrics::Metrics;

/// How the selected services are, in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gist {
    /// Listeners that are open now.
    pub listeners: usize,
    /// Restarts that ended.
    pub restarts: u64,
    /// Restarts that go on now.
    pub going_on: usize,
    /// Connections that were lost.
    pub lost: u64,
}

impl Gist {
    pub(super) fn of(metrics: &Metrics) -> Self {
        let mut gist = Self::default();
        for present in metrics.present.values() {
            gist.listeners += present.listeners;
            gist.going_on += present.restarts_open;
        }
        for (_, totals) in metrics.services.all() {
            gist.restarts += totals.restarts.values().map(|ended| ended.count).sum::<u64>();
            let lost = totals.connections.iter().filter(|(outcome, _)| outcome.is_lost());
            gist.lost += lost.map(|(_, count)| count).sum::<u64>();
        }
        gist
    }
}
