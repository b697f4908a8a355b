//! A timer that wakes the process once: one of the async runtime's wakes it twice or more for most times.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of the kernel's (timerfd_create(2)).
#[derive(Debug)]
pub(super) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// One that is off. Needs an async runtime.
    pub(super) fn new() -> Result<Alarm> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .context("cannot make a timer")?;
        // SAFETY: the descriptor is open, and owned by the `AsyncFd`, which nobody takes it out of.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        Ok(Alarm(timer.context("cannot wait for a timer")?))
    }

    /// Waits for so long. Given up, it is off or set anew by the next call.
    pub(super) async fn wait(&self, time: Duration) -> Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: zero, it_value: time };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once).context("cannot set a timer")?;
        loop {
            let mut ready = self.0.readable().await.context("cannot wait for a timer")?;
            let mut expirations = [0; 8];
            // Where it would block, it was an earlier time that had come.
            if ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?)).is_ok() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn it_waits_for_as_long_as_it_was_told_last() {
        let alarm = Alarm::new().expect("a timer");
        alarm.wait(Duration::ZERO).await.expect("no wait at all");
        // Given up, though its time comes.
        tokio::select! {
            biased;
            _ = alarm.wait(Duration::from_millis(1)) => unreachable!("the other is ready"),
            () = std::future::ready(()) => std::thread::sleep(Duration::from_millis(5)),
        }
        let began = Instant::now();
        alarm.wait(Duration::from_millis(20)).await.expect("a wait");
        assert!(began.elapsed() >= Duration::from_millis(20), "{:?}", began.elapsed());
    }
}
