//! The live screen for the person on call. Facts come in frames from an engine; commands and frames change the
//! state; drawing only reads it.

pub mod engine;
pub mod frame;
pub(crate) mod text;
pub mod theme;
pub(crate) mod view;

use anyhow::Result;
use engine::{Ask, Message, Screens};
use std::path::PathBuf;

/// How to show it.
#[derive(Debug)]
pub struct Options {
    /// ASCII characters only.
    pub ascii: bool,
    /// Where a summary is written besides the clipboard.
    pub copy_to: Option<PathBuf>,
}

/// Shows what the engine sends until the user has seen enough, or it ends.
pub fn run(screens: Screens, _options: Options) -> Result<()> {
    let ended = screens.inbox.iter().find_map(|message| match message {
        Message::Ended(result) => Some(result),
        _ => None,
    });
    // It may have ended already.
    let _ = screens.asks.send(Ask::Quit);
    ended.unwrap_or(Ok(()))
}
