//! A journal played back into the correlator.

use super::WallClock;
use crate::correlate::{Config, Correlator, Snapshot};
use crate::event::{BootNs, Event, Kind, Lost};
use crate::journal::{Header, JournalError, Reader, Stats};
use jiff::Timestamp;
use std::io::BufRead;

/// Everything that a journal says.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Its header.
    pub header: Header,
    /// What the correlator concludes, at the time of the last event.
    pub snapshot: Snapshot,
    /// The wall clock while it was written.
    pub clock: WallClock,
    /// What reading it found.
    pub stats: Stats,
}

/// Plays a journal back, keeping connections that were not lost too if `keep_all`. `progress` is called now and then.
pub fn replay<R: BufRead>(
    mut reader: Reader<R>,
    keep_all: bool,
    mut progress: impl FnMut(&Stats),
) -> Result<Replayed, JournalError> {
    const STEP: u64 = 4096;

    let mut correlator =
        Correlator::new(Config { hz: reader.header().clock.hz, ..Config::keeping(keep_all) });
    let mut clock = WallClock::new(reader.header().clock.wall_minus_boot_ns);
    let mut last: Option<BootNs> = None;
    let mut before = Stats::default();
    while let Some(event) = reader.next() {
        let event = event?;
        let stats = reader.stats();
        tell_lost(&mut correlator, last.unwrap_or(event.at), before, stats);
        before = stats;
        if let Kind::ClockSet(set) = &event.event {
            clock.set(event.at, set.wall_minus_boot_ns);
        }
        last = last.max(Some(event.at));
        correlator.handle(&event);
        // Nobody is there to do anything: the answers are in the journal.
        while correlator.poll_request().is_some() {}
        if stats.events.is_multiple_of(STEP) {
            progress(&stats);
        }
    }
    let header = reader.header().clone();
    let end = last.unwrap_or_else(|| created(&header, &clock));
    tell_lost(&mut correlator, end, before, reader.stats());
    let mut snapshot = correlator.snapshot(end);
    if last.is_none() {
        snapshot.from = end;
    }
    Ok(Replayed { header, snapshot, clock, stats: reader.stats() })
}

/// Lines that could not be read are events lost, to the correlator too: no restart is clean when they may have
/// been about it.
fn tell_lost(correlator: &mut Correlator, at: BootNs, before: Stats, after: Stats) {
    let lines = [
        ("damaged_line", after.broken_lines - before.broken_lines),
        ("unknown_kind", after.unknown_events - before.unknown_events),
    ];
    for (reason, count) in lines.into_iter().filter(|(_, count)| *count > 0) {
        let lost = Lost { what: "journal".into(), reason: reason.into(), count };
        correlator.handle(&Event { at, event: Kind::Lost(lost) });
    }
}

/// When an observation without events took place.
fn created(header: &Header, clock: &WallClock) -> BootNs {
    header.created_at.parse::<Timestamp>().map_or(0, |created| clock.boot_ns(created))
}
