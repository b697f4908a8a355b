//! Observing: probes, `/proc` and clocks become one stream of events, which goes to a [`Sink`] and to the
//! correlator, whose questions are answered by further events. The journal and every live view are sinks.

mod alarm;
mod journal;
mod observer;
mod pace;
mod recorder;
mod stop;
mod tally;
mod unix;

use std::time::Duration;

use anyhow::Result;

use crate::clock;
use crate::correlate::Correlator;
use crate::event::{BootNs, Event, Kind, Lost};
use crate::kernel::Drained;
use alarm::Alarm;
pub use journal::{JournalSink, WriteFailure};
pub use observer::{Observer, Observing, Start};
use pace::Pace;
pub use recorder::RecorderSink;
pub use stop::{Hangup, Stop, StopSignal};

/// Records taken out of the ring before the correlator's questions are answered.
const BATCH: usize = 4_096;
/// Batches taken before anything else gets its turn.
const BATCHES: usize = 64;
/// Batches taken at the end, while the host goes on producing records.
const LAST_BATCHES: usize = 1_024;
/// Questions answered after a batch: each takes some 0.1 ms, and the ring fills meanwhile.
const ANSWERS: usize = 256;
/// How often losses, counts and the wall clock are looked at.
const TALLY: BootNs = 1_000_000_000;

/// Where events go besides the correlator.
pub trait Sink {
    /// Takes an event in, before the correlator does.
    fn event(&mut self, event: &Event);

    /// Called when there is nothing more to take in for now. What the sink itself lost is returned and becomes an
    /// event.
    fn settle(&mut self, correlator: &mut Correlator) -> Option<Lost>;

    /// All that happened before `now` was taken in.
    fn up_to(&mut self, _now: BootNs) {}

    /// Whether nobody wants any more.
    fn is_done(&self) -> bool {
        false
    }
}

/// What was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events.
    pub events: u64,
    /// How much was dropped: the sum of all [`Lost::count`].
    pub lost: u64,
}

/// Observes from `start` on, until `end` comes (such as [`Stop::wanted`]), for `duration`, or until the sink is done.
/// `end` may do things of its own meanwhile; what it tells the sink is seen within a quarter of a second.
pub async fn observe<S: Sink>(
    observer: Observer,
    start: Vec<Event>,
    correlator: &mut Correlator,
    sink: &mut S,
    end: impl Future<Output = ()>,
    duration: Option<Duration>,
) -> Result<Summary> {
    let mut session = Session {
        observer,
        correlator,
        sink,
        summary: Summary::default(),
        tallied: clock::boot_ns(),
        batch: Vec::with_capacity(BATCH),
    };
    session.deliver_all(start);
    session.settle();
    session.run(end, duration).await?;
    Ok(session.finish())
}

struct Session<'a, S> {
    observer: Observer,
    correlator: &'a mut Correlator,
    sink: &'a mut S,
    summary: Summary,
    tallied: BootNs,
    batch: Vec<Event>,
}

impl<S: Sink> Session<'_, S> {
    async fn run(&mut self, end: impl Future<Output = ()>, duration: Option<Duration>) -> Result<()> {
        let mut pace = Pace::default();
        let alarm = Alarm::new()?;
        let late = async {
            match duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(end, late);
        while !self.sink.is_done() {
            tokio::select! {
                biased;
                () = &mut end => break,
                () = &mut late => break,
                ready = self.observer.ready() => ready?,
                waited = alarm.wait(self.wait(&pace)) => waited?,
            }
            let before = self.summary.events;
            let drained = self.round(BATCHES);
            pace.learn(drained, self.summary.events - before);
        }
        Ok(())
    }

    fn wait(&self, pace: &Pace) -> Duration {
        match self.correlator.has_requests() {
            true => Duration::ZERO,
            false => pace.wait(self.correlator.poll_timeout(), clock::boot_ns()),
        }
    }

    fn round(&mut self, batches: usize) -> Drained {
        // Taken before the ring is emptied: no record that is older comes after a tick of this time.
        let now = clock::boot_ns();
        let drained = self.drain(batches);
        if drained == Drained::Empty {
            self.sink.up_to(now);
        }
        if drained == Drained::Empty && self.correlator.poll_timeout().is_some_and(|due| due <= now) {
            self.deliver(Event { at: now, event: Kind::Tick });
        }
        if now.saturating_sub(self.tallied) >= TALLY {
            self.tally(now);
        }
        self.settle();
        drained
    }

    fn drain(&mut self, batches: usize) -> Drained {
        for _ in 0..batches {
            let mut batch = std::mem::take(&mut self.batch);
            let drained = self.observer.drain(BATCH, &mut batch);
            for event in batch.drain(..) {
                self.deliver(event);
            }
            self.batch = batch;
            self.answer();
            if drained == Drained::Empty {
                return drained;
            }
        }
        Drained::More
    }

    fn answer(&mut self) {
        let mut requests = Vec::new();
        let mut questions = 0;
        while questions < ANSWERS
            && let Some(request) = self.correlator.poll_request()
        {
            questions += usize::from(request.is_question());
            requests.push(request);
        }
        if !requests.is_empty() {
            let answers = self.observer.answer(requests);
            self.deliver_all(answers);
        }
        let dropped = self.correlator.take_dropped_requests();
        if dropped > 0 {
            let lost = Lost { what: "request".to_owned(), reason: "queue_full".to_owned(), count: dropped };
            self.deliver(Event { at: clock::boot_ns(), event: Kind::Lost(lost) });
        }
    }

    fn tally(&mut self, now: BootNs) {
        self.tallied = now;
        let tallies = self.observer.tallies(now);
        self.deliver_all(tallies);
    }

    fn settle(&mut self) {
        if let Some(lost) = self.sink.settle(self.correlator) {
            self.deliver(Event { at: clock::boot_ns(), event: Kind::Lost(lost) });
        }
    }

    fn finish(mut self) -> Summary {
        self.round(LAST_BATCHES);
        let last = self.observer.finish();
        self.deliver_all(last);
        self.tally(clock::boot_ns());
        self.deliver(Event { at: clock::boot_ns(), event: Kind::Ended });
        self.settle();
        self.summary
    }

    fn deliver_all(&mut self, events: Vec<Event>) {
        for event in events {
            self.deliver(event);
        }
    }

    /// Nothing gets past this to where it is kept or shown.
    fn deliver(&mut self, mut event: Event) {
        self.observer.mask(&mut event);
        self.summary.events += 1;
        if let Kind::Lost(lost) = &event.event {
            self.summary.lost = self.summary.lost.saturating_add(lost.count);
        }
        self.sink.event(&event);
        self.correlator.handle(&event);
    }
}
