//! A bounded load client that writes down what became of every connection it opened.
//!
//! It never retries: a refused or reset connection is a fate, and the next connection is the next one
//! of a fixed total. Every wait inside has a limit.

mod channel;
mod client;
mod progress;
mod response;
pub mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::truth::{Ending, Fate};
use crate::{http, sockets, wait};
pub use progress::Counts;
use progress::Progress;
use tls::Tls;

/// What one connection does, in order. After the last step the client closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Sends a request for the path and reads its whole response.
    Get(String),
    /// Sends a request for the path without its end, then waits for whatever comes.
    GetHalf(String),
    /// Rests on the open connection and notices at once when the server ends it.
    Rest(Duration),
    /// Rests without looking, as a client does that sends its next request on a connection from its pool.
    RestBlind(Duration),
    /// Rests until the server ends the connection, for at most so long, and goes on as if it had not: the next request
    /// comes in the moment in which the server lets go.
    RestUntilEnd(Duration),
}

/// A plan of connections to one address.
#[derive(Debug, Clone)]
pub struct Load {
    target: SocketAddr,
    source: Option<IpAddr>,
    steps: Vec<Step>,
    clients: usize,
    total: usize,
    interval: Duration,
    connect_timeout: Duration,
    response_timeout: Duration,
    read_pause: Option<Duration>,
    leaves_first: bool,
    tls: Option<Tls>,
}

/// A plan being carried out. Dropping it has it stop, or a test that failed would go on asking whoever has its port
/// next.
#[derive(Debug)]
pub struct Running {
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Fate>>>,
}

impl Load {
    /// One connection with one `GET /`.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            source: None,
            steps: vec![Step::Get("/".into())],
            clients: 1,
            total: 1,
            interval: Duration::ZERO,
            connect_timeout: wait::patient(Duration::from_secs(5)),
            response_timeout: wait::patient(Duration::from_secs(10)),
            read_pause: None,
            leaves_first: false,
            tls: None,
        }
    }

    /// From this address of the host; otherwise from loopback's.
    pub fn from(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// One request a connection, for this path; `/sleep/500` and `/bytes/1000000` decide what the server does.
    pub fn get(self, path: &str) -> Self {
        self.steps([Step::Get(path.into())])
    }

    /// `requests` requests on each connection with a rest between them.
    pub fn keep_alive(self, path: &str, requests: usize, rest: Duration) -> Self {
        let pairs = (0..requests).flat_map(|_| [Step::Get(path.into()), Step::Rest(rest)]);
        self.steps(pairs.take((2 * requests).saturating_sub(1)))
    }

    /// The steps of each connection.
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// `clients` connections at a time, `total` altogether.
    pub fn clients(mut self, clients: usize, total: usize) -> Self {
        (self.clients, self.total) = (clients, total);
        self
    }

    /// All connections at once, to fill an accept queue.
    pub fn burst(self, connections: usize) -> Self {
        self.clients(connections, connections)
    }

    /// At most so many connections begun in a second, over all clients.
    pub fn rate(mut self, per_second: u32) -> Self {
        self.interval = Duration::from_secs(1) / per_second.max(1);
        self
    }

    /// How long the client waits for the handshake before it leaves.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the client waits for a response before it leaves.
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.response_timeout = limit;
        self
    }

    /// Rests after the first piece of a response, with a small receive buffer, so that the server blocks in write;
    /// reads on when told to ([`Running::read_on`]), or after `limit`.
    pub fn stalls(mut self, limit: Duration) -> Self {
        self.read_pause = Some(limit);
        self
    }

    /// Never asks the server to close, but closes as soon as it has what it asked for.
    pub fn leaves_first(mut self) -> Self {
        self.leaves_first = true;
        self
    }

    /// Speaks TLS. The bytes of a fate are then those inside it, and a server that leaves without a goodbye has
    /// ended the stream like any other.
    pub fn over(mut self, tls: &Tls) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    /// Begins.
    pub fn start(self) -> Running {
        let progress = Arc::new(Progress::default());
        let stop = Arc::new(AtomicBool::new(false));
        let tickets = Arc::new(Tickets { next: AtomicUsize::new(0), turn: Mutex::new(Instant::now()) });
        let plan = Arc::new(self);
        let clients = (0..plan.clients.min(plan.total))
            .map(|_| {
                let (plan, progress) = (Arc::clone(&plan), Arc::clone(&progress));
                let (stop, tickets) = (Arc::clone(&stop), Arc::clone(&tickets));
                thread::spawn(move || plan.client(&tickets, &stop, &progress))
            })
            .collect();
        Running { progress, stop, clients }
    }

    /// Carries the plan out to its end.
    pub fn run(self) -> Vec<Fate> {
        self.start().join()
    }

    /// One of the concurrent clients: connections one after the other while tickets last.
    fn client(&self, tickets: &Tickets, stop: &AtomicBool, progress: &Progress) -> Vec<Fate> {
        let mut fates = Vec::new();
        while tickets.next.fetch_add(1, Ordering::Relaxed) < self.total {
            let turn = tickets.turn(self.interval);
            thread::sleep(turn.saturating_duration_since(Instant::now()));
            if stop.load(Ordering::Relaxed) {
                break;
            }
            fates.push(client::connection(self, stop, progress));
        }
        fates
    }
}

/// What the clients of a plan share: how many connections were begun and when the next one may be.
#[derive(Debug)]
struct Tickets {
    next: AtomicUsize,
    turn: Mutex<Instant>,
}

impl Tickets {
    /// When the caller's connection may begin. Turns missed while every client waited are not made up
    /// for, or a restart would be followed by a storm.
    fn turn(&self, interval: Duration) -> Instant {
        let mut next = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(Instant::now());
        *next = turn + interval;
        turn
    }
}

impl Running {
    /// Waits until the counts so far satisfy `condition`.
    pub fn wait(&self, what: &str, limit: Duration, condition: impl Fn(&Counts) -> bool) -> Result<Counts> {
        self.progress.wait(what, limit, condition)
    }

    /// Waits until so many requests have been sent.
    pub fn wait_sent(&self, requests: usize, limit: Duration) -> Result<Counts> {
        self.wait(&format!("{requests} requests to be sent"), limit, |counts| counts.requests >= requests)
    }

    /// Waits until so many whole responses have come.
    pub fn wait_responses(&self, responses: usize, limit: Duration) -> Result<Counts> {
        self.wait(&format!("{responses} responses"), limit, |counts| counts.responses >= responses)
    }

    /// Waits until so many connections have ended.
    pub fn wait_ended(&self, connections: usize, limit: Duration) -> Result<Counts> {
        self.wait(&format!("{connections} connections to end"), limit, |counts| counts.ended >= connections)
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.progress.counts()
    }

    /// Opens no further connection, cuts rests short, and waits for requests under way; gives every fate.
    pub fn stop(self) -> Vec<Fate> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Lets clients that stall read on.
    pub fn read_on(&self) {
        self.progress.read_on();
    }

    /// Waits for the plan's end; gives every fate, in the order in which they ended.
    pub fn join(mut self) -> Vec<Fate> {
        let clients = std::mem::take(&mut self.clients).into_iter();
        let mut fates: Vec<Fate> =
            clients.flat_map(|client| client.join().expect("a client does not panic")).collect();
        fates.sort_by_key(|fate| fate.ended.boot_ns);
        fates
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Waits until `target` has answered a request, and gives the fate of every connection this took.
pub fn wait_until_served(target: SocketAddr, tls: Option<&Tls>, limit: Duration) -> Result<Vec<Fate>> {
    let mut once = Load::new(target).response_timeout(limit);
    once.tls = tls.cloned();
    let mut fates = Vec::new();
    wait::until(&format!("{target} to answer a request"), limit, || {
        // Looking before connecting keeps refused connections out of what the observer sees.
        if sockets::listeners(target.port())?.is_empty() {
            return Ok(None);
        }
        fates.extend(once.clone().run());
        Ok(fates.last().is_some_and(|fate| fate.ending == Ending::Served).then_some(()))
    })
    .with_context(|| format!("{} connections were tried", fates.len()))?;
    Ok(fates)
}

/// Asks once and expects an answer.
pub fn expect_served(target: SocketAddr) -> Result<Vec<Fate>> {
    let fates = Load::new(target).run();
    if let Some(fate) = fates.iter().find(|fate| fate.ending != Ending::Served) {
        bail!("{target} did not answer: {}", fate.ending.label());
    }
    Ok(fates)
}

/// Asks once at a socket file and expects an answer.
pub fn expect_served_at(path: &Path) -> Result<()> {
    match http::get_at(path, "/")? {
        (200, _) => Ok(()),
        (status, body) => bail!("{} answered {status}: {body}", path.display()),
    }
}

#[cfg(test)]
mod tests;
