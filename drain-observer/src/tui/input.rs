//! Keys, clicks and sizes, as they come.

use super::engine::Message;
use anyhow::{Context, Result};
use ratatui::crossterm::event;
use std::sync::mpsc::SyncSender;
use std::thread;

/// Sends what the user does, from a thread that ends with the receiver or, while nothing is typed, with the process.
pub(crate) fn start(sender: SyncSender<Message>) -> Result<()> {
    let read = move || {
        loop {
            let message = match event::read() {
                Ok(event) => Message::Input(event),
                // The terminal is gone, and with it whoever could type.
                Err(error) => {
                    let error = anyhow::Error::new(error).context("reading from the terminal");
                    let _ = sender.send(Message::Ended(Err(error)));
                    return;
                }
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("input".into()).spawn(read).context("starting the thread that reads keys")?;
    Ok(())
}
