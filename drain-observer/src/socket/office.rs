//! A conversation with a client, on the daemon's side.

use super::descriptors;
use super::peer::{Allowed, Peer};
use super::server::SocketStatus;
use super::teller::{Asker, Before, Begin};
use super::wire::{self, Answer, Ask, File, Files, MAX_FILES, MAX_HELLO, Mark, NotAsked, Reply, VERSION};
use crate::journal::{Catalog, Handed, Header, Segment};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Clients at a time that are told what was before: each takes memory for it.
const MAX_BEGINNING: usize = 4;
/// What a client wants it has to say by then.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// A client that takes nothing for so long is dropped.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// The journal's writer has to say by then where it is.
const LOCATED_WITHIN: Duration = Duration::from_secs(5);

/// What all conversations need.
pub(super) struct Office {
    pub(super) status: Arc<SocketStatus>,
    asker: Asker,
    header: Header,
    journal: Option<PathBuf>,
    allowed: Allowed,
    beginning: Semaphore,
}

/// Why a conversation ended early.
enum Failure {
    /// The client went away, or said something that is none of this.
    Client,
    /// The client is told why.
    Refused(String),
    /// It did not take what it was sent.
    Slow,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Client
    }
}

impl Office {
    pub(super) fn new(
        asker: Asker,
        header: Header,
        journal: Option<PathBuf>,
        status: Arc<SocketStatus>,
        allowed: Allowed,
    ) -> Self {
        Self { status, asker, header, journal, allowed, beginning: Semaphore::new(MAX_BEGINNING) }
    }

    /// Answers a client until it has what it wants, and counts it.
    pub(super) async fn serve(&self, mut stream: UnixStream) {
        self.status.clients.fetch_add(1, Ordering::Relaxed);
        let counter = match self.converse(&mut stream).await {
            Ok(()) | Err(Failure::Client) => &self.status.served,
            Err(Failure::Slow) => &self.status.dropped,
            Err(Failure::Refused(why)) => {
                let _ = stream.try_write(&refusal(why));
                &self.status.refused
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.status.clients.fetch_sub(1, Ordering::Relaxed);
    }

    async fn converse(&self, stream: &mut UnixStream) -> Result<(), Failure> {
        self.check(stream)?;
        match hello(stream).await? {
            Ask::Live { history } => self.tell_live(stream, history).await,
            Ask::Journal {} => self.hand_journal(stream).await,
        }
    }

    fn check(&self, stream: &UnixStream) -> Result<(), Failure> {
        let credentials = stream.peer_cred()?;
        let peer = Peer::new(credentials.uid(), credentials.gid(), stream.as_fd())?;
        let own = rustix::process::geteuid().as_raw();
        if peer.is_allowed(own, self.allowed) {
            return Ok(());
        }
        let whom = match self.allowed {
            Allowed::Group(group) => format!("members of the group {group} and root"),
            _ => "root".to_owned(),
        };
        Err(Failure::Refused(format!("only {whom} may use this daemon, and you are user {}", peer.uid)))
    }

    async fn tell_live(&self, stream: &mut UnixStream, history: bool) -> Result<(), Failure> {
        let place = self.beginning.acquire().await.map_err(|_| Failure::Client)?;
        let history = history && self.journal.is_some();
        let (segments, lines, recap, mut events) = match self.begin(history).await? {
            Begin { before: Before::Known { lines, count }, events } => (Vec::new(), lines, count, events),
            Begin { before: Before::Recorded(located), events } => match self.lately(located).await {
                segments if !segments.is_empty() => (segments, Vec::new(), 0, events),
                _ => match self.begin(false).await? {
                    Begin { before: Before::Known { lines, count }, events } => {
                        (Vec::new(), lines, count, events)
                    }
                    Begin { before: Before::Recorded(_), .. } => return Err(Failure::Client),
                },
            },
        };
        let header = Box::new(self.header.clone());
        let reply = Reply::Live { header, history: segments.iter().map(file).collect(), recap };
        send(stream, &answer(reply), &segments).await?;
        send(stream, &lines, &[]).await?;
        drop((segments, lines, place));
        loop {
            match events.recv().await {
                Ok(chunk) => send(stream, &chunk, &[]).await?,
                Err(RecvError::Lagged(_)) => return Err(Failure::Slow),
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    async fn begin(&self, history: bool) -> Result<Begin, Failure> {
        let ending = || Failure::Refused("the daemon is ending".to_owned());
        self.asker.begin(history).await.ok_or_else(ending)
    }

    /// The present segment and the one before it, as far as they are there.
    async fn lately(&self, located: Receiver<Option<Segment>>) -> Vec<Segment> {
        let dir = self.journal.clone();
        let find = move || {
            let Ok(Some(present)) = located.recv_timeout(LOCATED_WITHIN) else { return Vec::new() };
            let before = dir.and_then(|dir| segment_before(&dir, &present));
            before.into_iter().chain([present]).collect()
        };
        spawn_blocking(find).await.unwrap_or_default()
    }

    async fn hand_journal(&self, stream: &mut UnixStream) -> Result<(), Failure> {
        let none =
            || Failure::Refused("this daemon keeps no journal: it was started as `exporter`".to_owned());
        let dir = self.journal.clone().ok_or_else(none)?;
        let _place = self.beginning.acquire().await.map_err(|_| Failure::Client)?;
        let list = {
            let dir = dir.clone();
            move || {
                Catalog::read(&dir)
                    .map(|catalog| catalog.segments().to_vec())
                    .map_err(|error| error.to_string())
            }
        };
        let listed = spawn_blocking(list).await.map_err(|_| Failure::Client)?;
        let mut segments = listed.map_err(Failure::Refused)?;
        let excess = segments.len().saturating_sub(usize::try_from(wire::MAX_SEGMENTS).unwrap_or(usize::MAX));
        segments.drain(..excess);
        let reply = Reply::Journal { segments: segments.len() as u64, dir: dir.display().to_string() };
        send(stream, &answer(reply), &[]).await?;
        for batch in segments.chunks(MAX_FILES) {
            let open = batch.to_vec();
            let open = move || open.iter().filter_map(|segment| handed(&segment.path, segment)).collect();
            let open: Vec<Segment> = spawn_blocking(open).await.unwrap_or_default();
            let files = Files { segments: open.iter().map(file).collect() };
            send(stream, &wire::line(&files), &open).await?;
        }
        Ok(())
    }
}

/// What a client wants; one that speaks another version is told so.
async fn hello(stream: &mut UnixStream) -> Result<Ask, Failure> {
    let mut line = Vec::new();
    let read = async {
        while !line.contains(&b'\n') && line.len() < MAX_HELLO {
            if stream.read_buf(&mut line).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    timeout(HELLO_WITHIN, read).await.map_err(|_| Failure::Slow)??;
    wire::asked(&line).map_err(|not| {
        Failure::Refused(match not {
            // By the answer's mark alone the client knows.
            NotAsked::Version { found, program } => {
                log::warn!(
                    "a client was refused: drain-observer {program} speaks version {found} of the socket's protocol, \
                     and this daemon {VERSION}"
                );
                "another version of the protocol".to_owned()
            }
            NotAsked::Foreign => "this is drain-observer's socket: use `drain-observer tui`".to_owned(),
        })
    })
}

fn answer(reply: Reply) -> Vec<u8> {
    wire::line(&Answer { mark: Mark::this(), answer: reply })
}

pub(super) fn refusal(why: String) -> Vec<u8> {
    answer(Reply::Refused(why))
}

fn file(segment: &Segment) -> File {
    let name = segment.path.file_name().unwrap_or_default();
    File { name: name.to_string_lossy().into_owned(), bytes: segment.bytes }
}

/// Sends everything, and the files of segments with the first of it.
async fn send(stream: &UnixStream, bytes: &[u8], segments: &[Segment]) -> Result<(), Failure> {
    let files: Vec<BorrowedFd<'_>> =
        segments.iter().filter_map(|segment| Some(segment.handed.as_ref()?.as_fd())).collect();
    let mut files = files.as_slice();
    let mut left = bytes;
    while !left.is_empty() {
        let sent = stream.async_io(Interest::WRITABLE, || descriptors::send(stream, left, files));
        let sent = timeout(TAKEN_WITHIN, sent).await.map_err(|_| Failure::Slow)??;
        left = left.get(sent..).unwrap_or_default();
        files = &[];
    }
    Ok(())
}

/// Opens a segment under this name, or the one that it has meanwhile.
fn handed(path: &Path, segment: &Segment) -> Option<Segment> {
    let opened = |path: &Path| {
        let file = std::fs::File::open(path).ok()?;
        let bytes = file.metadata().ok()?.len();
        let handed = Some(Handed::new(file, bytes));
        Some(Segment { path: path.to_owned(), bytes, handed, ..segment.clone() })
    };
    opened(path).or_else(|| {
        let catalog = Catalog::read(path.parent()?).ok()?;
        let found = catalog.find(&segment.name)?.clone();
        Some(Segment { name: found.name, ..opened(&found.path)? })
    })
}

fn segment_before(dir: &Path, present: &Segment) -> Option<Segment> {
    let catalog = Catalog::read(dir).ok()?;
    let before = catalog
        .segments()
        .iter()
        .find(|one| one.name.run == present.name.run && one.name.sequence + 1 == present.name.sequence)?;
    handed(&before.path, before)
}
