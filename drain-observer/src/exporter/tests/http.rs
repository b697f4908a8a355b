//! The server and its clients, honest and not.

use super::{Observed, SECOND, scenario};
use crate::correlate::Correlator;
use crate::event::{BootNs, Event, Kind};
use crate::exporter::{Instruments, MAX_SERVICES, Metrics, Publisher, Server};
use crate::report::fixture;
use flate2::read::GzDecoder;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// More than the server allows for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// A server, and an event loop that turns as the runtime's does, on a correlator that has seen a scenario.
pub(super) struct Exporter {
    server: Server,
    stop: Arc<AtomicBool>,
    hang: Arc<AtomicBool>,
    /// The longest that one turn took, ns.
    longest_turn: Arc<AtomicU64>,
    turns: Option<JoinHandle<()>>,
}

impl Exporter {
    pub(super) fn start(name: &str) -> Self {
        let scenario = scenario(name);
        let mut observed = Observed::new(&scenario.config, MAX_SERVICES);
        observed.take(&scenario.events);
        Self::with(observed.correlator, observed.metrics, None)
    }

    /// Facts are told as of `at`, or as of now.
    pub(super) fn with(correlator: Correlator, metrics: Metrics, at: Option<BootNs>) -> Self {
        let mut publisher = Publisher::new(metrics);
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Server::listen(listen).expect("a port of the loopback is free");
        let server = Server::start(listener, publisher.published(), Instruments::new(None))
            .expect("a thread that answers");
        let [stop, hang] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let longest_turn = Arc::new(AtomicU64::new(0));
        let (stopped, hangs, longest) = (stop.clone(), hang.clone(), longest_turn.clone());
        let turns = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if !hangs.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    match at {
                        Some(at) => publisher.turned_at(&correlator, crate::clock::boot_ns(), at),
                        None => publisher.turned(&correlator),
                    }
                    let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    longest.fetch_max(took, Ordering::Relaxed);
                }
                sleep(Duration::from_millis(20));
            }
        });
        Self { server, stop, hang, longest_turn, turns: Some(turns) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout can be set");
        stream.set_write_timeout(Some(LIMIT)).expect("a timeout can be set");
        stream
    }

    /// Sends a request and gives head and body of the response.
    fn ask(&self, request: &str) -> (String, Vec<u8>) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut response = Vec::new();
        stream.read_to_end(&mut response).expect("the server answers and closes");
        let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(response[..end].to_vec()).expect("a head of ASCII");
        (head.to_ascii_lowercase(), response[end + 4..].to_vec())
    }

    fn get(&self, path: &str, headers: &str) -> (String, Vec<u8>) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"))
    }

    /// The metrics in Prometheus' own format.
    pub(super) fn scrape(&self) -> String {
        let (head, body) = self.get("/metrics", "");
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        String::from_utf8(body).expect("metrics are UTF-8")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.turns.take().map(JoinHandle::join);
        assert!(joined.is_none_or(|joined| joined.is_ok()) || std::thread::panicking(), "the loop panicked");
    }
}

#[test]
fn the_format_is_the_clients_choice() {
    let exporter = Exporter::start("puma-1808");
    let (head, body) = exporter.get("/metrics", "");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let text = String::from_utf8(body).expect("text");
    assert!(text.contains("drain_observer_connections_total{service=\"puma:9292\""), "{text}");
    assert!(
        text.contains("process_cpu_seconds_total ") && text.contains("drain_observer_build_info{version=")
    );
    assert!(!text.contains("# EOF") && !text.contains("restart_id"));

    let (head, body) = exporter.get(
        "/metrics",
        "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n\
         Accept-Encoding: gzip\r\n",
    );
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut text).expect("gzip");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn there_is_nothing_but_what_is_said() {
    let exporter = Exporter::start("puma-1808");
    let status = |request: &str| exporter.ask(request).0.lines().next().expect("a status").to_owned();
    assert_eq!(status("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "http/1.1 200 ok");
    assert_eq!(status("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), "http/1.0 200 ok");
    assert_eq!(status("GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"), "http/1.1 404 not found");
    assert_eq!(status("GET /../metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "http/1.1 404 not found");
    let (head, _) = exporter.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
    let (head, body) = exporter.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    assert!(exporter.ask("nonsense\r\n\r\n").0.starts_with("http/1.1 400"));
    // What is counted is told with the next second's numbers.
    let began = Instant::now();
    while !exporter.scrape().contains("drain_observer_http_responses_total{code=\"404\"} 2\n") {
        assert!(began.elapsed() < LIMIT, "two pages that are not there were asked for");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn health_is_the_event_loops_and_readiness_the_probes() {
    let exporter = Exporter::start("puma-1808");
    assert!(exporter.get("/healthz", "").0.starts_with("http/1.1 200"));
    exporter.scrape();
    let (head, body) = exporter.get("/readyz", "");
    assert!(head.starts_with("http/1.1 200"), "{head}: {}", String::from_utf8_lossy(&body));

    let unattached = Metrics::new(&fixture::header(), &crate::correlate::Config::default(), MAX_SERVICES);
    let exporter = Exporter::with(Correlator::default(), unattached, None);
    let (head, body) = exporter.get("/readyz", "");
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("not attached"));

    exporter.hang.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let body = loop {
        let (head, body) = exporter.get("/healthz", "");
        if head.starts_with("http/1.1 503") {
            break body;
        }
        assert!(began.elapsed() < LIMIT, "the loop hangs and nobody says so");
        sleep(Duration::from_millis(200));
    };
    assert!(String::from_utf8_lossy(&body).contains("has not turned for 1"), "{body:?}");
    assert!(exporter.get("/metrics", "").0.starts_with("http/1.1 200"), "what is known is told all the same");
}

#[test]
fn numbers_are_at_most_a_second_old() {
    let mut observed = Observed::new(&crate::correlate::Config::default(), MAX_SERVICES);
    observed.take(&[Event { at: SECOND, event: Kind::Tick }]);
    let exporter = Exporter::with(observed.correlator, observed.metrics, None);
    let updated = || {
        let text = exporter.scrape();
        let line = text.lines().find(|line| line.starts_with("drain_observer_updated_boot_seconds "));
        let (_, value) = line.and_then(|line| line.split_once(' ')).expect("when it was updated");
        value.parse::<f64>().expect("a number")
    };
    let first = updated();
    sleep(Duration::from_millis(1_100));
    let second = updated();
    let now = crate::clock::boot_ns() as f64 / 1e9;
    assert!(second >= first + 1.0 && now - second < 2.0, "{first}, {second}, now {now}");
}

/// The server serves on whatever these do, and the event loop does not wait for any of them.
#[test]
fn hostile_clients_cost_little() {
    let exporter = Exporter::start("puma-1808");
    let memory = || resident().expect("the kernel says how much memory this process has");
    exporter.scrape();
    let before = memory();

    // More than it takes at a time, each with half a request.
    let began = Instant::now();
    let half_open: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = exporter.connect();
            // Those that are turned away may be gone by now.
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ");
            stream
        })
        .collect();
    let mut closed = 0;
    for mut stream in half_open {
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => closed += 1,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => closed += 1,
            Err(error) => panic!("still open after {:?}: {error}", began.elapsed()),
        }
    }
    assert_eq!(closed, 300);
    assert!(began.elapsed() < Duration::from_secs(20), "closing them took {:?}", began.elapsed());
    sleep(Duration::from_millis(1_100));
    let text = exporter.scrape();
    let line =
        text.lines().find(|line| line.starts_with("drain_observer_http_connections_turned_away_total "));
    let turned_away: f64 =
        line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).expect("how many were turned away");
    assert!((200.0..=300.0).contains(&turned_away), "{turned_away} were turned away");

    // Heads without end: in one header, and in many.
    for line in ["X: ".to_owned() + &"x".repeat(1 << 16), "X: x\r\n".repeat(1 << 14)] {
        let mut stream = exporter.connect();
        let mut sent = stream.write_all(b"GET /metrics HTTP/1.1\r\n");
        for _ in 0..64 {
            sent = sent.and_then(|()| stream.write_all(line.as_bytes()));
        }
        assert!(sent.is_err(), "it reads megabytes of headers");
    }

    // Clients that ask and do not read, and are not waited for.
    let stalled: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = exporter.connect();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("it takes a request");
            stream
        })
        .collect();
    let began = Instant::now();
    exporter.scrape();
    assert!(began.elapsed() < Duration::from_secs(5), "a scrape took {:?}", began.elapsed());
    drop(stalled);

    let grown = memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    let longest = Duration::from_nanos(exporter.longest_turn.load(Ordering::Relaxed));
    assert!(longest < Duration::from_millis(500), "a turn of the event loop took {longest:?}");
}

#[test]
fn an_address_in_use_is_said_so() {
    let exporter = Exporter::start("puma-1808");
    let error = Server::listen(exporter.address()).expect_err("the address is taken");
    assert!(format!("{error:#}").contains("choose another address with --listen"), "{error:#}");
}

/// Resident memory in bytes.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
