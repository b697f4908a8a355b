//! The server: threads that take a connection each, answer what is asked on it, and close it when told to.

use super::{BODY, END, Place};
use crate::child::wait_for_word;
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use drain_observer_tests::{ports, wait::patient};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What the server says when it listens, and the longest wait for that.
const READY: &str = "ready\n";
const LIMIT: Duration = Duration::from_secs(20);

/// How it is to serve.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Port to listen at, on every address
    #[arg(long, required_unless_present = "path", conflicts_with = "path")]
    port: Option<u16>,
    /// Unix stream socket to listen at
    #[arg(long)]
    path: Option<PathBuf>,
    /// Connections served at a time
    #[arg(long, default_value_t = 4)]
    threads: usize,
}

/// A server in a process of its own. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    place: Place,
}

impl Server {
    /// On a free port of every address.
    pub(crate) fn on_tcp(threads: usize) -> Result<Self> {
        let port = ports::free()?;
        Self::start(Place::Port(port), &["--port", &port.to_string()], threads)
    }

    /// On a unix stream socket at a path.
    pub(crate) fn on_unix(path: &Path, threads: usize) -> Result<Self> {
        let text = path.to_str().context("the socket's path is no UTF-8; set TMPDIR to one that is")?;
        Self::start(Place::Path(path.to_owned()), &["--path", text], threads)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits an int")
    }

    /// Where it listens.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    fn start(place: Place, args: &[&str], threads: usize) -> Result<Self> {
        let program = std::env::current_exe().context("finding this program's file")?;
        let mut command = Command::new(program);
        command.arg("serve").args(args).args(["--threads", &threads.to_string()]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting the server")?;
        let ready = child.stdout.take().context("its standard output was piped")?;
        let mut server = Self { child, place };
        server.wait_until_it_listens(ready).context("waiting for the server to listen")?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self, mut output: ChildStdout) -> Result<()> {
        let deadline = Instant::now() + patient(LIMIT);
        let mut said = [0; READY.len()];
        let mut filled = 0;
        while filled < said.len() {
            wait_for_word(&output, std::slice::from_mut(&mut self.child), deadline)?;
            match output.read(&mut said[filled..]).context("reading what it says")? {
                0 => bail!("it ended; what it said is above"),
                count => filled += count,
            }
        }
        ensure!(said == READY.as_bytes(), "it said something else");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's process: serves until it is killed, or whoever started it ends.
pub(crate) fn serve(options: &Options) -> Result<()> {
    crate::child::end_with_parent()?;
    match (&options.path, options.port) {
        (Some(path), _) => {
            let listener =
                UnixListener::bind(path).with_context(|| format!("listening at {}", path.display()))?;
            serve_from(options.threads, || listener.accept().map(|(stream, _)| stream))
        }
        (None, port) => {
            let port = port.context("one of --port and --path is needed")?;
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
                .with_context(|| format!("listening at port {port}"))?;
            serve_from(options.threads, || listener.accept().map(|(stream, _)| stream))
        }
    }
}

fn serve_from<S: Read + Write>(threads: usize, accept: impl Fn() -> std::io::Result<S> + Sync) -> Result<()> {
    std::io::stdout().write_all(READY.as_bytes()).context("saying that it listens")?;
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // A client that is gone again is no reason to stop.
                    if let Ok(stream) = accept() {
                        let _ = attend(stream);
                    }
                }
            });
        }
    });
    Ok(())
}

/// Answers until the client asks for the end, or is gone.
pub(super) fn attend(mut stream: impl Read + Write) -> std::io::Result<()> {
    const KEPT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: keep-alive\r\n\r\n......";
    const CLOSED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n......";
    const { assert!(KEPT[KEPT.len() - BODY - END.len()] == END[0]) };

    let mut head = [0; 1024];
    let mut filled = 0;
    loop {
        match stream.read(&mut head[filled..])? {
            0 => return Ok(()),
            count => filled += count,
        }
        if !head[..filled].ends_with(END) {
            continue;
        }
        if head[..filled].ends_with(b"close\r\n\r\n") {
            return stream.write_all(CLOSED);
        }
        stream.write_all(KEPT)?;
        filled = 0;
    }
}
