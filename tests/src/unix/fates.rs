//! Connection by connection: what a report has at a socket file against what each client saw. A client is one process, so
//! its pid tells its connection from the others.

use std::collections::BTreeMap;

use anyhow::Result;

use super::client::{UnixEnding, UnixFate};
use super::findings::{AtPath, Findings};

/// Without it neither who waits in a queue nor when a request came is seen.
const ARRIVALS: &str = "unix_data_ready";
/// Without it the end of a connection that a living server closed is not seen.
const ENDS: &str = "unix_recv_length";
/// Without it a request that comes too late is not seen.
const WRITES: &str = "unix_send_length";

/// Expects that the report, of a recording of all connections, has exactly one connection of each of these clients at
/// this place, by a name that agrees with its fate, and none of anybody else. Where the kernel lacks a hook, what it
/// would have told may be missing or unknown, but never wrong; only whether a client had left a queue before it was lost
/// can't be told without arrivals.
pub fn expect_agreement(findings: &mut Findings, place: &str, fates: &[UnixFate]) -> Result<()> {
    let view = View::of(findings);
    findings.truth = format!("{} with {view:?}", words(fates));
    let reported = findings.at(place)?;
    let mut differences = Vec::new();
    for fate in fates {
        let own: Vec<&AtPath> = reported.iter().filter(|one| one.client == fate.pid).collect();
        let names = names(fate);
        match own.as_slice() {
            [] if view.may_miss(fate) => {}
            [one] if names.contains(&one.outcome.as_str()) && one.lost == lost(fate) => {}
            [one] if one.outcome == "unknown" && view.may_miss(fate) => {}
            [one] if one.outcome == "queue_reset" && fate.ending == UnixEnding::Left && !view.arrivals => {}
            other => differences.push(format!("{fate:?} is {names:?}, not {other:?}")),
        }
    }
    let known = |one: &AtPath| fates.iter().any(|fate| fate.pid == one.client);
    // Where not everything shows, it may not show whose it was.
    let strange = |one: &&AtPath| !known(one) && (one.client != 0 || view.is_whole());
    for one in reported.iter().filter(strange) {
        differences.push(format!("nobody else was there: {one:?}"));
    }
    findings.expect(differences.is_empty(), &differences.join("\n"))
}

/// How many ended in each way.
pub fn count(fates: &[UnixFate], ending: UnixEnding) -> usize {
    fates.iter().filter(|fate| fate.ending == ending).count()
}

/// What the kernel shows.
#[derive(Debug, Clone, Copy)]
pub struct View {
    arrivals: bool,
    ends: bool,
    writes: bool,
}

impl View {
    /// That of a report.
    pub fn of(findings: &Findings) -> Self {
        let hooks = findings.report["completeness"]["hooks"].as_array().map_or(&[][..], Vec::as_slice);
        let attached =
            |name: &str| hooks.iter().any(|hook| hook["name"] == name && hook["state"] == "attached");
        Self { arrivals: attached(ARRIVALS), ends: attached(ENDS), writes: attached(WRITES) }
    }

    /// Whether everything shows.
    pub fn is_whole(self) -> bool {
        self.arrivals && self.ends && self.writes
    }

    fn may_miss(self, fate: &UnixFate) -> bool {
        match fate.ending {
            UnixEnding::Reset | UnixEnding::Refused | UnixEnding::NoFile => false,
            UnixEnding::Served | UnixEnding::Eof => !(self.arrivals && self.ends),
            UnixEnding::Full | UnixEnding::Timeout | UnixEnding::Left => !self.arrivals,
            UnixEnding::Broken => !self.writes,
        }
    }
}

fn names(fate: &UnixFate) -> &'static [&'static str] {
    match (fate.ending, fate.asked) {
        (UnixEnding::Served, _) => &["served"],
        (UnixEnding::Reset, _) => &["queue_reset", "unread_reset"],
        (UnixEnding::Eof, true) => &["unanswered"],
        (UnixEnding::Eof, false) => &["idle_closed"],
        (UnixEnding::Refused | UnixEnding::NoFile, _) => &["refused"],
        (UnixEnding::Full, _) => &["overflowed"],
        (UnixEnding::Timeout | UnixEnding::Left, true) => &["gave_up"],
        (UnixEnding::Timeout | UnixEnding::Left, false) => &["client_gone"],
        (UnixEnding::Broken, true) => &["late_request"],
        // Its first request: the queue may have been reset just before.
        (UnixEnding::Broken, false) => &["late_request", "queue_reset"],
    }
}

fn lost(fate: &UnixFate) -> bool {
    !matches!(names(fate), ["served" | "idle_closed" | "client_gone"])
}

fn words(fates: &[UnixFate]) -> String {
    let mut counts = BTreeMap::new();
    for fate in fates {
        *counts.entry(fate.ending).or_insert(0) += 1;
    }
    format!("clients saw {counts:?}")
}
