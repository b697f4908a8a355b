//! A terminal with a program in it: a pseudo-terminal, and what a user sees of it.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::{processes, wait};

/// Longest wait for any single thing.
const LIMIT: Duration = Duration::from_secs(20);

/// A program in a terminal of its own. Dropping it kills the program.
pub struct Terminal {
    child: Child,
    master: File,
    seen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts a program in a terminal of so many columns and lines.
    pub fn start(mut command: Command, columns: u16, lines: u16) -> Result<Self> {
        let size = size(columns, lines);
        let pty = openpty(Some(&size), None).context("opening a pseudo-terminal")?;
        let end = || pty.slave.try_clone().context("sharing the pseudo-terminal");
        command
            .stdin(end()?)
            .stdout(end()?)
            .stderr(end()?)
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8");
        command.env_remove("LC_ALL").env_remove("NO_COLOR");
        // SAFETY: between fork and exec the closure only calls setsid(2) and ioctl(2), which are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            })
        };
        let child =
            command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let seen = Arc::new(Mutex::new(vt100::Parser::new(some(lines)?, some(columns)?, 0)));
        let master = File::from(pty.master);
        watch(master.try_clone().context("sharing the pseudo-terminal")?, seen.clone());
        Ok(Self { child, master, seen })
    }

    /// The program's process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits an int")
    }

    /// Types.
    pub fn types(&mut self, keys: &str) -> Result<()> {
        self.master.write_all(keys.as_bytes()).context("typing")
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, columns: u16, lines: u16) -> Result<()> {
        self.seen().screen_mut().set_size(some(lines)?, some(columns)?);
        let size = size(columns, lines);
        // SAFETY: TIOCSWINSZ reads a winsize, which outlives the call; the descriptor is open.
        let set = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        ensure!(set == 0, "resizing the pseudo-terminal: {}", std::io::Error::last_os_error());
        Ok(())
    }

    /// The text on the screen.
    pub fn text(&self) -> String {
        self.seen().screen().contents()
    }

    /// Waits until all these texts are on the screen together, and gives the screen.
    pub fn wait_for(&self, texts: &[&str]) -> Result<String> {
        let found = || {
            let text = self.text();
            Ok(texts.iter().all(|wanted| text.contains(wanted)).then_some(text))
        };
        wait::until(&format!("{texts:?} on the screen"), LIMIT, found)
            .with_context(|| format!("on the screen was:\n{}", self.text()))
    }

    /// Waits until the program has given the terminal back as it was: no alternate screen, a cursor, no mouse, lines
    /// and echo.
    pub fn wait_until_restored(&self) -> Result<()> {
        let restored = || {
            let flags = tcgetattr(&self.master).context("asking for the terminal's modes")?.local_flags;
            let seen = self.seen();
            let screen = seen.screen();
            let clean = !screen.alternate_screen()
                && !screen.hide_cursor()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
                && flags.contains(LocalFlags::ICANON | LocalFlags::ECHO);
            Ok(clean.then_some(()))
        };
        wait::until("the terminal to be given back", LIMIT, restored)
    }

    /// Waits until the program is stopped, as by Ctrl-Z.
    pub fn wait_until_stopped(&self) -> Result<()> {
        let path = format!("/proc/{}/stat", self.pid());
        let stopped = || {
            let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('T'));
            Ok(state.unwrap_or(false).then_some(()))
        };
        wait::until("the program to stop", LIMIT, stopped)
    }

    /// Waits for the program's end.
    pub fn wait_for_exit(&mut self) -> Result<ExitStatus> {
        processes::wait_for_exit(self.pid(), LIMIT)
            .with_context(|| format!("on the screen was:\n{}", self.text()))?;
        self.child.wait().context("collecting the program")
    }

    fn seen(&self) -> MutexGuard<'_, vt100::Parser> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what the program writes until it and all its like are gone.
fn watch(mut master: File, seen: Arc<Mutex<vt100::Parser>>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = master.read(&mut bytes) {
            seen.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
        }
    });
}

fn some(length: u16) -> Result<NonZero<u16>> {
    NonZero::new(length).context("a terminal has columns and lines")
}

fn size(columns: u16, lines: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: lines, ws_xpixel: 0, ws_ypixel: 0 }
}
