//! The story of the records as a journal, with what else is in one.

use anyhow::Result;
use drain_observer::{
    decode::decode,
    event::{
        Attached, Attribution, ClockSet, Comm, CountedBy, Counts, Endpoint, Event, HeldListener, Hook,
        HookState, Kind, ListenerKey, ListenerSeen, Lost, ProcessSeen, Scanned, UnixBind, UnixClosed,
        UnixOpened, UnixPath,
    },
    journal::{Clock, Header, Host, Tool, VERSION, Writer},
    selection::Selection,
};
use std::net::Ipv4Addr;

const SECOND: u64 = 1_000_000_000;
const NETNS: u32 = 4_026_531_840;

/// A journal of the records between a start and an end.
pub(crate) fn restart(records: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut events = vec![
        at(5, Kind::ProcessSeen(process(100, 1, "ruby"))),
        at(5, Kind::ListenerSeen(listener())),
        at(6, Kind::Attached(Attached { hooks: vec![hook()], notes: vec!["one note".into()] })),
    ];
    for record in records {
        events.push(decode(record)?);
    }
    let held = HeldListener { key: key(), cookie: 9 };
    events.extend([
        at(15, Kind::Scanned(Scanned { pid: 200, found: true, listeners: vec![held] })),
        at(15, Kind::ProcessSeen(process(200, 1, "ruby"))),
        at(17, Kind::ClockSet(ClockSet { wall_minus_boot_ns: 1_767_000_001_000_000_000 })),
        at(
            17,
            Kind::Counts(Counts {
                of: CountedBy::Port { netns: NETNS, port: 8080 },
                established: 9,
                served: 5,
                idle_closed: 2,
            }),
        ),
        at(18, Kind::UnixOpened(UnixOpened { since: 17, seen: unix_listener() })),
        at(19, Kind::UnixClosed(UnixClosed { since: 18, key: unix_listener().key, cookie: 9, queue: 1 })),
        at(18, Kind::Lost(Lost { what: "signal".into(), reason: "ring_full".into(), count: 3 })),
        at(90, Kind::Tick),
        at(91, Kind::Ended),
    ]);
    events.sort_by_key(|event| event.at);
    journal(&events)
}

/// A journal without events.
pub(crate) fn nothing() -> Result<Vec<u8>> {
    journal(&[])
}

fn journal(events: &[Event]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header())?;
    for event in events {
        writer.write(event)?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

fn header() -> Header {
    Header {
        version: VERSION,
        tool: Tool::this(),
        host: Host { hostname: "web-1".into(), kernel: "6.18.0".into(), boot_id: "3f2a".into() },
        created_at: "2026-01-02T03:04:05.000000006Z".into(),
        clock: Clock { wall_minus_boot_ns: 1_767_000_000_000_000_000, hz: 250 },
        selection: Selection::default(),
        all_connections: false,
        masked_peers: None,
        segment: None,
    }
}

fn at(second: u64, event: Kind) -> Event {
    Event { at: second * SECOND, event }
}

fn process(pid: u32, parent: u32, comm: &str) -> ProcessSeen {
    ProcessSeen {
        pid,
        parent,
        start: SECOND,
        image: 77,
        same_command: false,
        comm: Comm::new(comm.as_bytes()),
        executable: "/usr/bin/ruby".into(),
        attribution: Attribution { unit: Some("puma.service".into()), ..Attribution::default() },
        command: None,
        netns: NETNS,
        inner_pid: None,
    }
}

fn unix_listener() -> ListenerSeen {
    let local = UnixPath::new(b"/run/a.sock").into();
    let unix = Some(UnixBind { name: None, file_inode: 7 });
    ListenerSeen { key: ListenerKey { netns: NETNS, local }, cookie: 9, inode: 90, unix, ..listener() }
}

fn listener() -> ListenerSeen {
    ListenerSeen {
        key: key(),
        cookie: 7,
        inode: 70,
        queue: 0,
        limit: 128,
        holders: vec![100, 101],
        unix: None,
    }
}

fn key() -> ListenerKey {
    ListenerKey { netns: NETNS, local: Endpoint { address: Ipv4Addr::LOCALHOST.into(), port: 8080 }.into() }
}

fn hook() -> Hook {
    Hook {
        name: "inet_sock_set_state".into(),
        purpose: "connections".into(),
        required: true,
        state: HookState::Degraded,
        reason: Some("an older kernel".into()),
    }
}
