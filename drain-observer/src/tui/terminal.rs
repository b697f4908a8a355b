//! The terminal, taken over and given back: after the end, an error, a panic, and while in the background.

use crossterm::clipboard::CopyToClipboard;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::Size;

use anyhow::{Context, Result};
use rustix::process::{Signal, getpid, kill_process};
use std::io::{self, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// The terminal is in our hands. What the panic hook looks at, which may run on any thread.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives it back.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over. Standard input and output are one.
    pub(crate) fn take() -> Result<Self> {
        give_back_on_panic();
        enter()?;
        let terminal = match new_terminal() {
            Ok(terminal) => terminal,
            Err(error) => {
                give_back();
                return Err(error);
            }
        };
        Ok(Self { terminal })
    }

    /// Its size.
    pub(crate) fn size(&self) -> Result<Size> {
        self.terminal.size().context("asking the terminal for its size")
    }

    /// Draws what changed.
    pub(crate) fn draw(&mut self, render: impl FnOnce(&mut Buffer)) -> Result<()> {
        self.terminal.draw(|frame| render(frame.buffer_mut())).context("drawing on the terminal")?;
        Ok(())
    }

    /// Asks the terminal to copy a text to its clipboard. Whether it does is not told.
    pub(crate) fn copy(&mut self, text: &str) -> Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text)).context("writing to the terminal")
    }

    /// Gives the terminal back, stops this process, and takes the terminal again when it goes on.
    pub(crate) fn suspend(&mut self) -> Result<()> {
        give_back();
        // Not SIGTSTP, which the engine catches.
        kill_process(getpid(), Signal::STOP).context("stopping this process")?;
        enter()?;
        // A new one knows that nothing is drawn yet.
        self.terminal = new_terminal()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn new_terminal() -> Result<Terminal<CrosstermBackend<Stdout>>> {
    Terminal::new(CrosstermBackend::new(io::stdout())).context("asking the terminal for its size")
}

fn enter() -> Result<()> {
    enable_raw_mode().context("switching the terminal to raw mode")?;
    TAKEN.store(true, Ordering::SeqCst);
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, cursor::Hide);
    if entered.is_err() {
        give_back();
    }
    entered.context("switching the terminal to its alternate screen")
}

/// Gives the terminal back, if it was taken.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        leave(&mut io::stdout());
    }
}

/// Nothing can be done about a terminal that cannot be written to.
fn leave(out: &mut impl Write) {
    let _ = execute!(out, DisableMouseCapture, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

/// The message of a panic would be lost with the alternate screen, and a shell in raw mode is of no use.
fn give_back_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_switched_on_is_switched_off() {
        let mut out = Vec::new();
        leave(&mut out);
        let out = String::from_utf8(out).expect("escape sequences are ASCII");
        for sequence in ["\x1b[?1049l", "\x1b[?25h", "\x1b[?1000l", "\x1b[?1006l"] {
            assert!(out.contains(sequence), "{out:?}");
        }
    }

    #[test]
    fn a_panic_gives_it_back() {
        give_back_on_panic();
        TAKEN.store(true, Ordering::SeqCst);
        let panicked = std::panic::catch_unwind(|| panic!("on purpose"));
        assert!(panicked.is_err());
        assert!(!TAKEN.load(Ordering::SeqCst), "the hook gave it back");
    }
}
