//! One connection from connect(2) to its fate.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::channel::{Channel, Unasked};
use super::progress::Progress;
use super::response::Response;
use super::{Load, Step};
use crate::truth::{Ending, Fate, Moment, Phase};
use crate::wait;

/// How long a rest goes on before the client looks whether its plan was stopped.
const REST_SLICE: Duration = Duration::from_millis(20);
/// How long the client waits for a server that said it would close to do so.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// A client that a busy machine holds up for so long between two steps has rested, whatever its plan says: servers that
/// drain wait little longer for a connection's request.
const HELD_UP: Duration = Duration::from_millis(200);
/// Receive buffer of a client that stalls, small so that the server's own buffer fills.
const STALLING_RECEIVE_BUFFER: usize = 32 * 1024;

/// Opens a connection, carries out the plan's steps and tells how it ended.
pub(super) fn connection(plan: &Load, stop: &AtomicBool, progress: &Progress) -> Fate {
    progress.count(|counts| counts.begun += 1);
    let mut connection =
        Connection { plan, stop, progress, fate: unbound(plan), resting: false, used: Instant::now() };
    let ending = match connection.live() {
        Ok(()) => connection.orderly_ending(),
        Err(ending) => ending,
    };
    let mut fate = connection.fate;
    fate.ending = ending;
    fate.ended = Moment::now();
    progress.count(|counts| counts.ended += 1);
    fate
}

struct Connection<'a> {
    plan: &'a Load,
    stop: &'a AtomicBool,
    progress: &'a Progress,
    fate: Fate,
    /// Whether the last step was a rest.
    resting: bool,
    /// When the connection was last in use: established, or answered.
    used: Instant,
}

impl Connection<'_> {
    /// Ok when the client itself ended the connection after its last step.
    fn live(&mut self) -> Result<(), Ending> {
        let mut stream = self.connect()?;
        let result = self.carry_out(&mut stream);
        stream.say_goodbye();
        result
    }

    fn carry_out(&mut self, stream: &mut Channel) -> Result<(), Ending> {
        for (index, step) in self.plan.steps.iter().enumerate() {
            let last = index + 1 == self.plan.steps.len();
            match step {
                Step::Rest(time) => self.rest(stream, *time)?,
                Step::RestUntilEnd(time) => {
                    self.resting = true;
                    // What it was that came, the next request will tell.
                    readable(stream, *time);
                }
                Step::RestBlind(time) => {
                    thread::sleep(*time);
                    self.resting = true;
                }
                Step::Get(path) => {
                    let response = self.get(stream, path, last)?;
                    if last && self.plan.leaves_first {
                        return Ok(());
                    }
                    if last || response.closes() {
                        self.see_off(stream);
                        return Ok(());
                    }
                }
                Step::GetHalf(path) => return Err(self.get_half(stream, path)),
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn orderly_ending(&self) -> Ending {
        let planned =
            self.plan.steps.iter().filter(|step| matches!(step, Step::Get(_) | Step::GetHalf(_))).count();
        if planned > 0 && self.fate.responses_complete as usize == planned {
            Ending::Served
        } else {
            Ending::ClientClosed
        }
    }

    /// Binds the source port first, so that it is known whatever comes.
    fn connect(&mut self) -> Result<Channel, Ending> {
        let socket = self.bind().map_err(|error| self.failed(Phase::Connecting, &error))?;
        self.fate.started = Moment::now();
        if let Err(error) = socket.connect_timeout(&self.fate.server.into(), self.plan.connect_timeout) {
            return Err(match error.kind() {
                ErrorKind::ConnectionRefused => Ending::Refused,
                ErrorKind::TimedOut => Ending::Timeout(Phase::Connecting),
                // The handshake was done, and undone before connect(2) could say so.
                _ if is_reset(&error) => Ending::Reset(Phase::BeforeRequest),
                _ => self.failed(Phase::Connecting, &error),
            });
        }
        self.fate.connected = Some(Moment::now());
        self.used = Instant::now();
        self.progress.count(|counts| counts.connected += 1);
        let channel = Channel::open(socket.into(), self.plan.tls.as_ref());
        channel.map_err(|error| self.broken(Phase::BeforeRequest, &error))
    }

    fn bind(&mut self) -> io::Result<Socket> {
        let target = self.fate.server;
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        if self.plan.read_pause.is_some() {
            socket.set_recv_buffer_size(STALLING_RECEIVE_BUFFER)?;
        }
        let any_port = SocketAddr::new(self.fate.local.ip(), 0);
        socket.bind(&any_port.into())?;
        self.fate.local = socket.local_addr()?.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
        socket.set_tcp_nodelay(true)?;
        Ok(socket)
    }

    /// Rests, but notices when the server ends the connection.
    fn rest(&mut self, stream: &mut Channel, time: Duration) -> Result<(), Ending> {
        self.resting = true;
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if !readable(stream, left.min(REST_SLICE)) {
                continue;
            }
            let phase = if self.fate.requests_sent == 0 { Phase::BeforeRequest } else { Phase::Idle };
            match stream.look() {
                Ok(Unasked::Nothing) => {}
                Ok(Unasked::End) => return Err(Ending::Eof(phase)),
                // A server that speaks unasked is none of those under test; let the next step read it.
                Ok(Unasked::Data) => return Ok(()),
                Err(error) => return Err(self.broken(phase, &error)),
            }
        }
    }

    fn get(&mut self, stream: &mut Channel, path: &str, last: bool) -> Result<Response, Ending> {
        let close = if last && !self.plan.leaves_first { "Connection: close\r\n" } else { "" };
        self.send(stream, &format!("GET {path} HTTP/1.1\r\nHost: drain-observer-tests\r\n{close}\r\n"))?;
        let response = self.receive(stream, Phase::AwaitingResponse)?;
        self.fate.responses_complete += 1;
        self.used = Instant::now();
        self.fate.errors += u32::from(response.is_error());
        self.progress.count(|counts| counts.responses += 1);
        Ok(response)
    }

    fn get_half(&mut self, stream: &mut Channel, path: &str) -> Ending {
        let half = format!("GET {path} HTTP/1.1\r\nHost: drain-obs");
        match self.send(stream, &half).and_then(|()| self.receive(stream, Phase::MidRequest)) {
            Err(ending) => ending,
            // An answer such as 408 to a request that was never whole leaves nothing outstanding.
            Ok(_) => {
                self.fate.responses_complete += 1;
                Ending::Served
            }
        }
    }

    fn send(&mut self, stream: &mut Channel, request: &str) -> Result<(), Ending> {
        let idle = if self.fate.requests_sent == 0 { Phase::BeforeRequest } else { Phase::Idle };
        // A request is one small segment: it is taken whole or not at all.
        if let Err(error) = stream.write_all(request.as_bytes()) {
            return Err(self.broken(idle, &error));
        }
        self.fate.last_request = Some(Moment::now());
        self.fate.rested = self.resting || self.used.elapsed() >= HELD_UP;
        self.resting = false;
        self.fate.requests_sent += 1;
        self.fate.bytes_sent += request.len() as u64;
        self.progress.count(|counts| counts.requests += 1);
        Ok(())
    }

    fn receive(&mut self, stream: &mut Channel, before: Phase) -> Result<Response, Ending> {
        let mut deadline = Instant::now() + self.plan.response_timeout;
        let mut response = Response::new();
        let mut buffer = vec![0; 64 * 1024];
        while !response.complete() {
            let phase = if response.started() { Phase::MidResponse } else { before };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !(stream.holds_data() || readable(stream, left)) {
                return Err(Ending::Timeout(phase));
            }
            match stream.read(&mut buffer) {
                Ok(0) => {
                    response.end_of_stream();
                    if !response.complete() {
                        return Err(Ending::Eof(phase));
                    }
                }
                Ok(count) => {
                    self.fate.bytes_received += count as u64;
                    if !response.started() {
                        self.progress.count(|counts| counts.response_starts += 1);
                        self.stall();
                        // The pause was the client's own.
                        deadline = Instant::now() + self.plan.response_timeout;
                    }
                    response.feed(&buffer[..count]);
                }
                Err(error) => return Err(self.broken(phase, &error)),
            }
        }
        Ok(response)
    }

    /// Reads nothing until told to read on, for as long as the plan allows.
    fn stall(&self) {
        let Some(limit) = self.plan.read_pause else { return };
        // Past the limit it reads on unasked.
        let _ = wait::until("leave to read on", limit, || Ok(self.progress.reads_on().then_some(())));
    }

    /// Lets a server that said it would close do so first; what comes now changes nothing.
    fn see_off(&self, stream: &mut Channel) {
        let mut byte = [0];
        if readable(stream, CLOSE_LIMIT) {
            // The response was whole: an error here is the end of the connection as well.
            let _ = stream.read(&mut byte);
        }
    }

    fn broken(&mut self, phase: Phase, error: &io::Error) -> Ending {
        if is_reset(error) {
            self.fate.error = Some(error.to_string());
            return Ending::Reset(phase);
        }
        self.failed(phase, error)
    }

    fn failed(&mut self, phase: Phase, error: &io::Error) -> Ending {
        self.fate.error = Some(error.to_string());
        Ending::Failed(phase)
    }
}

/// A fate of which nothing is known yet.
fn unbound(plan: &Load) -> Fate {
    let server = plan.target;
    let now = Moment::now();
    Fate {
        local: SocketAddr::new(plan.source.unwrap_or_else(|| source(server.ip())), 0),
        server,
        started: now,
        connected: None,
        last_request: None,
        ended: now,
        bytes_sent: 0,
        bytes_received: 0,
        requests_sent: 0,
        responses_complete: 0,
        errors: 0,
        rested: false,
        ending: Ending::Failed(Phase::Connecting),
        error: None,
    }
}

/// The loopback address that a connection to `target` comes from.
fn source(target: IpAddr) -> IpAddr {
    match target {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        // An IPv6 socket to a v4-mapped address speaks IPv4 and needs a v4-mapped source.
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()
        }
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// Whether data, an end or an error is there to be read within `limit`.
fn readable(stream: &impl AsFd, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // Rounded up, or the last fraction of a millisecond would be spent spinning.
        let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if !left.is_zero() => {}
            Ok(ready) => return ready > 0,
            Err(Errno::EINTR) => {}
            // The following read will say what is wrong.
            Err(_) => return true,
        }
    }
}
