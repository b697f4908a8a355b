//! Between the thread that has the events and the one that has the clients: the first never waits for the second.

use crate::correlate::Correlator;
use crate::event::{BootNs, Event, Kind};
use crate::journal::Segment;
use crate::runtime::RecorderSink;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Lines that are handed over at once, in bytes.
const CHUNK: usize = 32 << 10;
/// So many chunks are kept for clients that are behind. Who needs one that is gone is too slow.
const KEPT: usize = 512;
/// Clients that may wait for an answer at a time.
const WAITING: usize = 64;

/// Makes the two ends.
pub fn teller() -> (Teller, Asker) {
    let (log, _) = broadcast::channel(KEPT);
    let (asks, asked) = mpsc::channel(WAITING);
    (Teller { log: log.clone(), asked, batch: Vec::new() }, Asker { asks })
}

/// The end of the thread that has the events.
#[derive(Debug)]
pub struct Teller {
    log: broadcast::Sender<Arc<[u8]>>,
    asked: mpsc::Receiver<Asked>,
    batch: Vec<u8>,
}

/// The clients' end.
#[derive(Clone, Debug)]
pub struct Asker {
    asks: mpsc::Sender<Asked>,
}

/// Somebody wants to know what happens from now on.
#[derive(Debug)]
struct Asked {
    history: bool,
    answer: oneshot::Sender<Begin>,
}

/// What happens from a moment on.
#[derive(Debug)]
pub(super) struct Begin {
    /// What was before.
    pub(super) before: Before,
    /// Lines of events, whole ones.
    pub(super) events: broadcast::Receiver<Arc<[u8]>>,
}

/// What was before a moment.
#[derive(Debug)]
pub(super) enum Before {
    /// The journal's present segment says it, when its writer gets to it; `None` where nothing is being written.
    Recorded(Receiver<Option<Segment>>),
    /// What is known then, in lines.
    Known {
        /// The lines.
        lines: Vec<u8>,
        /// How many.
        count: u64,
    },
}

impl Teller {
    /// Takes an event in: each one that the correlator gets.
    pub fn event(&mut self, event: &Event) {
        if self.log.receiver_count() == 0 {
            return;
        }
        append(&mut self.batch, event);
        if self.batch.len() >= CHUNK {
            self.hand_over();
        }
    }

    /// All that happened before `now` was taken in: clients have no other clock to go by.
    pub fn up_to(&mut self, now: BootNs) {
        self.event(&Event { at: now, event: Kind::Tick });
    }

    /// Hands over what was taken in, and lets those begin who have asked.
    pub fn settle(&mut self, correlator: &Correlator, mut recorder: Option<&mut RecorderSink>) {
        self.hand_over();
        while let Ok(Asked { history, answer }) = self.asked.try_recv() {
            let before = match &mut recorder {
                Some(recorder) if history => Before::Recorded(recorder.locate()),
                _ => known(correlator),
            };
            // Who has gone meanwhile needs no answer.
            let _ = answer.send(Begin { before, events: self.log.subscribe() });
        }
    }

    fn hand_over(&mut self) {
        if !self.batch.is_empty() {
            // Where nobody is left to read it, nobody misses it.
            let _ = self.log.send(self.batch.as_slice().into());
            self.batch.clear();
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl Asker {
    /// What happens from now on, and what was before. None where the other end has ended.
    pub(super) async fn begin(&self, history: bool) -> Option<Begin> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Asked { history, answer }).await.ok()?;
        answered.await.ok()
    }
}

fn known(correlator: &Correlator) -> Before {
    let recap = correlator.recap(correlator.now());
    let mut lines = Vec::new();
    let count = recap.iter().filter(|event| append(&mut lines, event)).count() as u64;
    Before::Known { lines, count }
}

/// Adds a line, and says whether that was possible.
fn append(lines: &mut Vec<u8>, event: &Event) -> bool {
    let whole = lines.len();
    let written = serde_json::to_writer(&mut *lines, event).is_ok();
    if written {
        lines.push(b'\n');
    } else {
        lines.truncate(whole);
    }
    written
}
