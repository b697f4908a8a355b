//! Journals as they should be, and as they are found.

pub(crate) mod events;
pub(crate) mod stretch;

use super::*;
use crate::event::{Event, Kind};
use events::{any_event, one_of_each};
use proptest::{collection::vec, prelude::*};
use std::{
    io::{self, Write},
    path::Path,
};

fn header() -> Header {
    Header {
        version: VERSION,
        tool: Tool::this(),
        host: Host { hostname: "web-1".into(), kernel: "6.18.0".into(), boot_id: "3f2a".into() },
        created_at: "2026-01-02T03:04:05.000000006Z".into(),
        clock: Clock { wall_minus_boot_ns: 1_767_000_000_000_000_000, hz: 250 },
        selection: Default::default(),
        all_connections: false,
        masked_peers: None,
        segment: None,
    }
}

fn journal(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header()).expect("a vector takes everything");
    for event in events {
        writer.write(event).expect("a vector takes everything");
    }
    writer.flush().expect("a vector takes everything");
    drop(writer);
    bytes
}

fn read(bytes: &[u8]) -> Result<(Vec<Event>, Stats), JournalError> {
    let mut reader = Reader::new(bytes, Path::new("x.journal"))?;
    let events = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((events, reader.stats()))
}

fn error(bytes: &[u8]) -> String {
    read(bytes).expect_err("no journal").to_string()
}

/// A disk that takes `room` bytes, then nothing until `room` is set again.
struct Disk<'a> {
    room: &'a std::cell::Cell<usize>,
    file: &'a std::cell::RefCell<Vec<u8>>,
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room.get());
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.set(self.room.get() - taken);
        self.file.borrow_mut().extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_kind_of_event_survives() {
    let events = one_of_each();
    let bytes = journal(&events);
    let (found, stats) = read(&bytes).expect("our own journal");
    assert_eq!(found, events);
    assert_eq!(stats, Stats { events: events.len() as u64, bytes: bytes.len() as u64, ..Stats::default() });
    assert_eq!(Reader::new(&bytes[..], Path::new("x")).expect("our own journal").header(), &header());
}

#[test]
fn what_is_no_journal_is_said_clearly() {
    assert!(error(b"").starts_with("x.journal is empty"));
    for foreign in [&b"\x7fELF\x02\x01\0\0"[..], b"{}\n", b"[1,2]\n", b"hello\n", &vec![b'x'; line::MAX + 1]]
    {
        assert!(
            error(foreign).starts_with("x.journal is not a drain-observer journal"),
            "{}",
            error(foreign)
        );
    }
    let newer = br#"{"drain_observer_journal":7,"everything":"else is different"}"#;
    assert_eq!(
        error(newer),
        "x.journal was written by a newer drain-observer (journal version 7, this one reads up to 1): \
         use that version or newer"
    );
    assert!(
        error(br#"{"drain_observer_journal":1}"#).contains("is damaged or cut off (missing field `tool`")
    );
    assert!(error(br#"{"drain_observer_journal":1,"to"#).contains("damaged or cut off"));
    let missing = Reader::open(Path::new("/nonexistent/x")).expect_err("not there").to_string();
    assert!(missing.starts_with("cannot open the journal /nonexistent/x: No such file"), "{missing}");
    assert!(
        Reader::open(Path::new("/")).expect_err("not a file").to_string().starts_with("/ is a directory")
    );
}

#[test]
fn newer_kinds_and_fields_are_no_obstacle() {
    let mut bytes = journal(&[]);
    bytes.extend(br#"{"at":1,"event":{"teleported":{"pid":1}}}"#);
    bytes.extend(b"\n{\"at\":2,\"event\":\"tick\",\"later\":true}\n\n{\"at\":3}\n");
    bytes.extend(br#"{"at":4,"event":{"oom_victim":{"pid":5,"score":9}}}"#);
    let (events, stats) = read(&bytes).expect("a journal");
    assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [2, 4]);
    assert_eq!((stats.unknown_events, stats.broken_lines, stats.tail_cut), (1, 1, false));
}

#[test]
fn a_journal_may_be_cut_anywhere() {
    let events = one_of_each();
    let bytes = journal(&events);
    let first = bytes.iter().position(|byte| *byte == b'\n').expect("a header");
    for end in 0..bytes.len() {
        match read(&bytes[..end]) {
            Ok((found, stats)) => {
                assert!(end >= first);
                assert_eq!(found, events[..found.len()]);
                assert_eq!(stats.broken_lines + stats.unknown_events, 0);
                let last =
                    bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                let whole_tail = bytes[end] == b'\n';
                assert_eq!(stats.tail_cut, end > first && last != end && !whole_tail, "cut at {end}");
            }
            Err(_) => assert!(end < first),
        }
    }
}

#[test]
fn after_a_full_disk_only_the_half_line_is_missing() {
    let events = one_of_each();
    let whole = journal(&events).len();
    let head = journal(&[]).len();
    for room in head..whole {
        let (left, file) = (std::cell::Cell::new(room), Default::default());
        let mut writer =
            Writer::new(Disk { room: &left, file: &file }, &header()).expect("room for the header");
        for event in &events {
            writer.write(event).expect("buffered");
        }
        let failed = writer.flush().expect_err("no room");
        assert_eq!(failed.source.kind(), io::ErrorKind::StorageFull);
        writer.write(&events[0]).expect("buffered");
        assert_eq!(writer.flush().expect_err("still no room").lost, 1);
        left.set(usize::MAX);
        writer.write(&events[1]).expect("buffered");
        writer.flush().expect("room again");
        assert_eq!(writer.lost(), failed.lost + 1);
        assert_eq!(writer.bytes(), file.borrow().len() as u64);

        let (found, stats) = read(&file.borrow()).expect("still a journal");
        let kept = events.len() - usize::try_from(failed.lost).expect("few");
        assert!(stats.broken_lines <= 1 && !stats.tail_cut && stats.unknown_events == 0);
        assert_eq!(found.last(), Some(&events[1]));
        let before = &found[..found.len() - 1];
        // A line of which only the newline was lost is counted lost and found nevertheless.
        assert!(before == &events[..kept] || before == &events[..kept + 1], "{room} bytes");
    }
}

#[test]
fn a_dropped_writer_writes_what_it_has() {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, &header())
        .expect("a vector takes everything")
        .write(&Event { at: 1, event: Kind::Tick })
        .expect("a vector takes everything");
    assert_eq!(read(&bytes).expect("a journal").0.len(), 1);
}

proptest! {
    #[test]
    fn events_survive(events in vec(any_event(), 0..20)) {
        let (found, stats) = read(&journal(&events)).expect("our own journal");
        prop_assert_eq!(found, events);
        prop_assert_eq!(stats.broken_lines + stats.unknown_events + u64::from(stats.tail_cut), 0);
    }

    #[test]
    fn anything_can_be_read(bytes in vec(any::<u8>(), 0..2000), with_header in any::<bool>()) {
        let mut input = if with_header { journal(&[]) } else { Vec::new() };
        input.extend(bytes);
        let _ = read(&input);
    }

    #[test]
    fn damage_costs_the_damaged_lines(
        events in vec(any_event(), 1..20),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut bytes = journal(&events);
        let head = journal(&[]).len();
        for (at, byte) in &damage {
            let at = head + at.index(bytes.len() - head);
            bytes[at] = *byte;
        }
        let (found, stats) = read(&bytes).expect("the header is whole");
        let seen = found.len() as u64 + stats.broken_lines + stats.unknown_events + u64::from(stats.tail_cut);
        prop_assert!(found.iter().filter(|event| events.contains(event)).count() + 2 * damage.len() >= events.len());
        prop_assert!(seen + 2 * damage.len() as u64 >= events.len() as u64);
    }
}
