//! Durations by size.

use super::family::{Bucket, Exemplar, Value};
use crate::event::BootNs;

/// Upper bounds of the buckets in seconds: from what a client notices at all to what it has long given up.
const BOUNDS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    600.0,
];

/// Observed durations.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    exemplars: [Option<Exemplar>; BOUNDS.len() + 1],
    sum_ns: u128,
}

impl Histogram {
    /// Adds a duration; `exemplar` makes what is known of it from its seconds.
    pub(super) fn observe(&mut self, ns: BootNs, exemplar: impl FnOnce(f64) -> Exemplar) {
        let seconds = seconds(ns);
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[place] += 1;
        self.exemplars[place] = Some(exemplar(seconds));
        self.sum_ns += u128::from(ns);
    }

    /// Whether nothing was observed.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// As it is written.
    pub(super) fn value(&self) -> Value {
        let mut total = 0;
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets = bounds.zip(&self.counts).zip(&self.exemplars).map(|((le, count), exemplar)| {
            total += count;
            Bucket { le, count: total, exemplar: exemplar.clone() }
        });
        Value::Histogram { buckets: buckets.collect(), sum: self.sum_ns as f64 / 1e9 }
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(ns: BootNs) -> f64 {
    ns as f64 / 1e9
}
