//! Signals as data: blocked for good and read from a descriptor, so that none arrives between two steps.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals this process has been sent. A forked child that inherits it reads its own.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals the server acts upon.
    pub(super) fn block() -> Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR2, Signal::SIGCHLD] {
            set.add(signal);
        }
        set.thread_block().context("blocking signals")?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
        Ok(Self(fd.context("opening a signalfd")?))
    }

    /// The next signal, if one is there.
    pub(super) fn next(&self) -> Result<Option<Signal>> {
        let Some(info) = self.0.read_signal().context("reading a signalfd")? else { return Ok(None) };
        let number = i32::try_from(info.ssi_signo).context("a signal number fits an int")?;
        Ok(Some(Signal::try_from(number).context("a signal that was blocked has a name")?))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
