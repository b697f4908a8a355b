//! A journal played back into the correlator.

use super::WallClock;
use crate::correlate::{Config, Correlator, Snapshot};
use crate::event::{BootNs, Event, Kind, Lost};
use crate::journal::{Events, Header, JournalError, Stats};
use jiff::Timestamp;

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
pub fn replay<E: Events>(
    events: E,
    keep_all: bool,
    mut progress: impl FnMut(&E),
) -> Result<Replayed, JournalError> {
    const STEP: u64 = 4096;

    let mut player = Player::new(events, Config::keeping(keep_all));
    while player.step()?.is_some() {
        if player.stats().events.is_multiple_of(STEP) {
            progress(&player.events);
        }
    }
    Ok(player.finish())
}

/// A journal under way into the correlator, event by event.
#[derive(Debug)]
pub struct Player<E> {
    events: E,
    correlator: Correlator,
    clock: WallClock,
    next: Option<Event>,
    last: Option<BootNs>,
    told: Stats,
}

impl<E: Events> Player<E> {
    /// At the journal's beginning. `config` may leave out what the journal's header says.
    pub fn new(events: E, config: Config) -> Self {
        let clock = WallClock::new(events.header().clock.wall_minus_boot_ns);
        let correlator = Correlator::new(Config { hz: events.header().clock.hz, ..config });
        Self { events, correlator, clock, next: None, last: None, told: Stats::default() }
    }

    /// Plays the next event and gives its time; none at the end.
    pub fn step(&mut self) -> Result<Option<BootNs>, JournalError> {
        let Some(event) = self.take()? else { return Ok(None) };
        let stats = self.events.stats();
        tell_lost(&mut self.correlator, self.last.unwrap_or(event.at), self.told, stats);
        self.told = stats;
        if let Kind::ClockSet(set) = &event.event {
            self.clock.set(event.at, set.wall_minus_boot_ns);
        }
        self.last = self.last.max(Some(event.at));
        self.correlator.handle(&event);
        // Nobody is there to do anything: the answers are in the journal.
        while self.correlator.poll_request().is_some() {}
        Ok(Some(event.at))
    }

    /// Time of the next event, which is not played; none at the end.
    pub fn peek(&mut self) -> Result<Option<BootNs>, JournalError> {
        self.next = self.take()?;
        Ok(self.next.as_ref().map(|event| event.at))
    }

    /// The journal's header.
    pub fn header(&self) -> &Header {
        self.events.header()
    }

    /// What was concluded so far.
    pub fn correlator(&mut self) -> &mut Correlator {
        &mut self.correlator
    }

    /// The wall clock as far as it is known.
    pub fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// What reading found so far.
    pub fn stats(&self) -> Stats {
        self.events.stats()
    }

    /// What there is to say at the end.
    pub fn finish(mut self) -> Replayed {
        let header = self.events.header().clone();
        let end = self.last.unwrap_or_else(|| created(&header, &self.clock));
        tell_lost(&mut self.correlator, end, self.told, self.events.stats());
        let mut snapshot = self.correlator.snapshot(end);
        if self.last.is_none() {
            snapshot.from = end;
        }
        Replayed { header, snapshot, clock: self.clock, stats: self.events.stats() }
    }

    fn take(&mut self) -> Result<Option<Event>, JournalError> {
        match self.next.take() {
            Some(event) => Ok(Some(event)),
            None => self.events.next().transpose(),
        }
    }
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
