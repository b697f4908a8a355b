//! Who feeds the screens: the correlator on this host's events, or on a journal's. Engines run on a thread of their
//! own, so that drawing never delays an event.

mod feed;

use super::frame::{Frame, Scope};
pub use feed::Feed;

/// What reaches the screens.
#[derive(Debug)]
pub enum Message {
    /// A key, a click, a new size.
    Input(ratatui::crossterm::event::Event),
    /// New facts.
    Frame(Box<Frame>),
    /// Something to tell the user, such as progress or why there is nothing to see yet.
    Notice(String),
    /// SIGTSTP: go to the background.
    Suspend,
    /// The engine ended: in good order, because of a signal, or with an error.
    Ended(anyhow::Result<()>),
}

/// What the screens ask of an engine. Those about a replay mean nothing to a live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Send the connections of this scope with each frame in which they changed; `None` = no longer.
    List(Option<Scope>),
    /// Let a replay's time go on, or stop it.
    Play(bool),
    /// On to the next thing of note, and stop there.
    Step,
    /// Seconds of the journal in a second.
    Speed(u32),
    /// On to the moment before the next restart begins.
    NextRestart,
    /// Back to the moment before the previous restart began.
    PreviousRestart,
    /// End.
    Quit,
}
