//! Who feeds the screens: the correlator on this host's events, or on a journal's. Engines run on a thread of their
//! own, so that drawing never delays an event.

mod feed;
mod frames;
mod live;
mod remote;
mod replay;
mod signals;

use super::frame::{Frame, Scope};
pub use feed::Feed;
pub use live::{Live, run as run_live};
pub use remote::{Remote, run as run_remote};
pub use replay::{Replay, run as run_replay};
pub use signals::listen as listen_to_signals;
use std::sync::mpsc::{self, Receiver, SyncSender};

/// Messages that may wait. Frames are not sent where others wait; a newer one comes soon.
const WAITING: usize = 64;

/// What reaches the screens.
#[derive(Debug)]
pub enum Message {
    /// A key, a click, a new size.
    Input(ratatui::crossterm::event::Event),
    /// New facts. In a replay time may have gone back: what is later than this frame is then unknown again.
    Frame(Box<Frame>),
    /// Something to tell the user, such as progress or why there is nothing to see yet.
    Notice(String),
    /// SIGTSTP came, and was caught: restore the terminal and stop by SIGSTOP, which can't be.
    Suspend,
    /// It is over: the engine ended, in good order or with an error, or a signal asks for it.
    Ended(anyhow::Result<()>),
}

/// What the screens ask of an engine. Those about a replay mean nothing to a live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Send the connections of this scope with each frame from now on; `None` = no longer.
    List(Option<Scope>),
    /// Let a replay's time go on, or stop it. At its end it begins anew.
    Play(bool),
    /// On to the next thing of note, and stop there.
    Step,
    /// Seconds of the journal in a second.
    Speed(u32),
    /// On to the moment at which the next restart begins.
    NextRestart,
    /// Back to the moment at which this restart, or the one before it, began.
    PreviousRestart,
    /// End.
    Quit,
}

/// The channels between screens and engine.
pub fn channels() -> (Screens, Engine) {
    let (messages, inbox) = mpsc::sync_channel(WAITING);
    let (asks, asked) = mpsc::channel();
    (Screens { inbox, messages: messages.clone(), asks }, Engine { messages, asked })
}

/// The screens' ends.
#[derive(Debug)]
pub struct Screens {
    /// What comes.
    pub inbox: Receiver<Message>,
    /// For who reads the keyboard.
    pub messages: SyncSender<Message>,
    /// What is asked.
    pub asks: mpsc::Sender<Ask>,
}

/// An engine's ends.
#[derive(Debug)]
pub struct Engine {
    messages: SyncSender<Message>,
    asked: Receiver<Ask>,
}

impl Engine {
    /// Sends a frame unless others wait. Says whether it was sent.
    fn show(&self, frame: Frame) -> bool {
        self.messages.try_send(Message::Frame(Box::new(frame))).is_ok()
    }

    /// Sends a frame, however long that takes: no other may follow.
    fn show_surely(&self, frame: Frame) {
        // Where nobody is left to see it, nothing more will be asked either.
        let _ = self.messages.send(Message::Frame(Box::new(frame)));
    }

    /// Tells the user something. Where nobody is left to read it, it need not be told.
    fn tell(&self, notice: String) {
        let _ = self.messages.send(Message::Notice(notice));
    }

    /// Says that this was all.
    fn end(self, result: anyhow::Result<()>) {
        let _ = self.messages.send(Message::Ended(result));
    }
}
