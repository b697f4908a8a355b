//! Reports of snapshots made by hand, in every format.

use super::model::{HostRef, JournalHealth, LiveLine, LostEvents};
use super::*;
use crate::correlate::{ConnectionFact, Note, RestartId, Snapshot};
use crate::event::{Attached, ClockSet, Event, Kind, Lost};
use crate::journal::tests::events::any_event;
use crate::journal::{Header, Reader, Stats, Writer};
use crate::mask::Masking;
use fixture::BEGAN;
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;

fn options(args: &[&str]) -> Options {
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        selection: crate::selection::Selection,
    }

    let args = std::iter::once(&"test").chain(args);
    let selection = Cli::try_parse_from(args).expect("good arguments").selection;
    Options { selection, ..Options::default() }
}

fn report_of(snapshot: &Snapshot, header: &Header, options: &Options) -> Report {
    let clock = WallClock::new(header.clock.wall_minus_boot_ns);
    let journal = Stats { events: 1234, bytes: 100_000, ..Stats::default() };
    build(Source { header, snapshot, clock: &clock, journal: Some(&journal) }, options).expect("no span")
}

fn report(snapshot: &Snapshot) -> Report {
    report_of(snapshot, &fixture::header(), &Options::default())
}

fn text(report: &Report) -> String {
    let mut out = Vec::new();
    write_text(report, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("text")
}

fn json(report: &Report) -> String {
    let mut out = Vec::new();
    write_json(report, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("text")
}

fn replayed(events: &[Event], damage: &[u8]) -> Replayed {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &fixture::header()).expect("a vector takes everything");
    for event in events {
        writer.write(event).expect("a vector takes everything");
    }
    drop(writer);
    bytes.extend(damage);
    replay(Reader::new(&bytes[..], Path::new("x")).expect("a journal"), false, |_| {})
        .expect("a slice can be read")
}

#[test]
fn a_lossy_restart_in_words() {
    insta::assert_snapshot!(text(&report(&fixture::lossy())));
}

#[test]
fn a_clean_restart_in_words() {
    insta::assert_snapshot!(text(&report(&fixture::clean())));
}

#[test]
fn nothing_in_words() {
    insta::assert_snapshot!(text(&report(&fixture::quiet())));
}

#[test]
fn a_lossy_restart_on_a_socket_file_in_words() {
    insta::assert_snapshot!(text(&report(&on_a_path())));
}

#[test]
fn a_path_stands_where_an_address_would() {
    let report = report(&on_a_path());
    let value: Value = serde_json::from_str(&json(&report)).expect("JSON");
    let path = serde_json::json!({ "path": "/srv/caf\u{e9}/\\x1b/puma.sock" });
    assert_eq!(value["connections"][0]["local"], path);
    assert_eq!(value["connections"][0]["peer"], serde_json::json!({ "pid": 40007, "comm": "nginx" }));
    assert_eq!(value["connections"][0]["bytes_received"], Value::Null);
    assert_eq!(value["restarts"][0]["silence"][0]["listener"], path);
    assert_eq!(value["services"][0]["listeners"][0]["path"], path["path"]);
    assert_eq!(value["services"][0]["listeners"][0].get("address"), None);
}

fn on_a_path() -> Snapshot {
    fixture::on_a_path(&fixture::lossy(), "/srv/caf\u{e9}/\\x1b/puma.sock")
}

#[test]
fn an_incomplete_report_in_words() {
    let mut snapshot = fixture::lossy();
    snapshot.ended = false;
    snapshot.hooks[0].state = crate::event::HookState::Missing;
    snapshot.lost_events.insert(("connection".into(), "ring_full".into()), 7);
    snapshot.bounds.insert("connections".into(), 3);
    snapshot.notes.push("only the first 65536 processes were looked at".into());
    snapshot.restarts[0].events_lost = 7;
    let extra = (0..30).map(|port| ConnectionFact {
        peer: fixture::endpoint(50_000 + port).into(),
        ..snapshot.connections[1].clone()
    });
    let extra: Vec<_> = extra.collect();
    snapshot.connections.extend(extra);
    let clock = WallClock::new(fixture::header().clock.wall_minus_boot_ns);
    let journal = Stats { broken_lines: 2, unknown_events: 1, tail_cut: true, ..Stats::default() };
    let source =
        Source { header: &fixture::header(), snapshot: &snapshot, clock: &clock, journal: Some(&journal) };
    let report = build(source, &Options::default()).expect("no span");
    assert!(!report.completeness.complete);
    assert_eq!(
        report.completeness.journal,
        Some(JournalHealth { events: 0, broken_lines: 2, unknown_events: 1, tail_cut: true })
    );
    insta::assert_snapshot!(text(&report));
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let mut snapshot = fixture::lossy();
    let restart = &mut snapshot.restarts[0];
    restart.timeline = restart.timeline.iter().cycle().take(100).cloned().collect();
    restart.steps_dropped = 5;
    restart.new = restart.new.iter().cycle().take(23).cloned().collect();
    let text = text(&report(&snapshot));
    assert!(text.contains("    ... 40 more steps: -o json\n"), "{text}");
    assert!(text.contains("    5 further steps were not kept\n"), "{text}");
    assert!(text.contains("    ... and 3 more: -o json\n"), "{text}");
    assert_eq!(text.matches("(pid 2000, master)").count(), 20);
}

#[test]
fn a_lossy_restart_in_json() {
    insta::assert_snapshot!(json(&report(&fixture::lossy())));
}

#[test]
fn json_lines_have_types() {
    let mut out = Vec::new();
    write_jsonl(&report(&fixture::lossy()), &mut out).expect("a vector takes everything");
    let text = String::from_utf8(out).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let types: Vec<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(types[..3], ["summary", "restart", "connection"]);
    assert_eq!((types.len(), lines.len()), (9, 9));
    assert_eq!(lines[0]["completeness"]["complete"], true);
    assert_eq!(lines[2]["restart"], Value::Null, "lost before the restart");
    assert_eq!(lines[3]["restart"], lines[1]["id"]);
}

#[test]
fn lines_are_as_their_schemas_say() {
    let validator = validator(lines_schema());
    for report in [report(&fixture::lossy()), report(&on_a_path())] {
        let merged = merge(vec![report.clone(), report]).expect("two reports");
        let mut out = Vec::new();
        write_jsonl(&merged, &mut out).expect("a vector takes everything");
        for line in String::from_utf8(out).expect("text").lines() {
            assert_eq!(errors(&validator, &serde_json::from_str(line).expect("JSON")), Vec::<String>::new());
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({"type": "gossip"})));
}

#[test]
fn what_is_told_live_is_as_its_schema_says() {
    let validator = validator(live_schema());
    let snapshot = fixture::lossy();
    let restart = &snapshot.restarts[0];
    let steps = restart.timeline.iter().map(|step| Note::Step(restart.id, step.clone()));
    let lost = snapshot.connections.iter().map(|fact| Note::Lost(Box::new(fact.clone())));
    let mut notes = vec![Note::RestartBegan(restart.id), Note::RestartEnded(restart.id)];
    notes.extend(steps.chain(lost));
    let mut lines = Live::new(&fixture::header(), &Default::default()).lines(&notes, &snapshot);
    lines.push(LiveLine::Lost(LostEvents { kind: "signal".into(), reason: "ring_full".into(), count: 3 }));
    let mut types: Vec<String> = Vec::new();
    for line in &lines {
        let mut line = serde_json::to_value(line).expect("a line as JSON");
        assert_eq!(errors(&validator, &line), Vec::<String>::new());
        types.push(line["type"].as_str().unwrap_or_default().to_owned());
        line["type"] = "gossip".into();
        assert!(!validator.is_valid(&line));
    }
    types.dedup();
    assert_eq!(types, ["restart_began", "restart_ended", "step", "connection", "lost"]);
    let mut text = Vec::new();
    write_live(&lines[lines.len() - 1], &mut text).expect("a vector takes everything");
    assert_eq!(text, b"3 events lost: signal (ring_full); what follows may be incomplete\n");
}

fn validator(schema: schemars::Schema) -> jsonschema::Validator {
    let schema = serde_json::to_value(schema).expect("a schema is JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::meta::validate(&schema).expect("a good schema");
    jsonschema::validator_for(&schema).expect("a usable schema")
}

fn errors(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| error.to_string()).collect()
}

#[test]
fn reports_are_as_the_schema_says() {
    let validator = validator(schema());
    let merged = merge(vec![report(&fixture::lossy()), report(&fixture::clean())]).expect("two reports");
    let all = Options { connections: ConnectionChoice::All, ..Options::default() };
    let all = report_of(&fixture::lossy(), &fixture::header(), &all);
    let path = report(&on_a_path());
    for report in
        [report(&fixture::lossy()), report(&fixture::clean()), report(&fixture::quiet()), merged, all, path]
    {
        let value: Value = serde_json::from_str(&json(&report)).expect("JSON");
        assert_eq!(errors(&validator, &value), Vec::<String>::new());
    }
    let mut wrong: Value = serde_json::from_str(&json(&report(&fixture::lossy()))).expect("JSON");
    wrong["restarts"][0]["verdict"] = "splendid".into();
    assert!(!validator.is_valid(&wrong));
    wrong["restarts"][0].as_object_mut().expect("an object").remove("verdict");
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn selection_and_connections_are_obeyed() {
    let lossy = fixture::lossy();
    let all = report(&lossy);
    assert_eq!((all.services.len(), all.restarts.len(), all.connections.len()), (1, 1, 7));
    let ours = report_of(&lossy, &fixture::header(), &options(&["-P", "8080", "-p", "1001"]));
    assert_eq!(ours, all, "a process of the old generation");
    let others = report_of(&lossy, &fixture::header(), &options(&["-P", "81"]));
    assert_eq!((others.services.len(), others.restarts.len(), others.connections.len()), (0, 0, 0));
    assert_eq!(
        others.completeness.notes.last().map(String::as_str),
        Some("no service matches: recorded was every listener, asked for port 81")
    );
    let header = Header { selection: options(&["-P", "81"]).selection, ..fixture::header() };
    assert_eq!(report_of(&lossy, &header, &options(&["-P", "8080"])).services, [], "not recorded");

    let list = |connections| Options { connections, ..Options::default() };
    let count = |options| report_of(&lossy, &fixture::header(), &options).connections.len();
    assert_eq!(count(list(ConnectionChoice::All)), 8);
    assert_eq!(count(list(ConnectionChoice::None)), 0);
}

#[test]
fn a_part_of_the_time_is_reported_alone() {
    let span = |since: &str, until: &str| Options {
        span: Span { since: since.parse().ok(), until: until.parse().ok() },
        ..Options::default()
    };
    let lossy = fixture::lossy();
    let of = |options| report_of(&lossy, &fixture::header(), &options);
    let restart = of(span("2026-01-02T03:04:06.5Z", ""));
    assert_eq!((restart.restarts.len(), restart.connections.len()), (1, 6), "a restart comes whole");
    assert!(restart.services[0].losses_outside_restarts.is_empty());
    assert!(restart.window.clipped);
    assert_eq!(restart.window.from.to_string(), "2026-01-02T03:04:06.500000000Z");
    let before = of(span("", "2026-01-02T03:04:00Z"));
    assert_eq!((before.restarts.len(), before.connections.len()), (0, 1));
    assert_eq!(before.services[0].losses_outside_restarts.len(), 1);
    let never = of(span("2027-01-01T00:00:00Z", ""));
    assert_eq!((never.restarts.len(), never.connections.len()), (0, 0));
    assert!(never.completeness.notes.iter().any(|note| note.contains("outside the time observed")));
}

#[test]
fn ids_are_unique_and_stable() {
    let mut snapshot = fixture::lossy();
    let twin = crate::correlate::RestartFact { id: RestartId(1), ..snapshot.restarts[0].clone() };
    snapshot.restarts.push(twin);
    snapshot.services.push(crate::correlate::ServiceFact {
        id: crate::correlate::ServiceId(1),
        ..snapshot.services[0].clone()
    });
    let report = report(&snapshot);
    let ids: Vec<&str> = report.restarts.iter().map(|restart| restart.id.as_str()).collect();
    assert_eq!(ids, ["3f2a9c1b-e8d4a51000", "3f2a9c1b-e8d4a51000.2"]);
    let ids: Vec<&str> = report.services.iter().map(|service| service.id.as_str()).collect();
    assert_eq!(ids, ["3f2a9c1b-puma.service", "3f2a9c1b-puma.service.2"]);
}

#[test]
fn masked_peers_are_said_to_be() {
    let masked = Header { masked_peers: Some(Masking::Prefix), ..fixture::header() };
    let found = report_of(&fixture::lossy(), &masked, &Options::default());
    assert!(text(&found).contains("Peers are masked (prefix)"), "{}", text(&found));
    let lines = |report: &Report| {
        let mut out = Vec::new();
        write_jsonl(report, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    };
    for said in [json(&found).replace(' ', ""), lines(&found)] {
        assert!(said.contains(r#""masked_peers":"prefix""#), "{said}");
    }
    let plain = report(&fixture::lossy());
    assert!(!json(&plain).contains("masked_peers") && !lines(&plain).contains("masked_peers"));
    let merged = merge(vec![plain, found]).expect("two reports");
    assert_eq!(merged.masked_peers, Some(Masking::Prefix), "some of them are");
    assert_eq!(merged.journals.iter().filter(|part| part.masked_peers.is_some()).count(), 1);

    // A header of before there was such a thing.
    let header = serde_json::to_string(&fixture::header()).expect("JSON");
    assert!(!header.contains("masked"), "{header}");
    assert_eq!(serde_json::from_str::<Header>(&header).expect("a header").masked_peers, None);
}

#[test]
fn several_journals_make_one_report() {
    let mut elsewhere = fixture::header();
    elsewhere.host.hostname = "web-2".into();
    elsewhere.host.boot_id = "aaaabbbb-0000-4000-8000-000000000002".into();
    elsewhere.clock.wall_minus_boot_ns -= 60_000_000_000;
    let here = report(&fixture::lossy());
    let there = report_of(&fixture::lossy(), &elsewhere, &Options::default());
    let merged = merge(vec![here.clone(), there.clone()]).expect("two reports");
    assert_eq!(merge(vec![there, here.clone()]), Some(merged.clone()), "in whatever order");
    assert_eq!((merged.services.len(), merged.restarts.len(), merged.connections.len()), (2, 2, 14));
    assert_eq!(merged.host.hostname, "web-2");
    let host = |host: &Option<HostRef>| host.as_ref().map(|host| host.hostname.clone()).unwrap_or_default();
    let hosts: Vec<String> = merged.restarts.iter().map(|restart| host(&restart.host)).collect();
    assert_eq!(hosts, ["web-2", "web-1"], "the earlier first");
    assert_ne!(merged.restarts[0].id, merged.restarts[1].id);
    assert_eq!(
        (&merged.window.from, &merged.window.until),
        (&merged.journals[0].window.from, &here.window.until)
    );

    let twice = merge(vec![here.clone(), here.clone()]).expect("two reports");
    assert_eq!((twice.services.len(), twice.restarts.len(), twice.connections.len()), (1, 1, 7));
    assert_eq!(twice.services[0].counts, here.services[0].counts);
    assert!(twice.completeness.notes.last().is_some_and(|note| note.contains("overlap in time")));
    assert_eq!(merge(vec![here.clone()]), Some(here));
    assert_eq!(merge(Vec::new()), None);
}

#[test]
fn a_journal_is_replayed() {
    let attached = Attached { hooks: fixture::quiet().hooks, notes: Vec::new() };
    let events = [
        Event { at: BEGAN, event: Kind::Attached(attached) },
        Event { at: BEGAN + 5, event: Kind::ClockSet(ClockSet { wall_minus_boot_ns: 0 }) },
        Event {
            at: BEGAN + 7,
            event: Kind::Lost(Lost { what: "signal".into(), reason: "ring_full".into(), count: 2 }),
        },
        Event { at: BEGAN + 9, event: Kind::Ended },
    ];
    let replayed = replayed(&events, b"garbage\n{\"at\":1,\"event\":{\"unheard_of\":{}}}\n{\"at\":2,");
    assert_eq!((replayed.snapshot.from, replayed.snapshot.at), (BEGAN, BEGAN + 9));
    assert_eq!(replayed.clock.timestamp(BEGAN + 5).as_nanosecond(), i128::from(BEGAN) + 5);
    assert_ne!(replayed.clock.timestamp(BEGAN + 4).as_nanosecond(), i128::from(BEGAN) + 4);
    let lost: Vec<String> = replayed
        .snapshot
        .lost_events
        .iter()
        .map(|((what, why), count)| format!("{count} {what} {why}"))
        .collect();
    assert_eq!(lost, ["1 journal damaged_line", "1 journal unknown_kind", "2 signal ring_full"]);
    assert!(replayed.stats.tail_cut);
}

#[test]
fn a_journal_without_events_is_about_the_time_it_was_created() {
    let Replayed { header, snapshot, clock, stats } = replayed(&[], b"");
    let source = Source { header: &header, snapshot: &snapshot, clock: &clock, journal: Some(&stats) };
    let report = build(source, &Options::default()).expect("no span");
    assert_eq!(report.window.from.to_string(), header.created_at);
    assert_eq!(report.window.until, report.window.from);
    assert!(!report.completeness.complete, "the probes were never in place");
}

proptest! {
    #[test]
    fn whatever_a_journal_says_can_be_reported(events in proptest::collection::vec(any_event(), 0..40)) {
        let Replayed { header, snapshot, clock, stats } = replayed(&events, b"");
        let source = Source { header: &header, snapshot: &snapshot, clock: &clock, journal: Some(&stats) };
        let all = Options { connections: ConnectionChoice::All, ..Options::default() };
        let report = build(source, &all).expect("no span");
        prop_assert!(!text(&report).is_empty());
        prop_assert_eq!(json(&report), json(&build(source, &all).expect("no span")));
    }
}
