//! A small server at a socket file: one process, one request at a time. SIGTERM kills it as it does any program that has
//! nothing to say about it; SIGUSR1 shuts the listening socket down without closing it.
//! Paths: `/`, `/sleep/MS`.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, thread};

use anyhow::{Context, Result};
use clap::Parser;
use nix::sys::signal::{SigSet, Signal};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::address;

/// What is read of a request; the rest of a longer one stays unread.
const READ: usize = 1024;

/// How it is to behave.
#[derive(Debug, Clone, Parser)]
#[command(name = "unix-server", about = "A small server at a socket file, a test fixture")]
struct Options {
    /// Where to listen; after an @ a name in the abstract namespace
    #[arg(long)]
    path: PathBuf,
    /// Longest accept queue; it holds one more
    #[arg(long, default_value_t = 16)]
    backlog: i32,
    /// Remove the file that is there, whoever listens
    #[arg(long)]
    replace: bool,
    /// Go to the file's directory and bind its mere name
    #[arg(long)]
    relative: bool,
    /// Never accept a connection
    #[arg(long)]
    idle: bool,
    /// How long to wait for a request before closing the connection, in milliseconds
    #[arg(long, default_value_t = 60_000)]
    patience: u64,
}

/// The program: says `ready` on its standard output, then the path of each request that it has read.
pub fn main() -> Result<()> {
    let options = Options::parse();
    let mut usr1 = SigSet::empty();
    usr1.add(Signal::SIGUSR1);
    usr1.thread_block().context("blocking SIGUSR1")?;
    let listener = Arc::new(listen(&options)?);
    let own = Arc::clone(&listener);
    thread::spawn(move || {
        while usr1.wait().is_ok() {
            // What waits in the queue of a socket that is shut down can still be accepted.
            if SockRef::from(&*own).shutdown(std::net::Shutdown::Both).is_ok() {
                say("shut down");
            }
        }
    });
    say("ready");
    if !options.idle {
        accept_all(&listener, &options)?;
    }
    loop {
        thread::park();
    }
}

/// Serves one connection after the other, until the listener is shut down.
fn accept_all(listener: &UnixListener, options: &Options) -> Result<()> {
    loop {
        match listener.accept() {
            // Whoever left early is no reason to end.
            Ok((stream, _)) => drop(serve(stream, options)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(()),
            Err(error) => return Err(error).context("accepting a connection"),
        }
    }
}

fn listen(options: &Options) -> Result<UnixListener> {
    let mut path = options.path.clone();
    if options.relative {
        let directory = path.parent().context("a path with a directory")?;
        env::set_current_dir(directory).with_context(|| format!("going to {}", directory.display()))?;
        path = path.file_name().context("a path with a name")?.into();
    }
    if options.replace {
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).context("making a socket")?;
    let place = SockAddr::unix(address(&path)).with_context(|| format!("naming {}", path.display()))?;
    socket.bind(&place).with_context(|| format!("binding {}", path.display()))?;
    socket.listen(options.backlog).with_context(|| format!("listening at {}", path.display()))?;
    Ok(OwnedFd::from(socket).into())
}

fn serve(mut stream: UnixStream, options: &Options) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(options.patience)))?;
    let mut request = [0; READ];
    let length = stream.read(&mut request)?;
    let request = String::from_utf8_lossy(&request[..length]);
    let Some(path) = request.split(' ').nth(1) else { return Ok(()) };
    say(path);
    if let Some(millis) = path.strip_prefix("/sleep/").and_then(|millis| millis.parse().ok()) {
        thread::sleep(Duration::from_millis(millis));
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
}

fn say(what: &str) {
    let mut out = io::stdout().lock();
    // Nobody may be there to read it.
    let _ = writeln!(out, "{what}").and_then(|()| out.flush());
}
