//! Rules for the fleet, as promtool sees them, and what promtool has to say of the metrics.

use super::http::Exporter;
use super::{Observed, replayed, scenario, scenarios, tools};
use crate::exporter::{Format, JournalStatus, MAX_SERVICES, encode};
use std::path::{Path, PathBuf};

/// Where rules and dashboard are.
pub(super) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fleet")
}

#[test]
fn promtool_has_nothing_to_say_of_the_metrics() {
    let Some(promtool) = tools::needed("promtool", "promtool_has_nothing_to_say_of_the_metrics") else {
        return;
    };
    let check = |text: String| {
        let said = tools::satisfied(&tools::run(&promtool, ["check", "metrics"], text));
        assert_eq!(said, "");
    };
    check(Exporter::start("puma-1808").scrape());
    let mut observed = replayed(&scenario("puma-term-cluster"));
    observed.metrics.journal(JournalStatus::default());
    check(encode(&observed.metrics.families(), Format::Prometheus));
    for scenario in scenarios().iter().step_by(4) {
        check(encode(&replayed(scenario).metrics.families(), Format::Prometheus));
    }
    check(encode(&Observed::new(&Default::default(), MAX_SERVICES).metrics.families(), Format::Prometheus));
}

#[test]
fn rules_say_what_they_should() {
    let Some(promtool) = tools::needed("promtool", "rules_say_what_they_should") else { return };
    let file = |name: &str| directory().join(name);
    let rules = [file("rules.yml"), file("alerts.yml")];
    let args = ["check".into(), "rules".into()].into_iter().chain(rules);
    tools::satisfied(&tools::run(&promtool, args, String::new()));
    let tests = ["test".into(), "rules".into(), file("rules.test.yml")];
    tools::satisfied(&tools::run(&promtool, tests, String::new()));
}
