//! What the service manager is told, as sd_notify(3) has it: nothing where it does not ask.

use crate::clock;
use std::env;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where to tell how the daemon does.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID` say. The daemon starts no other program that could take
    /// them for its own.
    pub fn from_environment() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        let ours = env::var_os("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID").is_some_and(|pid| pid == u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|limit| ours && *limit > 0).map(Duration::from_micros);
        match Self::to(&name, limit) {
            Ok(notify) => notify,
            Err(error) => {
                log::warn!("cannot tell the service manager anything: NOTIFY_SOCKET is {name:?}: {error}");
                Self::default()
            }
        }
    }

    /// To the socket at this path, or of this abstract name where it begins with `@`; it expects a sign of life within
    /// `watchdog`.
    pub fn to(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::Error::new(ErrorKind::InvalidInput, "neither a path nor an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        // Events don't wait for whoever is told of them.
        socket.set_nonblocking(true)?;
        Ok(Self { to: Some((socket, address)), watchdog })
    }

    /// Whether anybody wants to be told.
    pub(super) fn is_wanted(&self) -> bool {
        self.to.is_some()
    }

    /// Within which time a sign of life is expected, if it is.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The settings are being read again; the next is that it is ready.
    pub(super) fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic_us()));
    }

    /// It was told to end.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Sends, and says whether there is no more to be done about it: not where it would have to be waited for.
    pub(super) fn send(&self, what: &str) -> bool {
        let Some((socket, address)) = &self.to else { return true };
        let sent = socket.send_to_addr(what.as_bytes(), address);
        !sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn paths_and_abstract_names_are_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let at_path = UnixDatagram::bind(&path).expect("a socket");
        let notify = Notify::to(path.as_os_str(), None).expect("a path");
        assert!(notify.send("READY=1") && notify.is_wanted());
        assert_eq!(received(&at_path), "READY=1");

        let name = format!("drain-observer-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let of_name = UnixDatagram::bind_addr(&address).expect("a socket");
        let notify =
            Notify::to(OsStr::new(&format!("@{name}")), Some(Duration::from_secs(1))).expect("a name");
        notify.reloading();
        let told = received(&of_name);
        let since_boot = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the time is told, too");
        assert!(since_boot.parse::<u64>().is_ok_and(|time| time <= clock::monotonic_us()), "{told}");
        assert_eq!(notify.watchdog(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn nobody_is_told_where_nobody_asks() {
        let notify = Notify::default();
        assert!(!notify.is_wanted() && notify.send("READY=1"));
        assert!(Notify::to(OsStr::new("vsock:2:1234"), None).is_err());
        let gone = Notify::to(Path::new("/nonexistent/notify").as_os_str(), None).expect("a path");
        assert!(gone.send("READY=1"), "that will not change by waiting");
    }

    #[test]
    fn a_full_socket_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let notify = Notify::to(path.as_os_str(), None).expect("a path");
        let taken = (0..1_000_000).take_while(|_| notify.send("WATCHDOG=1")).count();
        assert!((1..1_000_000).contains(&taken), "{taken} messages nobody read");
        assert_eq!(received(&socket), "WATCHDOG=1");
        assert!(notify.send("READY=1"), "there is room again");
    }
}
