//! Tests of the exporter as a whole: the text it gives, what always holds of its numbers, how it stands its clients, and
//! whether the fleet's rules and dashboard find what they ask for.

mod accumulate;
mod dashboard;
mod fleet;
mod http;
mod text;
mod tools;

use super::{MAX_SERVICES, Metrics};
use crate::correlate::tests::Scenario;
use crate::correlate::{Config, Correlator};
use crate::event::{BootNs, Event, Kind};
use crate::report::fixture;
use std::path::{Path, PathBuf};

const SECOND: BootNs = 1_000_000_000;

/// Metrics and the correlator that they are of.
struct Observed {
    metrics: Metrics,
    correlator: Correlator,
    updated: BootNs,
}

impl Observed {
    fn new(config: &Config, max_services: usize) -> Self {
        let metrics = Metrics::new(&fixture::header(), config, max_services);
        Self { metrics, correlator: Correlator::new(config.clone()), updated: 0 }
    }

    /// Takes events in as the event loop does, with a look once a second.
    fn take<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            self.wait(event.at);
            self.one(event);
        }
    }

    /// Lets time go by.
    fn wait(&mut self, until: BootNs) {
        while let Some(due) = self.correlator.poll_timeout().filter(|due| *due < until) {
            self.one(&Event { at: due, event: Kind::Tick });
        }
    }

    fn one(&mut self, event: &Event) {
        self.metrics.event(event);
        self.correlator.handle(event);
        if event.at.saturating_sub(self.updated) >= SECOND {
            self.update(event.at);
        }
    }

    fn update(&mut self, at: BootNs) {
        self.updated = at;
        self.metrics.update(&self.correlator, at);
    }

    /// The value of the series whose text begins so.
    fn value(&self, series: &str) -> Option<f64> {
        let text = super::encode(&self.metrics.families(), super::Format::Prometheus);
        let line = text.lines().find(|line| line.starts_with(series))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }
}

/// A scenario to its end, and ten seconds more.
fn replayed(scenario: &Scenario) -> Observed {
    let mut observed = Observed::new(&scenario.config, MAX_SERVICES);
    observed.take(&scenario.events);
    let end = scenario.until + 10 * SECOND;
    observed.wait(end);
    observed.update(end);
    observed
}

fn scenario(name: &str) -> Scenario {
    Scenario::read(&directory().join(format!("{name}.scenario"))).expect("a scenario without mistakes")
}

fn scenarios() -> Vec<Scenario> {
    let entries = std::fs::read_dir(directory()).expect("the directory of scenarios");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry of it").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "scenario"));
    paths.sort();
    paths.iter().map(|path| Scenario::read(path).expect("a scenario without mistakes")).collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}
