//! Journals, from their bytes to every form of the report.

use crate::facts;
use drain_observer::{
    correlate::{Config, Correlator},
    event::Event,
    journal::{Header, Reader},
    report::{self, ConnectionChoice, Live, Options, Replayed, Source},
};
use std::path::Path;

/// Reads, replays and reports a journal.
pub fn journal(bytes: &[u8]) {
    let path = Path::new("fuzz.journal");
    let reader = match Reader::new(bytes, path) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error has a message");
            return;
        }
    };
    let events: Vec<Event> = reader.filter_map(Result::ok).collect();
    let Some(replayed) =
        Reader::new(bytes, path).and_then(|reader| report::replay(reader, true, |_| {})).ok()
    else {
        panic!("what was read once can be read again");
    };
    assert_eq!(replayed.stats.events, events.len() as u64);
    assert_eq!(replayed.stats.bytes, bytes.len() as u64);
    show(&replayed);
    tell(&replayed.header, &events);
    facts::check(&events);
}

fn show(replayed: &Replayed) {
    let Replayed { header, snapshot, clock, stats } = replayed;
    let source = Source { header, snapshot, clock, journal: Some(stats) };
    let options = Options { connections: ConnectionChoice::All, ..Options::default() };
    let report = match report::build(source, &options) {
        Ok(report) => report,
        Err(reversed) => panic!("nothing was asked for that could be the wrong way round: {reversed}"),
    };
    let mut text = Vec::new();
    assert!(report::write_text(&report, &mut text).is_ok(), "memory takes everything");
    assert_harmless(&text);
    let (mut json, mut lines) = (Vec::new(), Vec::new());
    assert!(report::write_json(&report, &mut json).is_ok(), "memory takes everything");
    assert!(report::write_jsonl(&report, &mut lines).is_ok(), "memory takes everything");
    let rows = 1 + report.restarts.len() + report.connections.len();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), rows, "a line for each row");
    let merged = report::merge(vec![report.clone(), report]);
    assert!(merged.is_some(), "two reports make one");
}

/// What `watch` says while the events come.
fn tell(header: &Header, events: &[Event]) {
    let mut correlator = Correlator::new(Config { hz: header.clock.hz, ..Config::default() });
    events.iter().for_each(|event| correlator.handle(event));
    let notes: Vec<_> = std::iter::from_fn(|| correlator.poll_note()).collect();
    let end = events.last().map_or(0, |event| event.at);
    for line in Live::new(header, &Default::default()).lines(&notes, &correlator.overview(end)) {
        let mut text = Vec::new();
        assert!(report::write_live(&line, &mut text).is_ok(), "memory takes everything");
        assert!(text.iter().filter(|byte| **byte == b'\n').count() == 1, "a line for each note");
        assert_harmless(&text);
    }
}

fn assert_harmless(text: &[u8]) {
    let text = str::from_utf8(text).unwrap_or("\0");
    let control = |char: char| char.is_control() && char != '\n';
    assert!(!text.contains(control), "a name's control characters reach the terminal: {text:?}");
}
