//! The client: threads that connect, ask, read and leave, as fast as they can or at a rate, for a bounded time and
//! number of connections.

use super::{BODY, END, LAST_REQUEST, PER_ADDRESS, Place, REQUEST, Server, fresh_address};
use crate::usage::{Process, own_cpu};
use anyhow::{Result, ensure};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for a response.
const LIMIT: Duration = Duration::from_secs(10);
/// No load opens more.
const MOST: u64 = 2_000_000;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Connections at a time.
    pub(crate) clients: usize,
    /// Requests on each connection, 1...
    pub(crate) requests: u32,
    /// For how long.
    pub(crate) time: Duration,
    /// Connections begun in a second, over all clients; none = as many as will go.
    pub(crate) rate: Option<u32>,
}

/// What a load came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// Connections on which every response came whole.
    pub(crate) served: u64,
    /// Others.
    pub(crate) failed: u64,
    /// How long it took, seconds.
    pub(crate) seconds: f64,
    /// What client, server and whatever ran beside them worked meanwhile, seconds; the kernel's work for them is in it.
    pub(crate) cpu: f64,
}

impl Done {
    /// Connections served in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.served as f64 / self.seconds
    }

    /// CPU time for each connection, seconds.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu / self.served as f64
    }
}

impl Load {
    /// As many connections as will go, one request on each, for a time.
    pub(crate) fn churn(time: Duration) -> Self {
        Self { clients: 4, requests: 1, time, rate: None }
    }

    /// With so many requests on each connection.
    pub(crate) fn requests(self, requests: u32) -> Self {
        Self { requests, ..self }
    }

    /// With so many connections begun in a second.
    pub(crate) fn rate(self, rate: u32) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// Carries it out, and fails where more than a few connections did. `beside` are processes whose CPU time counts.
    pub(crate) fn run(&self, server: &Server, beside: &[i32]) -> Result<Done> {
        let pids = [&[server.pid()], beside].concat();
        let used = || -> Result<f64> {
            let others = pids.iter().map(|pid| Ok(Process::now(*pid)?.cpu));
            Ok(others.sum::<Result<f64>>()? + own_cpu()?)
        };
        let before = used()?;
        let place = server.place();
        let run = Run {
            load: *self,
            place,
            began: Instant::now(),
            begun: AtomicU64::new(0),
            served: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            over: AtomicBool::new(false),
        };
        thread::scope(|scope| (0..self.clients).for_each(|_| _ = scope.spawn(|| run.client())));
        let seconds = run.began.elapsed().as_secs_f64();
        let cpu = used()? - before;
        let (served, failed) = (run.served.into_inner(), run.failed.into_inner());
        ensure!(
            served > 0 && failed <= served / 1_000,
            "{failed} of {} connections at {place:?} failed",
            served + failed
        );
        Ok(Done { served, failed, seconds, cpu })
    }
}

struct Run<'a> {
    load: Load,
    place: &'a Place,
    began: Instant,
    begun: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    over: AtomicBool,
}

impl Run<'_> {
    fn client(&self) {
        let (mut served, mut failed) = (0_u64, 0_u64);
        let mut address = match self.place {
            Place::Port(port) => fresh_address(*port),
            Place::Path(_) => ([127, 0, 0, 1], 0).into(),
        };
        while self.goes_on() {
            let exchanged = match self.place {
                Place::Path(path) => UnixStream::connect(path).and_then(|stream| {
                    stream.set_read_timeout(Some(LIMIT))?;
                    exchange(stream, self.load.requests)
                }),
                Place::Port(port) => {
                    if (served + failed + 1).is_multiple_of(PER_ADDRESS) {
                        address = fresh_address(*port);
                    }
                    TcpStream::connect(address).and_then(|stream| {
                        stream.set_read_timeout(Some(LIMIT))?;
                        exchange(stream, self.load.requests)
                    })
                }
            };
            match exchanged {
                Ok(()) => served += 1,
                Err(_) => failed += 1,
            }
        }
        self.served.fetch_add(served, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    /// Waits for its turn, if there is a rate; false when the load is over.
    fn goes_on(&self) -> bool {
        if self.over.load(Ordering::Relaxed) {
            return false;
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        if let Some(rate) = self.load.rate {
            let due = Duration::from_secs_f64(number as f64 / f64::from(rate.max(1)));
            thread::sleep(due.saturating_sub(self.began.elapsed()));
        }
        let over = self.began.elapsed() >= self.load.time || number >= MOST;
        if over {
            self.over.store(true, Ordering::Relaxed);
        }
        !over
    }
}

/// One connection: all its requests with their responses, then the end, which comes from the server.
pub(super) fn exchange(mut stream: impl Read + Write, requests: u32) -> io::Result<()> {
    for request in 1..=requests {
        let last = request == requests;
        stream.write_all(if last { LAST_REQUEST } else { REQUEST })?;
        read_response(&mut stream)?;
    }
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::from(ErrorKind::InvalidData)),
        Err(error) => Err(error),
    }
}

fn read_response(stream: &mut impl Read) -> io::Result<()> {
    let mut response = [0; 1024];
    let mut filled = 0;
    loop {
        match stream.read(&mut response[filled..])? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
        let head = filled.saturating_sub(BODY);
        if response[..head].ends_with(END) {
            return Ok(());
        }
    }
}
