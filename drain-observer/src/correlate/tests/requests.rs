//! What the correlator asks for while it goes on.

use super::random::events;
use super::script::Scenario;
use crate::correlate::{Config, Correlator, Note, Request, RestartId};
use crate::event::{Event, Kind};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn all_is_reported_of_both_ports_while_a_restart_goes_on() {
    let requests = requests(
        "found listener *:7000 by 100\nfound listener *:7001 by 100\nattached\n+1 signal TERM 900:bash -> 100:app\n\
         +2 unlisten 100 *:7000\nunlisten 100 *:7001\nexit 100 0\n+3 fork 1:systemd -> 200\nexec 200:app /bin/app\n\
         listen 200 *:7000\nlisten 200 *:7001\nlisten 200 *:7002\n+4 conn 10.0.0.1:5001 served silent=0 by 200\n+7 fork 1 -> 300\n\
         expect restarts 1",
    );
    let emits: Vec<(u16, bool)> = requests
        .iter()
        .filter_map(|request| match request {
            Request::EmitAll { port, on, .. } => Some((*port, *on)),
            _ => None,
        })
        .collect();
    let expected = [(7000, true), (7001, true), (7002, true), (7000, false), (7001, false), (7002, false)];
    assert_eq!(emits, expected);
}

#[test]
fn who_holds_a_listener_and_replaces_its_program_is_looked_at() {
    let requests = requests(
        "found process 60:keeper parent 1 exe /bin/keeper\nfound process 100:app parent 60 exe /bin/app\n\
         found listener *:7000 by 60 100\nattached\n+1 fork 60 -> 200\n+2 exec 200:app /bin/app\nexpect restarts 0",
    );
    assert!(requests.contains(&Request::Describe { pid: 200 }), "{requests:?}");
    assert!(requests.contains(&Request::Scan { pid: 200 }), "{requests:?}");
}

#[test]
fn members_are_watched_for_as_long_as_they_live() {
    let requests = requests(
        "found listener *:7000 by 100\nattached\n+1 fork 100:app -> 101\n+2 exit 101 0\n+9 fork 100 -> 102\nexpect restarts 0",
    );
    let of_worker: Vec<&Request> =
        requests.iter().filter(|it| matches!(it, Request::Member { pid: 101, .. })).collect();
    assert_eq!(
        of_worker,
        [&Request::Member { pid: 101, on: true }, &Request::Member { pid: 101, on: false }]
    );
}

#[test]
fn what_is_open_is_asked_for_however_busy_a_restart_is() {
    let busy: String = (1..=40)
        .map(|n| format!("+{:.1} refused 10.0.0.1:{n} -> :7000\n", 1.0 + f64::from(n) / 10.0))
        .collect();
    let text = format!(
        "found listener *:7000 by 100\nattached\n+1 signal TERM 900:bash -> 100:app\n{busy}expect lost 40"
    );
    let scenario = Scenario::parse("busy", &text).expect("a scenario that can be read");
    let mut correlator = Correlator::new(scenario.config.clone());
    let mut surveys = 0;
    let mut each = |request| surveys += u32::from(matches!(request, Request::Survey { .. }));
    for event in &scenario.events {
        if let Some(due) = correlator.poll_timeout().filter(|due| *due < event.at) {
            handle(&mut correlator, &Event { at: due, event: Kind::Tick }, &mut each);
        }
        handle(&mut correlator, event, &mut each);
    }
    assert!((16..=18).contains(&surveys), "{surveys} in the first four seconds");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_is_reported_of_a_port_while_a_restart_goes_on_there(events in events(120)) {
        let mut correlator = Correlator::new(Config::default());
        let (mut on, mut open) = (BTreeSet::new(), BTreeSet::<RestartId>::new());
        for event in &events {
            handle(&mut correlator, event, &mut |request| {
                if let Request::EmitAll { port, on: emit, .. } = request {
                    if emit { on.insert(port) } else { on.remove(&port) };
                }
            });
            while let Some(note) = correlator.poll_note() {
                match note {
                    Note::RestartBegan(id) => prop_assert!(open.insert(id)),
                    Note::RestartEnded(id) => prop_assert!(open.remove(&id)),
                    Note::Step(..) | Note::Lost(_) => {}
                }
            }
        }
        let snapshot = correlator.snapshot(0);
        let going_on = snapshot.restarts.iter().filter(|restart| restart.ended.is_none());
        let services: BTreeSet<_> = going_on.clone().map(|restart| restart.service).collect();
        prop_assert_eq!(open, going_on.map(|restart| restart.id).collect::<BTreeSet<_>>());
        let listeners = snapshot.services.iter().filter(|service| services.contains(&service.id));
        let ports: BTreeSet<u16> =
            listeners.flat_map(|service| &service.listeners).filter_map(|it| it.key.local.port()).collect();
        prop_assert!(on.is_superset(&ports), "{:?} {:?}", on, ports);
        // A restart that has ended settles before its ports are only counted again.
        let had_one: BTreeSet<_> = snapshot.restarts.iter().map(|restart| restart.service).collect();
        let listeners = snapshot.services.iter().filter(|service| had_one.contains(&service.id));
        let ports: BTreeSet<u16> =
            listeners.flat_map(|service| &service.listeners).filter_map(|it| it.key.local.port()).collect();
        prop_assert!(on.is_subset(&ports), "{:?} {:?}", on, ports);
    }
}

fn requests(text: &str) -> Vec<Request> {
    let scenario = Scenario::parse("requests", text).expect("a scenario that can be read");
    let mut correlator = Correlator::new(scenario.config.clone());
    let mut requests = Vec::new();
    let mut each = |request| requests.push(request);
    for event in &scenario.events {
        while let Some(due) = correlator.poll_timeout().filter(|due| *due < event.at) {
            handle(&mut correlator, &Event { at: due, event: Kind::Tick }, &mut each);
        }
        handle(&mut correlator, event, &mut each);
    }
    requests
}

fn handle(correlator: &mut Correlator, event: &Event, each: &mut impl FnMut(Request)) {
    correlator.handle(event);
    while let Some(request) = correlator.poll_request() {
        each(request);
    }
}
