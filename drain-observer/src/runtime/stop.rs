//! Being told to stop.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end observing in good order: SIGINT, SIGTERM and, when the terminal goes away, SIGHUP.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

/// SIGHUP where it does not end anything.
pub struct Hangup(Signal);

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
        Ok(Stop { hangup: Some(listen(SignalKind::hangup())?), ..Self::listen_but_to_hangup()? })
    }

    /// The same without SIGHUP, which is for [`Hangup`] then.
    pub fn listen_but_to_hangup() -> Result<Stop> {
        Ok(Stop {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: None,
        })
    }

    /// Waits until one comes, or came.
    pub async fn wanted(&mut self) {
        self.next().await;
    }

    /// Waits for the next, and says which it is.
    pub async fn next(&mut self) -> StopSignal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = hangup => StopSignal::Hangup,
        }
    }
}

impl Hangup {
    /// From now on SIGHUP is remembered instead of ending the process.
    pub fn listen() -> Result<Hangup> {
        Ok(Hangup(listen(SignalKind::hangup())?))
    }

    /// Waits until one comes, or came; several that came meanwhile are one.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot handle signals")
}
