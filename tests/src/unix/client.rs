//! A client of a socket file: one process, one connection, one line about its fate.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use super::address;
use crate::clock;

/// What it is to do.
#[derive(Debug, Clone, Parser)]
#[command(name = "unix-client", about = "A client of a socket file, a test fixture")]
struct Options {
    /// Where to connect to; after an @ a name in the abstract namespace
    place: PathBuf,
    /// What to ask for; nothing by default
    request: Option<String>,
    /// Bytes that follow the request's head
    #[arg(long, default_value_t = 0)]
    body: usize,
    /// Do not wait for room in the accept queue
    #[arg(long)]
    nonblocking: bool,
    /// How long to wait for what comes, in milliseconds
    #[arg(long, default_value_t = 60_000)]
    patience: u64,
    /// Leave so many milliseconds after the request
    #[arg(long)]
    leave_after: Option<u64>,
    /// Wait until the server has closed the connection, and ask then
    #[arg(long)]
    late: bool,
    /// Stay so many milliseconds after knowing its fate
    #[arg(long, default_value_t = 0)]
    stay: u64,
}

/// One connection from the client's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixFate {
    /// The client.
    pub pid: i32,
    /// How it ended.
    pub ending: UnixEnding,
    /// Whether it had sent a request.
    pub asked: bool,
    /// When it called connect(2), CLOCK_BOOTTIME.
    pub started_boot_ns: u64,
    /// When it knew its fate, CLOCK_BOOTTIME.
    pub ended_boot_ns: u64,
}

/// How a connection ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnixEnding {
    /// A response came.
    Served,
    /// ECONNRESET.
    Reset,
    /// The end of the connection, with no response.
    Eof,
    /// Nobody listened.
    Refused,
    /// There was no such file.
    NoFile,
    /// The accept queue was full.
    Full,
    /// It waited long enough.
    Timeout,
    /// It left as it meant to.
    Left,
    /// EPIPE.
    Broken,
}

/// The program: says how it went, as JSON, on its standard output.
pub fn main() -> Result<()> {
    let options = Options::parse();
    let started_boot_ns = clock::boot_ns();
    let mut asked = false;
    let ending = live(&options, &mut asked)?;
    let pid = i32::try_from(std::process::id()).context("a pid fits an int")?;
    let fate = UnixFate { pid, ending, asked, started_boot_ns, ended_boot_ns: clock::boot_ns() };
    println!("{}", serde_json::to_string(&fate)?);
    thread::sleep(Duration::from_millis(options.stay));
    Ok(())
}

fn live(options: &Options, asked: &mut bool) -> Result<UnixEnding> {
    let mut stream = match connect(options) {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound => Ok(UnixEnding::NoFile),
                ErrorKind::ConnectionRefused => Ok(UnixEnding::Refused),
                ErrorKind::WouldBlock => Ok(UnixEnding::Full),
                _ => Err(error).context("connecting"),
            };
        }
    };
    if let Some(path) = &options.request {
        if let Err(error) = ask(&mut stream, path, options.body) {
            return broken(&error);
        }
        *asked = true;
        if let Some(ending) = wait(&mut stream, options)? {
            return Ok(ending);
        }
    }
    if !options.late {
        // The end that a server tells, which is all that is seen of a connection that it closed.
        return Ok(wait(&mut stream, options)?.filter(|_| !*asked).unwrap_or(UnixEnding::Served));
    }
    let patience = PollTimeout::try_from(options.patience).context("patience fits poll(2)")?;
    // A hang-up is told unasked.
    let closed = PollFlags::empty();
    match poll(&mut [PollFd::new(stream.as_fd(), closed)], patience).context("waiting for the server")? {
        0 => Ok(UnixEnding::Timeout),
        _ => match ask(&mut stream, "/", 0) {
            Ok(()) => Ok(UnixEnding::Served),
            Err(error) => broken(&error),
        },
    }
}

fn connect(options: &Options) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(options.nonblocking)?;
    socket.connect(&SockAddr::unix(address(&options.place))?)?;
    socket.set_nonblocking(false)?;
    Ok(OwnedFd::from(socket).into())
}

fn ask(stream: &mut UnixStream, path: &str, body: usize) -> io::Result<()> {
    let mut request = format!("GET {path} HTTP/1.1\r\nContent-Length: {body}\r\n\r\n").into_bytes();
    request.resize(request.len() + body, b'.');
    stream.write_all(&request)
}

/// Waits for a response, of which one read takes the whole; nothing where it came.
fn wait(stream: &mut UnixStream, options: &Options) -> Result<Option<UnixEnding>> {
    let (limit, impatient) = match options.leave_after {
        Some(millis) => (millis, UnixEnding::Left),
        None => (options.patience, UnixEnding::Timeout),
    };
    // Zero would be no limit at all.
    stream.set_read_timeout(Some(Duration::from_millis(limit.max(1)))).context("setting a time limit")?;
    match stream.read(&mut [0; 4096]) {
        Ok(0) => Ok(Some(UnixEnding::Eof)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(impatient)),
        Err(error) => broken(&error).map(Some),
    }
}

fn broken(error: &io::Error) -> Result<UnixEnding> {
    match error.kind() {
        ErrorKind::ConnectionReset => Ok(UnixEnding::Reset),
        ErrorKind::BrokenPipe => Ok(UnixEnding::Broken),
        kind => anyhow::bail!("the connection failed with {kind}: {error}"),
    }
}
