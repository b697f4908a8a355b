//! When the service manager is told what. Everything is told as the event loop turns, so that a daemon that hangs says
//! nothing, and one at rest is not woken for it.

use super::notify::Notify;
use crate::event::BootNs;

const SECOND: BootNs = 1_000_000_000;

/// Tells what is due.
#[derive(Debug)]
pub(super) struct Herald<'a> {
    notify: &'a Notify,
    /// Nobody has been told yet that all is in place.
    ready_due: bool,
    /// Half of the time after which a daemon without a sign of life is killed.
    alive_every: Option<BootNs>,
    alive_at: Option<BootNs>,
    status: String,
    status_at: Option<BootNs>,
}

impl<'a> Herald<'a> {
    pub(super) fn new(notify: &'a Notify) -> Self {
        let half = |limit: std::time::Duration| BootNs::try_from(limit.as_nanos() / 2).unwrap_or(BootNs::MAX);
        let alive_every = notify.watchdog().map(half);
        Self { notify, ready_due: true, alive_every, alive_at: None, status: String::new(), status_at: None }
    }

    /// All is in place again.
    pub(super) fn ready(&mut self) {
        self.ready_due = true;
    }

    /// The event loop turned, and it is `now`. `status` gives a line about how things are, where one is due.
    pub(super) fn turned(&mut self, now: BootNs, status: impl FnOnce() -> String) {
        if !self.notify.is_wanted() {
            return;
        }
        if self.ready_due && self.notify.send("READY=1") {
            self.ready_due = false;
        }
        let due = |last: Option<BootNs>, every| last.is_none_or(|last| now.saturating_sub(last) >= every);
        if self.alive_every.is_some_and(|every| due(self.alive_at, every)) && self.notify.send("WATCHDOG=1") {
            self.alive_at = Some(now);
        }
        if due(self.status_at, SECOND) {
            self.status_at = Some(now);
            let status = status();
            if status != self.status && self.notify.send(&format!("STATUS={status}")) {
                self.status = status;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    /// What was told since this was asked last.
    fn told(socket: &UnixDatagram) -> Vec<String> {
        let mut bytes = [0; 256];
        let next = || {
            socket.recv(&mut bytes).ok().map(|length| String::from_utf8_lossy(&bytes[..length]).into_owned())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_thing_is_told_when_it_is_due() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        let notify = Notify::to(path.as_os_str(), Some(Duration::from_secs(4))).expect("a path");
        let mut herald = Herald::new(&notify);
        let mut turned = |quarters: u64, status: &str| {
            herald.turned(quarters * SECOND / 4, || status.to_owned());
            told(&socket)
        };
        assert_eq!(turned(400, "a"), ["READY=1", "WATCHDOG=1", "STATUS=a"]);
        assert!(turned(401, "b").is_empty(), "not within a second");
        assert_eq!(turned(404, "b"), ["STATUS=b"]);
        assert_eq!(turned(408, "b"), ["WATCHDOG=1"], "half of the time");
        assert!(turned(410, "b").is_empty());
        assert_eq!(turned(416, "c"), ["WATCHDOG=1", "STATUS=c"]);
        herald.ready();
        herald.turned(416 * SECOND / 4, || unreachable!("not within a second"));
        assert_eq!(told(&socket), ["READY=1"]);
    }

    #[test]
    fn nothing_is_made_for_nobody() {
        let notify = Notify::default();
        Herald::new(&notify).turned(1, || unreachable!("nobody is told"));
    }
}
