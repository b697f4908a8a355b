//! Observing through a daemon: its events instead of one's own, for the same sinks.

use super::client::{Live, NOT_UNDERSTOOD};
use super::wire::MAX_LINE;
use crate::correlate::Correlator;
use crate::event::{BootNs, Event, Kind, Lost};
use crate::journal::Baseline;
use crate::runtime::Sink;
use anyhow::{Context as _, Result};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

/// What a sink shows of time it shows so often.
const SETTLE: Duration = Duration::from_millis(250);
/// A daemon that has something to say several times a second, and says nothing for so long, does not run.
const SILENT: Duration = Duration::from_secs(10);
/// Bytes that are read at once.
const READ: usize = 256 << 10;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it was told to.
    Done,
    /// The daemon ended, in good order.
    Stopped,
    /// The daemon is not to be heard any more; why, in words.
    Gone(String),
}

/// Has the sink and the correlator take in what a daemon tells, until `end` comes, for `duration`, until the sink is done
/// or the daemon gone. Everything that was before has to be taken in by then ([`Live::catch_up`]).
pub async fn follow<S: Sink>(
    live: Live,
    correlator: &mut Correlator,
    sink: &mut S,
    end: impl Future<Output = ()>,
    duration: Option<Duration>,
) -> Result<Ending> {
    let (stream, bytes, baseline) = live.into_parts();
    stream.set_nonblocking(true).context("cannot wait for the daemon")?;
    let mut stream = UnixStream::from_std(stream).context("cannot wait for the daemon")?;
    let mut tale = Tale { correlator, sink, baseline, bytes, unknown: 0, stopped: false };
    tale.bytes.reserve(READ);
    tale.take();
    let late = async {
        match duration {
            Some(duration) => sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let mut settle = interval(SETTLE);
    settle.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    tokio::pin!(end, late);
    while !tale.sink.is_done() {
        tokio::select! {
            biased;
            () = &mut end => break,
            () = &mut late => break,
            read = stream.read_buf(&mut tale.bytes) => {
                heard = Instant::now();
                match read {
                    Ok(0) | Err(_) if tale.stopped => return Ok(Ending::Stopped),
                    Ok(0) => return Ok(Ending::Gone("it closed the connection: it was ended, or this program read too slowly".to_owned())),
                    Ok(_) => tale.take(),
                    Err(error) => return Ok(Ending::Gone(error.to_string())),
                }
                if tale.bytes.len() > MAX_LINE {
                    return Ok(Ending::Gone("its lines have no end".to_owned()));
                }
            }
            _ = settle.tick() => tale.settle(),
            () = sleep_until(heard + SILENT) => {
                return Ok(Ending::Gone(format!("it has said nothing for {} s: does it run?", SILENT.as_secs())));
            }
        }
    }
    Ok(Ending::Done)
}

struct Tale<'a, S> {
    correlator: &'a mut Correlator,
    sink: &'a mut S,
    baseline: Baseline,
    /// What was read and is no whole line yet.
    bytes: Vec<u8>,
    /// Events that were not understood since it was told last.
    unknown: u64,
    stopped: bool,
}

impl<S: Sink> Tale<'_, S> {
    /// Takes in all whole lines.
    fn take(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Event>(line) {
                Ok(mut event) => {
                    self.stopped |= matches!(event.event, Kind::Ended);
                    self.baseline.leave_out(&mut event);
                    self.deliver(&event);
                }
                // Of a newer daemon.
                Err(_) => self.unknown += 1,
            }
        }
        bytes.drain(..whole);
        self.bytes = bytes;
        self.settle();
    }

    fn settle(&mut self) {
        let at = self.correlator.now();
        let unknown = std::mem::take(&mut self.unknown);
        if unknown > 0 {
            self.lost(at, Lost { what: "event".into(), reason: NOT_UNDERSTOOD.into(), count: unknown });
        }
        if let Some(lost) = self.sink.settle(self.correlator) {
            self.lost(at, lost);
        }
    }

    fn lost(&mut self, at: BootNs, lost: Lost) {
        self.deliver(&Event { at, event: Kind::Lost(lost) });
    }

    fn deliver(&mut self, event: &Event) {
        self.sink.event(event);
        self.correlator.handle(event);
        // The daemon asks the same, and the answers are among its events.
        while self.correlator.poll_request().is_some() {}
    }
}
