//! What reaches the daemon from outside while it runs: to end, and to read its settings again.

use super::notify::Notify;
use crate::journal::Retention;
use crate::runtime::{Hangup, Stop};
use anyhow::Result;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use tokio::sync::oneshot;

/// What can be changed while the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Names of services that metrics may have.
    pub max_services: usize,
    /// What the flight recorder keeps, where there is one.
    pub retention: Option<Retention>,
}

/// Reads the settings again and gives what they are now, or `None` where those in force are to stay; says what there is
/// to say about it itself. Called on a thread of its own: it may take its time.
pub type Reload = Arc<dyn Fn() -> Option<Tuning> + Send + Sync>;

/// What the daemon listens to while it runs, and who is told of it.
pub struct Control {
    stop: Stop,
    hangup: Hangup,
    reload: Reload,
    pub(super) notify: Arc<Notify>,
}

impl Control {
    /// From now on signals are remembered: SIGINT and SIGTERM end the daemon, SIGHUP has it `reload`. Needs an async
    /// runtime.
    pub fn listen(reload: Reload, notify: Notify) -> Result<Self> {
        let (stop, hangup) = (Stop::listen_but_to_hangup()?, Hangup::listen()?);
        Ok(Self { stop, hangup, reload, notify: Arc::new(notify) })
    }

    /// Waits until the daemon is to end. Whenever the settings were read again, what became of it goes to `told`.
    pub(super) async fn until_stopped(self, told: Sender<Option<Tuning>>) {
        let Self { mut stop, mut hangup, reload, notify } = self;
        loop {
            tokio::select! {
                biased;
                () = stop.wanted() => break,
                () = hangup.next() => notify.reloading(),
            }
            tokio::select! {
                biased;
                () = stop.wanted() => break,
                // Who takes it ends later than this.
                tuning = read_again(Arc::clone(&reload)) => {
                    let _ = told.send(tuning);
                }
            }
        }
        notify.stopping();
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("notify", &self.notify).finish_non_exhaustive()
    }
}

/// The file may lie on a disk that is slow or gone: events are not to wait for it, nor is the end.
async fn read_again(reload: Reload) -> Option<Tuning> {
    let (sender, receiver) = oneshot::channel();
    // Where nobody waits any more, the daemon has been told to end.
    let read = move || {
        let _ = sender.send(reload());
    };
    if let Err(error) = thread::Builder::new().name("reload".into()).spawn(read) {
        log::warn!("cannot read the settings again: no thread to be had: {error}; those in force stay");
        return None;
    }
    receiver.await.unwrap_or_else(|_| {
        log::warn!("reading the settings again failed; those in force stay");
        None
    })
}
