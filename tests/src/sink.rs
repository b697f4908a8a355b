//! Where a server under test uploads to: a listener that takes its time.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::wait;

/// Small, so that what is not read stays with the sender.
const RECEIVE_BUFFER: usize = 8 * 1024;
/// Longest that a sink waits to be told to read on, and then for each piece.
const LIMIT: Duration = Duration::from_secs(60);
/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(5);

/// Accepts a number of uploads, reads nothing of them until told to, and then all.
#[derive(Debug)]
pub struct Sink {
    port: u16,
    state: Arc<State>,
    thread: JoinHandle<Result<Vec<Upload>>>,
}

/// What came of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// Bytes received.
    pub bytes: usize,
    /// It ended with an end of stream, not with a reset.
    pub in_order: bool,
}

#[derive(Debug, Default)]
struct State {
    accepted: AtomicUsize,
    reads: AtomicBool,
}

impl Sink {
    /// Listens on a free port of 127.0.0.1 for so many uploads.
    pub fn start(uploads: usize) -> Result<Self> {
        let socket =
            Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("making a socket")?;
        // Accepted sockets inherit it.
        socket.set_recv_buffer_size(RECEIVE_BUFFER).context("asking for a small receive buffer")?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).context("binding a sink")?;
        socket.listen(16).context("listening for uploads")?;
        let listener = TcpListener::from(socket);
        let port = listener.local_addr().context("asking for the sink's port")?.port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || receive(&listener, uploads, &shared));
        Ok(Self { port, state, thread })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until so many uploads have begun.
    pub fn wait_accepted(&self, uploads: usize, limit: Duration) -> Result<()> {
        wait::until(&format!("{uploads} uploads"), limit, || {
            Ok((self.state.accepted.load(Ordering::Relaxed) >= uploads).then_some(()))
        })
    }

    /// Reads on and waits for the end of every upload.
    pub fn join(self) -> Result<Vec<Upload>> {
        self.state.reads.store(true, Ordering::Relaxed);
        self.thread.join().expect("a sink does not panic")
    }
}

fn receive(listener: &TcpListener, uploads: usize, state: &State) -> Result<Vec<Upload>> {
    listener.set_nonblocking(true).context("making the sink's socket non-blocking")?;
    let mut streams = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline && !state.reads.load(Ordering::Relaxed) {
        if streams.len() < uploads
            && let Ok((stream, _)) = listener.accept()
        {
            streams.push(stream);
            state.accepted.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(INTERVAL);
    }
    streams.into_iter().map(drain).collect()
}

fn drain(mut stream: TcpStream) -> Result<Upload> {
    stream.set_nonblocking(false).context("making an upload's socket blocking")?;
    stream.set_read_timeout(Some(LIMIT)).context("limiting reads")?;
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(Upload { bytes, in_order: true }),
            Ok(count) => bytes += count,
            Err(_) => return Ok(Upload { bytes, in_order: false }),
        }
    }
}
