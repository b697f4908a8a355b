//! The daemon's side: a thread of its own, a bounded number of clients, and bounds to each.

use super::DEFAULT_PATH;
use super::office::{Office, refusal};
use super::peer::Allowed;
use super::teller::Asker;
use crate::journal::Header;
use anyhow::{Context as _, Result, bail};
use rustix::fs::{Gid, Mode, Uid, chmod, chown};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener as StdListener;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// Clients at a time; more are told to come later.
const MAX_CLIENTS: usize = 256;
/// Clients get the last events by then when the daemon ends.
const OVER_WITHIN: Duration = Duration::from_millis(500);
/// Without a free descriptor accepting fails until one is closed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Where the daemon listens, and who may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// The socket's path. Its directory is made if it does not exist.
    pub path: PathBuf,
    /// Permissions of the socket. Where others may write, everybody is answered.
    pub mode: u32,
    /// The group that may come, besides root and the daemon's own user; it gets the socket.
    pub group: Option<u32>,
}

/// What came of it so far.
#[derive(Debug, Default)]
pub struct SocketStatus {
    pub(super) clients: AtomicU64,
    pub(super) served: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// A socket that is listened at, and answered when [`Bound::serve`] is called.
#[derive(Debug)]
pub struct Bound {
    listener: StdListener,
    file: SocketFile,
    /// Its directory is there for nothing else.
    own_directory: bool,
    allowed: Allowed,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Server {
    _file: SocketFile,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The socket's file, which goes with who listens.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever may not remove it leaves it to the next one.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl SocketStatus {
    /// Clients that are connected now.
    pub fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    /// Clients that got what they asked for, or as much of it as they took.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Clients that were turned away.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Clients that were dropped because they read too slowly.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Bound {
    /// Listens. A socket that a daemon has left behind is replaced; one that is answered is not.
    pub fn new(settings: &SocketSettings) -> Result<Self> {
        let SocketSettings { path, mode, group } = settings;
        let cannot =
            || format!("cannot listen at {}: choose another path with --socket, or none", path.display());
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        dir.map(std::fs::create_dir_all).transpose().with_context(cannot)?;
        let own_directory = dir.is_some() || path.parent() == Path::new(DEFAULT_PATH).parent();
        if StdStream::connect(path).is_ok() {
            bail!(
                "a daemon answers already at {}: end it, or choose another path with --socket, or none",
                path.display()
            );
        }
        remove_left_behind(path).with_context(cannot)?;
        let listener = StdListener::bind(path).with_context(cannot)?;
        let file = SocketFile(path.clone());
        if let Some(group) = group {
            let what = || {
                format!(
                    "cannot give {} to the group {group}: choose another with --socket-group",
                    path.display()
                )
            };
            chown(path, None, Some(Gid::from_raw(*group))).with_context(what)?;
        }
        chmod(path, Mode::from_raw_mode(*mode)).with_context(cannot)?;
        listener.set_nonblocking(true).with_context(cannot)?;
        let allowed = match group {
            _ if mode & Mode::WOTH.as_raw_mode() != 0 => Allowed::Everybody,
            Some(group) => Allowed::Group(*group),
            None => Allowed::Nobody,
        };
        Ok(Self { listener, file, own_directory, allowed })
    }

    /// Answers from now on. `header` is what a journal made now would begin with, `journal` the directory of the flight
    /// recorder.
    pub fn serve(
        self,
        asker: Asker,
        header: Header,
        journal: Option<PathBuf>,
        status: Arc<SocketStatus>,
    ) -> Result<Server> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // They look into the journal's directory for clients, few of which are told at a time what was before.
            .max_blocking_threads(2)
            .build()
            .context("cannot set up waiting for clients")?;
        let (stop, stopped) = oneshot::channel();
        let Self { listener, file, allowed, .. } = self;
        let office = Office::new(asker, header, journal, status, allowed);
        let serve = move || runtime.block_on(serve(listener, Arc::new(office), stopped));
        let thread = std::thread::Builder::new().name("socket".to_owned()).spawn(serve);
        let thread = thread.context("cannot start the thread that answers at the socket")?;
        Ok(Server { _file: file, stop: Some(stop), thread: Some(thread) })
    }

    /// Lets a user remove the socket, if its directory was made for it.
    pub fn give_to(&self, user: u32, group: u32) -> Result<()> {
        let Some(dir) = self.file.0.parent().filter(|_| self.own_directory) else { return Ok(()) };
        chown(dir, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
            .with_context(|| format!("cannot give {} to the user {user}", dir.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A thread that has ended needs no telling, and said why when it did.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(listener: StdListener, office: Arc<Office>, stopped: oneshot::Receiver<()>) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            return log::warn!("nobody is answered at the socket: cannot wait for clients: {error}");
        }
    };
    let places = Arc::new(Semaphore::new(MAX_CLIENTS));
    tokio::select! {
        _ = stopped => {}
        () = accept(&listener, office, &places) => {}
    }
    let everybody = u32::try_from(MAX_CLIENTS).unwrap_or(u32::MAX);
    // Who is not done by then is cut off.
    let _ = timeout(OVER_WITHIN, places.acquire_many(everybody)).await;
}

async fn accept(listener: &UnixListener, office: Arc<Office>, places: &Arc<Semaphore>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            office.status.refused.fetch_add(1, Ordering::Relaxed);
            let _ = stream
                .try_write(&refusal(format!("{MAX_CLIENTS} clients are there already: try again later")));
            continue;
        };
        let office = office.clone();
        tokio::spawn(async move {
            office.serve(stream).await;
            drop(place);
        });
    }
}

/// Only a socket that nobody answers may go: anything else at that path is somebody's.
fn remove_left_behind(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(ErrorKind::AlreadyExists, "there is something else than a socket")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
