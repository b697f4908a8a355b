//! Restarts to look at: some made by hand, some recorded.

use crate::correlate::*;
use crate::event::{BootNs, Comm};
use crate::journal::Reader;
use crate::report::fixture::{self, BEGAN, member, task};
use crate::report::{Player, WallClock};
use std::path::Path;

const MS: BootNs = 1_000_000;
const SECOND: BootNs = 1_000 * MS;

/// Facts of one moment.
pub(super) struct Moment {
    pub(super) snapshot: Snapshot,
    pub(super) clock: WallClock,
}

pub(super) fn by_hand(snapshot: Snapshot) -> Moment {
    let clock = WallClock::new(fixture::header().clock.wall_minus_boot_ns);
    Moment { snapshot, clock }
}

/// What a journal had told so many milliseconds after its restart began, or at its end.
pub(super) fn recorded(journal: &str, milliseconds: u64) -> Moment {
    let reader = Reader::new(journal.as_bytes(), Path::new("recorded")).expect("a journal");
    let mut player = Player::new(reader, Config::default());
    let mut at = 0;
    while let Some(next) = player.peek().expect("a whole journal") {
        let began = player.correlator().overview(at).restarts.first().map(|restart| restart.started);
        if began.is_some_and(|began| next > began + milliseconds * MS) {
            at = began.unwrap_or(0) + milliseconds * MS;
            break;
        }
        player.step().expect("a whole journal");
        at = next;
    }
    let clock = player.clock().clone();
    Moment { snapshot: player.correlator().snapshot(at), clock }
}

/// The lossy restart 3.4 s after its signal, with one more worker that still drains.
pub(super) fn open() -> Snapshot {
    let mut snapshot = fixture::lossy();
    let at = BEGAN + 3_400 * MS;
    let restart = &mut snapshot.restarts[0];
    restart.ended = None;
    restart.kind = RestartKind::Unknown;
    restart.counts = [(Outcome::Served, 17), (Outcome::Unanswered, 1)].into();
    restart.reason = "1 connection was lost".into();
    restart.times = Times { signal: Some(BEGAN), last_accept: Some(BEGAN + 100 * MS), ..Times::default() };
    restart.timeline.truncate(3);
    restart.old[0].ended = None;
    restart.old[0].exit = None;
    restart.old.push(MemberFact {
        connections: 4,
        accepted: 4,
        ..member(task(1002, "ruby"), 1000, BEGAN - 59_000 * MS)
    });
    restart.new.clear();
    restart.silence[0] = SilenceFact {
        closed_at: None,
        not_listening: 0,
        not_listening_at_least: 0,
        not_accepting: None,
        longest_wait: None,
        refused: 0,
        ..restart.silence[0].clone()
    };
    let point =
        |second: u64, old, queued| LoadPoint { at: BEGAN + second * SECOND + 200 * MS, old, new: 0, queued };
    restart.curve = vec![point(0, 40, 0), point(1, 31, 2), point(2, 20, 3), point(3, 12, 9)];
    restart.findings = findings_of(restart, at);
    let service = &mut snapshot.services[0];
    service.state = ServiceState::Draining;
    let held = |pid, open, unread, awaiting, unsent, ago| HeldFact {
        pid,
        open,
        unread,
        awaiting,
        unsent,
        oldest: at - ago * SECOND,
    };
    service.load = Some(LoadFact {
        at: BEGAN + 3_200 * MS,
        queued: 9,
        held: vec![held(1002, 12, 1, 3, 2, 42)],
        unheld: 0,
        complete: true,
    });
    Snapshot { at, ..snapshot }
}

/// A reload whose old worker holds on for three hours.
pub(super) fn residual() -> Snapshot {
    let mut snapshot = fixture::clean();
    let at = BEGAN + 11_000 * SECOND;
    let restart = &mut snapshot.restarts[0];
    restart.ended = None;
    restart.verdict = Verdict::Stuck;
    restart.reason = "1 process of the old generation still there after 11000.0 s".into();
    restart.times.old_gone = None;
    restart.old[0].ended = None;
    restart.old[0].exit = None;
    restart.old.push(MemberFact {
        master: true,
        executable: "/usr/sbin/nginx".into(),
        ..member(task(500, "nginx"), 1, BEGAN - 86_400 * SECOND / 100)
    });
    restart.timeline = vec![Step {
        at: BEGAN + 20 * MS,
        what: StepKind::Started { task: task(502, "nginx"), parent: 500 },
        count: 1,
    }];
    restart.curve =
        (0..50).map(|n| LoadPoint { at: BEGAN + n * 220 * SECOND, old: 7, new: 60, queued: 0 }).collect();
    let held = HeldFact {
        pid: 501,
        open: 7,
        unread: 0,
        awaiting: 2,
        unsent: 1,
        oldest: BEGAN - 20_000 * SECOND / 100,
    };
    snapshot.services[0].load =
        Some(LoadFact { at: at - SECOND, queued: 0, held: vec![held], unheld: 3, complete: false });
    Snapshot { at, ..snapshot }
}

/// The lossy restart, with names that contain escape sequences and take two columns a character.
pub(super) fn hostile() -> Snapshot {
    let mut snapshot = fixture::lossy();
    let evil = "\x1b[2J\x07\u{202e}\u{9b}31m漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字\n";
    snapshot.services[0].name = evil.into();
    let restart = &mut snapshot.restarts[0];
    restart.reason = evil.repeat(2);
    for member in restart.old.iter_mut().chain(&mut restart.new) {
        member.comm = Comm::new(b"\x1b[31m\r\n");
        member.executable = evil.into();
    }
    for found in &mut restart.findings {
        found.hint = evil.into();
    }
    let file = evil.to_owned();
    restart.timeline =
        vec![Step { at: BEGAN, what: StepKind::Executed { task: task(1000, "\x1b[0m"), file }, count: 1 }];
    snapshot
}

/// A master with two hundred workers, of which every other has ended, and twenty new ones.
pub(super) fn two_hundred_workers() -> Snapshot {
    let mut snapshot = open();
    let restart = &mut snapshot.restarts[0];
    restart.old.truncate(1);
    for number in 0..200u32 {
        let ended = number.is_multiple_of(2).then(|| BEGAN + u64::from(number) * 10 * MS);
        restart.old.push(MemberFact {
            ended,
            exit: ended.map(|_| (0, 0)),
            lost: u32::from(number == 120) * 7,
            ..member(task(1_001 + number, "ruby"), 1_000, BEGAN - SECOND)
        });
    }
    for number in 0..20u32 {
        let start = BEGAN + u64::from(number) * 100 * MS;
        restart.new.push(member(task(5_001 + number, "ruby"), 1_000, start));
    }
    snapshot
}

fn findings_of(restart: &RestartFact, at: BootNs) -> Vec<Found> {
    findings::of(restart, Some("puma.service"), at, &Config::default())
}
