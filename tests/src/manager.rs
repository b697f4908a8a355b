//! A service manager, as far as it listens to what its services tell it (sd_notify(3)).

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::wait;

/// Listens at a socket of its own.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    name: String,
    told: RefCell<Vec<String>>,
    _dir: Option<TempDir>,
}

impl Manager {
    /// At a path.
    pub fn at_path() -> Result<Self> {
        let dir = tempfile::tempdir().context("making a directory")?;
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).context("making a socket")?;
        // As systemd's own: services are other users.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        let name = path.to_str().context("a path in UTF-8")?.to_owned();
        Ok(Self { socket, name, told: RefCell::default(), _dir: Some(dir) })
    }

    /// At an abstract name.
    pub fn of_name(name: &str) -> Result<Self> {
        let name = format!("{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).context("a name")?;
        let socket = UnixDatagram::bind_addr(&address).context("making a socket")?;
        Ok(Self { socket, name: format!("@{name}"), told: RefCell::default(), _dir: None })
    }

    /// What `$NOTIFY_SOCKET` is to be.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the next message that is as wanted, for at most `limit` (patiently), and gives it; those before it are
    /// skipped.
    pub fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let limit = wait::patient(limit);
        let deadline = Instant::now() + limit;
        while let Some(message) = self.next_until(deadline)? {
            if wanted(&message) {
                return Ok(message);
            }
        }
        bail!("waited {limit:?} for {what}, in vain; it was told {:?}", self.told.borrow())
    }

    /// What is told from now until `time` has passed; what was told before is skipped.
    pub fn told_within(&self, time: Duration) -> Result<Vec<String>> {
        self.told_by_now()?;
        let deadline = Instant::now() + time;
        let mut told = Vec::new();
        while let Some(message) = self.next_until(deadline)? {
            told.push(message);
        }
        Ok(told)
    }

    fn told_by_now(&self) -> Result<()> {
        while self.next_until(Instant::now())?.is_some() {}
        Ok(())
    }

    fn next_until(&self, deadline: Instant) -> Result<Option<String>> {
        let wait = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait)).context("setting a limit")?;
        let mut bytes = [0; 4096];
        match self.socket.recv(&mut bytes) {
            Ok(length) => {
                let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
                self.told.borrow_mut().push(message.clone());
                Ok(Some(message))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error).context("receiving what a service tells"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_waited_for() {
        let manager = Manager::at_path().expect("a socket");
        let service = UnixDatagram::unbound().expect("a socket");
        for message in ["READY=1", "STATUS=one", "STATUS=two"] {
            service.send_to(message.as_bytes(), manager.name()).expect("a message");
        }
        let limit = Duration::from_secs(5);
        let two = manager.wait_for("two", limit, |message| message.ends_with("two")).expect("it was told");
        assert_eq!(two, "STATUS=two");
        let silence =
            manager.wait_for("three", Duration::from_millis(1), |message| message.ends_with("three"));
        assert!(silence.expect_err("nobody told it").to_string().contains("STATUS=one"));
        assert!(manager.told_within(Duration::from_millis(1)).expect("a socket").is_empty());
    }
}
