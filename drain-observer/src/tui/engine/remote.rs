//! The engine on what a daemon observes.

use super::frames::Frames;
use super::{Engine, Feed};
use crate::correlate::Config;
use crate::selection::Selection;
use crate::socket::{self, Connection, Ending, SocketError, follow};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// A daemon that is gone is asked for so often, and the user listened to.
const AGAIN: Duration = Duration::from_millis(500);

/// A daemon to follow.
#[derive(Debug)]
pub struct Remote {
    /// Its socket.
    pub path: PathBuf,
    /// Which services, besides the daemon's own selection.
    pub selection: Selection,
    /// It has answered already.
    pub first: Option<socket::Live>,
}

/// Follows until asked to end; a daemon that goes away is waited for.
pub fn run(remote: Remote, engine: Engine) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .context("cannot set up waiting for the daemon")
        .and_then(|runtime| runtime.block_on(follow_on(remote, &engine)));
    engine.end(result);
}

async fn follow_on(mut remote: Remote, engine: &Engine) -> Result<()> {
    let Some(mut live) = remote.first.take() else { return Ok(()) };
    loop {
        engine.tell("catching up with the daemon ..".to_owned());
        let mut frames = Frames::new(engine, Feed::new(live.header(), &remote.selection));
        let caught_up = live.catch_up(Config::default(), |event| frames.learn(event));
        let ending = match caught_up {
            Ok(mut correlator) => {
                follow(live, &mut correlator, &mut frames, std::future::pending(), None).await?
            }
            Err(error) => Ending::Gone(error.to_string()),
        };
        let why = match ending {
            Ending::Done => return Ok(()),
            Ending::Stopped => "it was ended".to_owned(),
            Ending::Gone(why) => why,
        };
        engine.tell(format!("the daemon is gone ({why}); waiting for it"));
        live = loop {
            sleep(AGAIN).await;
            if frames.is_quit() {
                return Ok(());
            }
            match Connection::open(&remote.path).and_then(|connection| connection.live(true)) {
                Ok(live) => break live,
                // It will not change its mind.
                Err(error @ (SocketError::Version { .. } | SocketError::Forbidden(_))) => {
                    return Err(error.into());
                }
                Err(_) => {}
            }
        };
    }
}
