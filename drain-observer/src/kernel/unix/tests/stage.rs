//! Attached probes, and socket files of their own for each test.

use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::event::{Event, HookState, Kind, UnixEnd, UnixEnded, UnixListener, UnixPath, UnixRefused};
use crate::kernel::{Drained, Kernel, Settings};
use crate::privilege;

/// How long a record may take: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// The probes, and what they said.
pub(super) struct Stage {
    pub(super) kernel: Kernel,
    events: Vec<Event>,
    dir: TempDir,
}

impl Stage {
    /// `None`, saying why, where probes cannot be attached.
    pub(super) fn new() -> Option<Stage> {
        Stage::with(true)
    }

    /// The same with the unix probes off.
    pub(super) fn off() -> Option<Stage> {
        Stage::with(false)
    }

    fn with(unix: bool) -> Option<Stage> {
        if let Err(error) = privilege::check() {
            eprintln!("not run: {error}");
            return None;
        }
        // No port is of interest.
        let settings = Settings { ports: vec![1], all_connections: true, ..Settings::default() };
        let mut kernel = Kernel::attach(&settings).expect("probes that can be attached");
        kernel.watch_unix(unix).expect("probes of unix sockets");
        let dir = TempDir::new().expect("a directory for sockets");
        Some(Stage { kernel, events: Vec::new(), dir })
    }

    /// Whether a hook is there: older kernels lack some.
    pub(super) fn has(&self, hook: &str) -> bool {
        let is_there = |state| matches!(state, HookState::Attached | HookState::Degraded);
        self.kernel.unix_hooks().iter().any(|one| one.name == hook && is_there(one.state))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn listen(&self, name: &str) -> (StdListener, PathBuf) {
        let path = self.path(name);
        (StdListener::bind(&path).expect("a listener"), path)
    }

    /// The end of a connection of a listener of that name, the first that was not asked for yet.
    pub(super) fn ended(&mut self, path: &Path) -> UnixEnded {
        let wanted = unix_path(path);
        self.wait(|kind| match kind {
            Kind::UnixEnded(ended) if ended.path.as_ref() == Some(&wanted) => Some(ended.clone()),
            _ => None,
        })
    }

    /// The same, which must be of this kind.
    pub(super) fn ended_by(&mut self, path: &Path, how: UnixEnd) -> UnixEnded {
        let ended = self.ended(path);
        assert_eq!(ended.how, how, "{ended:?}");
        ended
    }

    pub(super) fn listener(&mut self, path: &UnixPath) -> UnixListener {
        self.wait(|kind| match kind {
            Kind::UnixListener(seen) if seen.path.as_ref() == Some(path) => Some(seen.clone()),
            _ => None,
        })
    }

    pub(super) fn refused(&mut self, path: &UnixPath) -> UnixRefused {
        self.wait(|kind| match kind {
            Kind::UnixRefused(refused) if refused.path.as_ref() == Some(path) => Some(refused.clone()),
            _ => None,
        })
    }

    /// Drops all events so far.
    pub(super) fn forget(&mut self) {
        self.drain();
        self.events.clear();
    }

    /// How many of the events so far are of interest.
    pub(super) fn count(&mut self, matches: impl Fn(&Kind) -> bool) -> usize {
        self.drain();
        self.events.iter().filter(|event| matches(&event.event)).count()
    }

    /// The first event of interest, which is taken out.
    pub(super) fn wait<T>(&mut self, find: impl Fn(&Kind) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drain();
            let found = self.events.iter().enumerate().find_map(|(at, one)| Some((at, find(&one.event)?)));
            if let Some((at, found)) = found {
                self.events.remove(at);
                return found;
            }
            assert!(Instant::now() < deadline, "no such event among {:#?}", self.unix_events());
            std::thread::sleep(PAUSE);
        }
    }

    fn drain(&mut self) {
        while self.kernel.drain(1_000, &mut self.events) == Drained::More {}
    }

    /// Those of sockets of this test.
    fn unix_events(&self) -> Vec<&Kind> {
        let ours = unix_path(self.dir.path()).to_string();
        let is_ours = |path: &Option<UnixPath>| {
            path.as_ref().is_none_or(|path| path.to_string().starts_with(&ours) || path.is_abstract())
        };
        let kinds = self.events.iter().map(|event| &event.event);
        kinds
            .filter(|kind| match kind {
                Kind::UnixListener(one) => is_ours(&one.path),
                Kind::UnixEnded(one) => is_ours(&one.path),
                Kind::UnixRefused(one) => is_ours(&one.path),
                _ => false,
            })
            .collect()
    }
}

pub(super) fn unix_path(path: &Path) -> UnixPath {
    use std::os::unix::ffi::OsStrExt;
    UnixPath::new(path.as_os_str().as_bytes())
}
