//! The loop: messages change the state, and what it looks like then is drawn.

use super::app::{App, Effect};
use super::engine::{Ask, Message, Screens};
use super::terminal::Screen;
use super::theme::Theme;
use super::{export, input, view};
use crate::report::Report;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// What on the screen counts seconds is drawn so often.
const TICK: Duration = Duration::from_secs(1);
/// Messages handled before the screen is drawn again, so that a flood of them does not freeze it.
const BURST: usize = 1_000;

/// How to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// ASCII characters only.
    pub ascii: bool,
    /// Where a summary is written besides the clipboard.
    pub copy_to: Option<PathBuf>,
}

/// Shows what the engine sends until the user has seen enough, or it ends; gives its error if it had one. Takes the
/// terminal over, and gives it back in any case.
pub fn run(screens: Screens, options: Options) -> Result<()> {
    let Screens { inbox, messages, asks } = screens;
    let theme = Theme::detect(options.ascii, |name| std::env::var(name).ok());
    let mut screen = Screen::take()?;
    input::start(messages)?;
    let mut app = App::new(theme, screen.size()?);
    let started = Instant::now();
    loop {
        if app.take_dirty() {
            screen.draw(|buffer| view::draw(&app, buffer))?;
        }
        let mut next = match inbox.recv_timeout(TICK) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => bail!("the observer ended without saying why"),
        };
        for _ in 0..BURST {
            match next {
                Some(Message::Ended(result)) => return result,
                Some(message) => app.handle(message, started.elapsed()),
                None => break,
            }
            next = inbox.try_recv().ok();
        }
        app.tick(started.elapsed());
        for effect in app.take_effects() {
            if !perform(effect, &mut app, &mut screen, &asks, &options)? {
                return Ok(());
            }
        }
    }
}

/// Does what the state wants done; whether to go on.
fn perform(
    effect: Effect,
    app: &mut App,
    screen: &mut Screen,
    asks: &Sender<Ask>,
    options: &Options,
) -> Result<bool> {
    match effect {
        // An engine that is gone has said or will say so by a message.
        Effect::Ask(ask) => drop(asks.send(ask)),
        Effect::Save(report) => {
            let said = export::save(&report, Path::new(""));
            app.tell(
                said.map_or_else(
                    |error| format!("{error:#}"),
                    |path| format!("exported to {}", shown(&path)),
                ),
            );
        }
        Effect::Copy(report) => {
            let said = copy(&report, screen, options.copy_to.as_deref());
            app.tell(said.unwrap_or_else(|error| format!("{error:#}")));
        }
        Effect::Suspend => {
            screen.suspend()?;
            app.set_size(screen.size()?);
        }
        Effect::Quit => return Ok(false),
    }
    Ok(true)
}

/// Copies a restart in words, and says where to.
fn copy(report: &Report, screen: &mut Screen, file: Option<&Path>) -> Result<String> {
    let text = export::text(report)?;
    screen.copy(&text)?;
    let lines = text.lines().count();
    let Some(file) = file else {
        return Ok(format!(
            "sent {lines} lines to the terminal's clipboard (OSC 52); --copy-to FILE writes them too"
        ));
    };
    fs::write(file, &text).with_context(|| format!("writing {}", file.display()))?;
    Ok(format!(
        "sent {lines} lines to the terminal's clipboard (OSC 52), and wrote them to {}",
        file.display()
    ))
}

/// A path as a shell takes it from where it was started.
fn shown(path: &Path) -> String {
    if path.is_relative() && path.components().count() == 1 {
        return format!("./{}", path.display());
    }
    path.display().to_string()
}
