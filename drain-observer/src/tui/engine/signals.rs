//! Signals to the program, as messages: whatever comes, the terminal is put right first.

use super::Message;
use crate::runtime::Stop;
use anyhow::{Context as _, Result};
use std::sync::mpsc::SyncSender;
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// From now on SIGINT, SIGTERM and SIGHUP are [`Message::Ended`], and SIGTSTP is [`Message::Suspend`].
pub fn listen(messages: SyncSender<Message>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.context("cannot set up waiting for signals")?;
    let (mut stop, mut suspend) = runtime.block_on(async {
        let suspend = signal(SignalKind::from_raw(libc::SIGTSTP)).context("cannot handle signals")?;
        anyhow::Ok((Stop::listen()?, suspend))
    })?;
    let wait = move || {
        runtime.block_on(async {
            loop {
                let message = tokio::select! {
                    () = stop.wanted() => Message::Ended(Ok(())),
                    _ = suspend.recv() => Message::Suspend,
                };
                let last = matches!(message, Message::Ended(_));
                if messages.send(message).is_err() || last {
                    return;
                }
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).context("cannot wait for signals")?;
    Ok(())
}
