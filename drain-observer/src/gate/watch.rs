//! The gate as a sink of the observation, which it ends when there is nothing left to wait for.

use super::command::Ended;
use super::over::{News, is_over};
use super::verdict::End;
use crate::clock;
use crate::correlate::{ConnectionFact, Correlator, Note};
use crate::event::{BootNs, Event, Kind, Lost};
use crate::report::WallClock;
use crate::runtime::{JournalSink, Sink, WriteFailure};
use crate::selection::Selection;
use std::cell::OnceCell;
use std::io::Write;
use std::time::Duration;

/// How often it is asked whether there is anything left to wait for.
const LOOK: BootNs = 100_000_000;

/// Watches for the end.
pub struct Watch<'a, W: Write> {
    selection: &'a Selection,
    command: &'a OnceCell<Ended>,
    settle: BootNs,
    timeout: BootNs,
    journal: Option<JournalSink<W>>,
    clock: WallClock,
    news: News,
    looked: BootNs,
    end: Option<End>,
}

impl<'a, W: Write> Watch<'a, W> {
    /// Waits for what `command` brings about to settle, for at most `timeout` after the command's end.
    pub fn new(
        selection: &'a Selection,
        command: &'a OnceCell<Ended>,
        settle: Duration,
        timeout: Duration,
        clock: WallClock,
        journal: Option<JournalSink<W>>,
    ) -> Self {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            selection,
            command,
            settle: ns(settle),
            timeout: ns(timeout),
            journal,
            clock,
            news: News::new(),
            looked: 0,
            end: None,
        }
    }

    /// How the waiting ended.
    pub fn end(&self) -> End {
        self.end.unwrap_or(End::Interrupted)
    }

    /// The wall clock as it was observed, and whether the journal could be written.
    pub fn finish(self) -> (WallClock, Result<(), WriteFailure>) {
        (self.clock, self.journal.map_or(Ok(()), JournalSink::finish))
    }

    fn look(&mut self, now: BootNs, correlator: &Correlator) {
        let Some(command) = self.command.get() else { return };
        if self.end.is_some() || now.saturating_sub(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        let snapshot = correlator.overview(now);
        if is_over(&snapshot, self.selection, &self.news, command.at, self.settle) {
            self.end = Some(End::Settled);
        } else if now.saturating_sub(command.at) >= self.timeout {
            self.end = Some(End::TimedOut);
        }
        // What is forgotten is not news any more.
        let oldest = snapshot.restarts.first().map(|restart| restart.id);
        self.news.retain(|id, _| Some(*id) >= oldest);
    }
}

impl<W: Write> Sink for Watch<'_, W> {
    fn event(&mut self, event: &Event) {
        if let Kind::ClockSet(set) = &event.event {
            self.clock.set(event.at, set.wall_minus_boot_ns);
        }
        if let Some(journal) = &mut self.journal {
            journal.event(event);
        }
    }

    fn settle(&mut self, correlator: &mut Correlator) -> Option<Lost> {
        let now = clock::boot_ns();
        while let Some(note) = correlator.poll_note() {
            let restart = match note {
                Note::RestartBegan(id) | Note::Step(id, _) | Note::RestartEnded(id) => Some(id),
                Note::Lost(connection) => {
                    let ConnectionFact { restart, .. } = *connection;
                    restart
                }
            };
            self.news.extend(restart.map(|id| (id, now)));
        }
        let lost = self.journal.as_mut().and_then(|journal| journal.settle(correlator));
        self.look(now, correlator);
        lost
    }

    fn is_done(&self) -> bool {
        self.end.is_some()
    }
}
