//! What services are called after: units, containers and pods, and how they follow a process that is moved.

use super::replay;
use super::script::Scenario;
use crate::correlate::{Correlator, Request, ServiceFact, Snapshot};
use crate::event::{Event, Kind, Pod, QosClass};

const FOUND: &str =
    "found process 100:app parent 1 exe /srv/app unit web.service\nfound listener *:7000 by 100\nattached\n";
const REPLACED: &str = "+1 signal TERM 900:bash -> 100\n+1.1 unlisten 100 *:7000\nexit 100 0\n+2 fork 50:shim -> 200\n\
     exec 200:app /srv/app\nlisten 200 *:7000\n";
const SERVED: &str = "+3 conn 10.0.0.1:5001 served by 200\n";

#[test]
fn who_takes_over_is_described_when_the_restart_ends() {
    let worker = "+2.5 fork 200 -> 201\n";
    let text = format!("{FOUND}{REPLACED}{worker}{SERVED}");
    assert_eq!(described_last(&text), [200]);
    let in_a_namespace = "found process 200:app parent 50 exe /srv/app inner 1\n";
    let text = format!("{FOUND}{REPLACED}{in_a_namespace}{worker}{SERVED}");
    assert_eq!(described_last(&text), [200, 201], "the worker's number in there is not known");
    let workers: String = (201..400).map(|pid| format!("fork 200 -> {pid}\n")).collect();
    let text = format!("{FOUND}{REPLACED}{in_a_namespace}+2.5 {workers}{SERVED}");
    assert_eq!(described_last(&text).len(), 65, "bounded");
}

#[test]
fn a_service_follows_the_cgroup_of_the_new_generation() {
    let started = "found process 200:app parent 50 exe /srv/app unit containerd.service\n";
    let moved = "+3.1 found process 200:app parent 50 exe /srv/app container docker:0123456789abcdef pod U\n";
    let service = service(&format!("{FOUND}{REPLACED}{started}{SERVED}{moved}"));
    assert_eq!(service.name, "docker:0123456789ab");
    assert_eq!(service.attribution.unit, None, "the old unit is not the new one's");
    assert_eq!(service.attribution.container.as_deref(), Some("docker:0123456789abcdef"));
    assert_eq!(service.attribution.pod, Some(Pod { uid: "U".into(), qos: QosClass::Guaranteed }));
}

#[test]
fn a_service_that_left_its_cgroup_goes_by_its_program_again() {
    let moved = "+3.1 found process 200:app parent 50 exe /srv/app\n";
    assert_eq!(service(&format!("{FOUND}{REPLACED}{SERVED}{moved}")).name, "app:7000");
}

#[test]
fn a_service_keeps_its_name_until_the_new_generation_is_described() {
    assert_eq!(service(&format!("{FOUND}{REPLACED}{SERVED}")).name, "web");
    let stopped = "+1 signal TERM 900:bash -> 100\n+1.1 unlisten 100 *:7000\nexit 100 0\n";
    assert_eq!(service(&format!("{FOUND}{stopped}")).name, "web");
}

#[test]
fn a_new_service_is_not_named_after_who_started_it() {
    let text = "found process 50:shim parent 1 exe /bin/shim unit containerd.service\nattached\n\
         +1 fork 50 -> 200\nexec 200:app /srv/app\nlisten 200 *:7000\n";
    assert_eq!(service(text).name, "app:7000");
}

#[test]
fn a_login_session_is_told_and_names_nobody() {
    let text = "found process 100:app parent 90 exe /srv/app unit session-3.scope\nfound listener *:7000 by 100\nattached\n";
    let service = service(text);
    assert_eq!(
        (service.name.as_str(), service.attribution.unit.as_deref()),
        ("app:7000", Some("session-3.scope"))
    );
}

#[test]
fn command_lines_are_those_of_programs() {
    let text = "found process 100:app parent 1 exe /srv/app cmdline app\nfound listener *:7000 by 100\nattached\n\
         +1 fork 100 -> 101\n+2 fork 100 -> 102\nexec 102:sh /bin/sh\n";
    let commands: Vec<(u32, Option<String>)> = service(text)
        .processes
        .iter()
        .map(|process| (process.pid, process.command.as_ref().map(|command| command.arguments.join(" "))))
        .collect();
    assert_eq!(commands, [(100, Some("app".into())), (101, Some("app".into())), (102, None)]);
}

/// The one service there is at the end.
fn service(text: &str) -> ServiceFact {
    let Snapshot { services, .. } = snapshot(text);
    assert_eq!(services.len(), 1, "{services:#?}");
    services.into_iter().next().expect("one was counted")
}

fn snapshot(text: &str) -> Snapshot {
    let scenario = read(text);
    replay::replay(&scenario.config, &scenario.events, scenario.until).0
}

/// Who is to be described after the last event.
fn described_last(text: &str) -> Vec<u32> {
    let scenario = read(text);
    let mut correlator = Correlator::new(scenario.config.clone());
    let mut last = Vec::new();
    for event in &scenario.events {
        last = described(&mut correlator, event);
    }
    last
}

fn described(correlator: &mut Correlator, event: &Event) -> Vec<u32> {
    correlator.handle(event);
    let requests = std::iter::from_fn(|| correlator.poll_request());
    requests
        .filter_map(|request| match request {
            Request::Describe { pid } => Some(pid),
            _ => None,
        })
        .collect()
}

fn read(text: &str) -> Scenario {
    let scenario = Scenario::parse("attribution", &format!("{text}expect services 1\n"));
    let scenario = scenario.expect("a scenario that can be read");
    assert!(!scenario.events.iter().any(|event| event.event == Kind::Ended));
    scenario
}
