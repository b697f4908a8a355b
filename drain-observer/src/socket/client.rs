//! The client's side: a person's program, which needs no privileges.

use super::descriptors;
use super::wire::{
    self, Answer, Ask, File, Files, Hello, MAX_LINE, MAX_SEGMENTS, Mark, Reply, VERSION, harmless,
};
use crate::correlate::{Config, Correlator};
use crate::event::{Event, Kind, Lost};
use crate::journal::{Baseline, Handed, Header, JournalError, Pending, Segment, SegmentName, Tool};
use crate::journal::{Events as _, Stats};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The daemon has to answer by then: it may be busy, and others may have asked before.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Why events are lost that a daemon tells and this program does not know.
pub(super) const NOT_UNDERSTOOD: &str = "not_understood";
/// Bytes that are read at once.
const READ: usize = 64 << 10;

/// Why a daemon can't be used.
#[derive(Debug, Error)]
pub enum SocketError {
    /// There is no such socket.
    #[error("no daemon listens at {}: there is no such socket", .0.display())]
    Missing(PathBuf),
    /// There is one that nobody answers.
    #[error("no daemon answers at {}: it has ended, and left its socket behind", .0.display())]
    Dead(PathBuf),
    /// This user may not use it.
    #[error(
        "you may not use the daemon at {}: that is for members of its group (`ls -l` shows which; \
         `usermod -aG GROUP USER` adds one, from the next login on) and root", .0.display()
    )]
    Forbidden(PathBuf),
    /// The daemon says no.
    #[error("the daemon at {} refused: {why}", path.display())]
    Refused {
        /// Its socket.
        path: PathBuf,
        /// What it says.
        why: String,
    },
    /// They do not understand each other.
    #[error(
        "the daemon at {} is {daemon} and speaks version {found} of the socket's protocol, this is {} {} and speaks \
         version {VERSION}: update the {}, or use --standalone",
        path.display(), Tool::this().name, Tool::this().version,
        if *found < VERSION { "daemon and restart it" } else { "program" }
    )]
    Version {
        /// Its socket.
        path: PathBuf,
        /// The daemon's program.
        daemon: String,
        /// Its version of the protocol.
        found: u64,
    },
    /// What listens there is no daemon, or is out of its mind.
    #[error("what answers at {} is no drain-observer: {reason}", path.display())]
    Foreign {
        /// Its socket.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system says no.
    #[error("cannot talk to the daemon at {}: {error}", path.display())]
    Io {
        /// Its socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What it recorded cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A connection to a daemon, over which nothing was said yet.
#[derive(Debug)]
pub struct Connection {
    lines: Lines,
}

/// What happens, told by a daemon.
#[derive(Debug)]
pub struct Live {
    header: Header,
    before: Before,
    baseline: Baseline,
    lines: Lines,
}

#[derive(Debug)]
enum Before {
    /// Files tell what was before.
    Recorded(Vec<Segment>),
    /// So many events that come first say what is known.
    Known(u64),
}

impl Connection {
    /// Connects.
    pub fn open(path: &Path) -> Result<Self, SocketError> {
        let path = path.to_owned();
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) => {
                return Err(match error.kind() {
                    ErrorKind::NotFound => SocketError::Missing(path),
                    ErrorKind::ConnectionRefused => SocketError::Dead(path),
                    ErrorKind::PermissionDenied => SocketError::Forbidden(path),
                    _ => SocketError::Io { path, error },
                });
            }
        };
        Self::over(stream, path)
    }

    /// Over a stream that is connected already; `path` is what messages call it.
    pub fn over(stream: UnixStream, path: PathBuf) -> Result<Self, SocketError> {
        let limited = stream
            .set_read_timeout(Some(ANSWER_WITHIN))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER_WITHIN)));
        limited.map_err(|error| SocketError::Io { path: path.clone(), error })?;
        Ok(Self { lines: Lines { stream, path, bytes: Vec::new(), files: VecDeque::new() } })
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.lines.path
    }

    /// Asks for what happens from now on; with `history` for what has happened lately, too.
    pub fn live(mut self, history: bool) -> Result<Live, SocketError> {
        match self.ask(Ask::Live { history })? {
            Reply::Live { header, history, recap } => {
                let before = match self.lines.segments(history)? {
                    segments if segments.is_empty() => Before::Known(recap),
                    segments => Before::Recorded(segments),
                };
                Ok(Live { header: *header, before, baseline: Baseline::default(), lines: self.lines })
            }
            _ => Err(self.lines.foreign("it answers something else than what it was asked")),
        }
    }

    /// Asks for the files of the journal, and says what directory they are in.
    pub fn journal(mut self) -> Result<(Vec<Segment>, PathBuf), SocketError> {
        let Reply::Journal { segments: count, dir } = self.ask(Ask::Journal {})? else {
            return Err(self.lines.foreign("it answers something else than what it was asked"));
        };
        if count > MAX_SEGMENTS {
            return Err(self.lines.foreign(format!("it has {count} files to hand over")));
        }
        let mut segments = Vec::new();
        let mut left = count;
        while left > 0 {
            // Those that went away meanwhile are left out of their line.
            left = left.saturating_sub(wire::MAX_FILES as u64);
            let Files { segments: files } = self.lines.next()?;
            segments.extend(self.lines.segments(files)?);
        }
        Ok((segments, PathBuf::from(dir)))
    }

    fn ask(&mut self, ask: Ask) -> Result<Reply, SocketError> {
        let hello = wire::line(&Hello { mark: Mark::this(), ask });
        // A daemon that refuses does so without reading what it is sent.
        let sent = io::Write::write_all(&mut &self.lines.stream, &hello);
        let line = match self.lines.line() {
            Ok(line) => line,
            Err(answer) => {
                return Err(sent.map_err(|error| self.lines.failed(error)).err().unwrap_or(answer));
            }
        };
        let path = self.lines.path.clone();
        let mark: Mark = self.lines.parse(&line)?;
        if mark.version != VERSION {
            let daemon = format!("{} {}", mark.tool.name, mark.tool.version);
            return Err(SocketError::Version { path, daemon: harmless(&daemon), found: mark.version });
        }
        let Answer { answer, .. } = self.lines.parse(&line)?;
        match answer {
            Reply::Refused(why) => Err(SocketError::Refused { path, why: harmless(&why) }),
            answer => Ok(answer),
        }
    }
}

impl Live {
    /// What a journal made now would begin with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Takes in what was before, and gives a correlator that knows it. `each` gets every event of it. Where there is a
    /// break in what was recorded, the correlator knows what came after it.
    pub fn catch_up(
        &mut self,
        config: Config,
        mut each: impl FnMut(&Event),
    ) -> Result<Correlator, SocketError> {
        let config = Config { hz: self.header.clock.hz, ..config };
        let mut correlator = Correlator::new(config.clone());
        let mut take = |event: &Event, correlator: &mut Correlator| {
            each(event);
            correlator.handle(event);
            // The daemon asks the same, and the answers are among its events.
            while correlator.poll_request().is_some() {}
        };
        // Of a newer daemon, or damaged.
        let mut unknown = 0;
        match std::mem::replace(&mut self.before, Before::Known(0)) {
            Before::Known(count) => {
                for _ in 0..count {
                    let line = self.lines.line()?;
                    let Ok(mut event) = serde_json::from_slice::<Event>(&line) else {
                        unknown += 1;
                        continue;
                    };
                    self.baseline.learn(&event);
                    self.baseline.leave_out(&mut event);
                    take(&event, &mut correlator);
                }
            }
            Before::Recorded(segments) => {
                let mut pending = Pending::new(segments, BTreeSet::new());
                while let Some(mut stretch) = pending.next_stretch(false)? {
                    correlator = Correlator::new(config.clone());
                    for event in stretch.by_ref() {
                        take(&event?, &mut correlator);
                    }
                    self.baseline = stretch.baseline().clone();
                    let Stats { broken_lines, unknown_events, .. } = stretch.stats();
                    unknown = broken_lines + unknown_events;
                }
            }
        }
        if unknown > 0 {
            let lost = Lost { what: "event".into(), reason: NOT_UNDERSTOOD.into(), count: unknown };
            take(&Event { at: correlator.now(), event: Kind::Lost(lost) }, &mut correlator);
        }
        Ok(correlator)
    }

    /// What is left when everything before was taken in: the stream, the bytes that were read of it already, and what to
    /// leave out of what the kernel has counted.
    pub(super) fn into_parts(self) -> (UnixStream, Vec<u8>, Baseline) {
        (self.lines.stream, self.lines.bytes, self.baseline)
    }
}

/// Lines, and the files that came with them.
#[derive(Debug)]
struct Lines {
    stream: UnixStream,
    path: PathBuf,
    bytes: Vec<u8>,
    files: VecDeque<OwnedFd>,
}

impl Lines {
    fn next<T: DeserializeOwned>(&mut self) -> Result<T, SocketError> {
        let line = self.line()?;
        self.parse(&line)
    }

    fn parse<T: DeserializeOwned>(&self, line: &[u8]) -> Result<T, SocketError> {
        serde_json::from_slice(line).map_err(|error| self.foreign(error))
    }

    fn line(&mut self) -> Result<Vec<u8>, SocketError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.bytes[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.bytes.split_off(searched + end + 1);
                return Ok(std::mem::replace(&mut self.bytes, rest));
            }
            searched = self.bytes.len();
            if searched > MAX_LINE {
                return Err(self.foreign("its lines have no end"));
            }
            let mut read = vec![0; READ];
            let length = match descriptors::receive(self.stream.as_fd(), &mut read, &mut self.files) {
                Ok(0) => return Err(self.foreign("it ended the conversation")),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(error)),
            };
            if self.files.len() as u64 > MAX_SEGMENTS {
                return Err(self.foreign("it hands over files that nobody asked for"));
            }
            self.bytes.extend_from_slice(&read[..length]);
        }
    }

    /// The files that came with a line, which has their names.
    fn segments(&mut self, files: Vec<File>) -> Result<Vec<Segment>, SocketError> {
        let mut segments = Vec::new();
        for File { name, bytes } in files {
            let file = self.files.pop_front();
            let Some((file, parsed)) = file.zip(SegmentName::parse(&name)) else {
                return Err(self.foreign("it announces files that are none"));
            };
            let handed = Some(Handed::new(file.into(), bytes));
            segments.push(Segment { path: PathBuf::from(name), name: parsed, bytes, handed });
        }
        Ok(segments)
    }

    fn foreign(&self, reason: impl ToString) -> SocketError {
        SocketError::Foreign { path: self.path.clone(), reason: reason.to_string() }
    }

    fn failed(&self, error: io::Error) -> SocketError {
        let path = self.path.clone();
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                let why = format!("it says nothing for {} s: does it run?", ANSWER_WITHIN.as_secs());
                SocketError::Io { path, error: io::Error::new(ErrorKind::TimedOut, why) }
            }
            _ => SocketError::Io { path, error },
        }
    }
}
