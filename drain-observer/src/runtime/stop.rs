//! Being told to stop.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end observing in good order: SIGINT, SIGTERM and, when the terminal goes away, SIGHUP.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// One of these signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    Hangup,
}

impl Stop {
    /// From now on these signals are remembered instead of ending the process.
    pub fn listen() -> Result<Stop> {
        let listen = |kind| signal(kind).context("cannot handle signals");
        Ok(Stop {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits until one comes, or came.
    pub async fn wanted(&mut self) {
        self.next().await;
    }

    /// Waits for the next, and says which it is.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.hangup.recv() => StopSignal::Hangup,
        }
    }
}
