//! The correlator against scenarios (`scenarios/*.scenario`, whose language `script` describes), and
//! against what must hold of any events at all.

mod attribution;
mod expect;
mod expect_findings;
mod judging;
mod properties;
mod random;
mod replay;
mod requests;
mod script;
mod servers;
mod situations;
mod unix_situations;
mod variants;
mod words;

pub(crate) use random::events;
pub(crate) use script::Scenario;
use std::path::Path;
pub(crate) use unix_situations::unix_connection;

#[test]
fn scenarios_end_as_expected() {
    check_each(|scenario| {
        let (snapshot, _) = replay::replay(&scenario.config, &scenario.events, scenario.until);
        let mut wrong: Vec<String> =
            scenario.expected.iter().flat_map(|expected| expected.check(&snapshot)).collect();
        if !wrong.is_empty() {
            wrong.push(replay::gist(&snapshot));
        }
        wrong
    });
}

#[test]
fn scenarios_end_the_same_when_cpus_report_in_another_order() {
    check_each(variants::reordered);
}

#[test]
fn scenarios_never_look_better_when_an_event_is_lost() {
    check_each(variants::one_lost);
}

#[test]
fn scenarios_end_the_same_when_exits_are_reported_twice() {
    check_each(variants::exits_twice);
}

#[test]
fn scenarios_end_the_same_through_the_journal() {
    check_each(variants::through_json);
}

#[test]
fn scenarios_end_the_same_when_peers_are_masked() {
    check_each(variants::masked);
}

#[test]
fn scenarios_end_the_same_after_a_recap_of_what_was_before() {
    check_each(variants::recapped);
}

#[test]
fn findings_have_their_evidence_and_do_not_contradict_each_other() {
    check_each(|scenario| {
        let (snapshot, _) = replay::replay(&scenario.config, &scenario.events, scenario.until);
        snapshot.restarts.iter().flat_map(expect_findings::wrong_with_findings).collect()
    });
}

#[test]
fn every_finding_is_in_some_scenario_and_missing_in_another() {
    let counts = std::cell::RefCell::new(std::collections::BTreeMap::<&str, u32>::new());
    let restarts = std::cell::Cell::new(0);
    check_each(|scenario| {
        let (snapshot, _) = replay::replay(&scenario.config, &scenario.events, scenario.until);
        restarts.set(restarts.get() + snapshot.restarts.len() as u32);
        for found in snapshot.restarts.iter().flat_map(|restart| &restart.findings) {
            *counts.borrow_mut().entry(found.finding.id()).or_default() += 1;
        }
        Vec::new()
    });
    for id in expect_findings::FINDINGS {
        let count = counts.borrow().get(id).copied().unwrap_or(0);
        assert!(count > 0 && count < restarts.get() / 2, "{id} in {count} of {} restarts", restarts.get());
    }
}

#[test]
fn a_scenario_with_a_mistake_says_where_it_is() {
    let wrong = |text: &str| Scenario::parse("some.scenario", text).err().expect("a mistake");
    assert_eq!(
        wrong("+0 listen 100:puma *:80\n+1 unlisten 100 *:81"),
        "some.scenario:2: nobody listens at `*:81`"
    );
    assert_eq!(wrong("+1 attached\n+0 attached"), "some.scenario:2: +0 is before the line above");
    assert_eq!(wrong("+0 exit 100 0"), "some.scenario:1: process 100 has no name yet: write 100:NAME");
    assert_eq!(wrong("attached"), "some.scenario: nothing is expected");
    assert_eq!(wrong("attached now"), "some.scenario:1: nothing more expected, `now` found");
}

/// Runs a check over every scenario and fails with all that is wrong.
fn check_each(check: impl Fn(&Scenario) -> Vec<String>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(&directory)
        .expect("the directory of scenarios")
        .map(|entry| entry.expect("an entry of the directory of scenarios").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scenario"))
        .collect();
    paths.sort();
    assert!(paths.len() > 30, "{} scenarios found in {}", paths.len(), directory.display());
    let mut wrong = String::new();
    for path in paths {
        match Scenario::read(&path) {
            Ok(scenario) => {
                for it in check(&scenario) {
                    wrong.push_str(&format!("{}: {it}\n", scenario.name));
                }
            }
            Err(error) => wrong.push_str(&format!("{error}\n")),
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
