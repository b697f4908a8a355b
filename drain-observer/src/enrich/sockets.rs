//! TCP sockets of a network namespace as they are now: listeners and connections, from sock_diag or, where
//! the kernel lacks it, from /proc.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use super::{proc_net, sock_diag};

/// Lists the TCP sockets of the namespace that process `pid` lives in, or of the caller's own.
///
/// Falls back to /proc/PID/net when sock_diag cannot be had; [`SocketList::source`] says which answered.
pub fn list(pid: Option<u32>, query: &Query) -> Result<SocketList, SocketError> {
    let listed = match pid {
        None => sock_diag::dump(query),
        Some(pid) => namespace(pid).and_then(|ns| match is_own(&ns) {
            // Entering a namespace takes a privilege, staying takes none.
            true => sock_diag::dump(query),
            false => sock_diag::dump_in(ns.as_fd(), query),
        }),
    };
    match listed {
        Err(refused) if refused.proc_may_help() => {
            let mut list = proc_net::dump(pid, query)?;
            list.source = Source::Proc { instead: refused.to_string() };
            Ok(list)
        }
        other => other,
    }
}

/// Which sockets to list, and how many at most.
#[derive(Debug, Clone)]
pub struct Query {
    /// Bit `1 << TCP_state` for each state wanted.
    pub states: u32,
    /// Only those with a local port in this range, both ends included.
    pub ports: (u16, u16),
    /// Ask for [`Counters`] too; sock_diag alone has them.
    pub counters: bool,
    /// Sockets kept; those beyond are counted in [`SocketList::over_limit`].
    pub limit: usize,
}

impl Query {
    /// Sockets kept by default: some 32 MB of them.
    pub const LIMIT: usize = 1 << 18;

    /// The listening sockets.
    pub fn listeners() -> Query {
        Query { states: 1 << TCP_LISTEN, ports: (0, u16::MAX), counters: false, limit: Query::LIMIT }
    }

    /// Both.
    pub fn open() -> Query {
        Query { states: Query::listeners().states | Query::connections().states, ..Query::listeners() }
    }

    /// The connections that can still carry a request: ESTABLISHED and CLOSE_WAIT, accepted or not.
    pub fn connections() -> Query {
        let states = 1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT;
        Query { states, ..Query::listeners() }
    }

    /// Those with a local port from `first` to `last`.
    pub fn at_ports(self, first: u16, last: u16) -> Query {
        Query { ports: (first, last), ..self }
    }

    /// The same with [`Counters`].
    pub fn with_counters(self) -> Query {
        Query { counters: true, ..self }
    }

    pub(super) fn wants(&self, state: u8, port: u16) -> bool {
        state < 32 && self.states & 1 << state != 0 && (self.ports.0..=self.ports.1).contains(&port)
    }
}

const TCP_ESTABLISHED: u8 = 1;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LISTEN: u8 = 10;

/// What a listing found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketList {
    /// Sorted by family, addresses, inode and cookie.
    pub sockets: Vec<TcpSocket>,
    /// Sockets that there were beyond the limit.
    pub over_limit: u64,
    /// Replies that were too short or made no sense.
    pub malformed: u64,
    /// The kernel said that its tables changed under the dump: sockets may be missing or listed twice.
    pub interrupted: bool,
    /// Where the answer comes from.
    pub source: Source,
}

impl SocketList {
    pub(super) fn keep(&mut self, socket: TcpSocket, query: &Query) {
        if !query.wants(socket.state.number(), socket.local.port()) {
            return;
        }
        if self.sockets.len() < query.limit {
            self.sockets.push(socket);
        } else {
            self.over_limit += 1;
        }
    }

    pub(super) fn sort(&mut self) {
        self.sockets.sort_unstable_by_key(|s| (s.family, s.local, s.peer, s.inode, s.cookie));
    }
}

/// Where a listing comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// NETLINK_SOCK_DIAG: everything is there.
    #[default]
    SockDiag,
    /// /proc/PID/net/tcp{,6}: no cookies, no counters, no limits of listeners.
    Proc {
        /// Why sock_diag did not answer.
        instead: String,
    },
}

/// The address family of the socket itself; an IPv6 socket may carry IPv4 as v4-mapped addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// AF_INET
    V4,
    /// AF_INET6
    V6,
}

/// The TCP states of interest here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// TCP_ESTABLISHED
    Established,
    /// TCP_CLOSE_WAIT
    CloseWait,
    /// TCP_LISTEN
    Listen,
    /// Any other, by the kernel's number (include/net/tcp_states.h).
    Other(u8),
}

impl State {
    /// From the kernel's number.
    pub fn from_number(number: u8) -> State {
        match number {
            TCP_ESTABLISHED => State::Established,
            TCP_CLOSE_WAIT => State::CloseWait,
            TCP_LISTEN => State::Listen,
            other => State::Other(other),
        }
    }

    /// The kernel's number.
    pub fn number(self) -> u8 {
        match self {
            State::Established => TCP_ESTABLISHED,
            State::CloseWait => TCP_CLOSE_WAIT,
            State::Listen => TCP_LISTEN,
            State::Other(number) => number,
        }
    }
}

/// One TCP socket, in the terms of include/uapi/linux/inet_diag.h `struct inet_diag_msg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpSocket {
    /// Family of the socket.
    pub family: Family,
    /// Its state.
    pub state: State,
    /// Local address, as the kernel has it (v4-mapped stays v4-mapped).
    pub local: SocketAddr,
    /// Peer's address; unspecified and port 0 for a listener.
    pub peer: SocketAddr,
    /// Inode in sockfs, as in `/proc/PID/fd`; 0 for a connection that nobody has accepted yet.
    pub inode: u64,
    /// Unique for the life of the kernel; 0 from /proc.
    pub cookie: u64,
    /// User who made the socket.
    pub uid: u32,
    /// Unread bytes; of a listener, connections waiting to be accepted.
    pub rqueue: u32,
    /// Bytes written and not acknowledged; of a listener, its limit of waiting connections (0 from /proc).
    pub wqueue: u32,
    /// Of an IPv6 listener: whether it refuses IPv4. None where it does not apply or is not told.
    pub v6_only: Option<bool>,
    /// Asked for with [`Query::with_counters`].
    pub counters: Option<Counters>,
}

/// From `struct tcp_info`, include/uapi/linux/tcp.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// `tcpi_bytes_acked`: bytes that the peer has acknowledged.
    pub bytes_acked: u64,
    /// `tcpi_bytes_received`: bytes received in order, read or not.
    pub bytes_received: u64,
    /// `tcpi_last_data_sent`: milliseconds since data was last sent.
    pub last_data_sent_ms: u32,
    /// `tcpi_last_data_recv`: milliseconds since data was last received.
    pub last_data_received_ms: u32,
}

/// Why sockets could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The kernel has no sock_diag for TCP.
    #[error(
        "listing TCP sockets by sock_diag: the kernel has no INET_DIAG ({0}); run `modprobe tcp_diag`, \
         or build the kernel with CONFIG_INET_DIAG"
    )]
    Unsupported(#[source] io::Error),
    /// The netlink socket could not be had or used.
    #[error(
        "listing TCP sockets by sock_diag: {action} failed: {source}; is netlink allowed in this sandbox?"
    )]
    Netlink {
        /// The step that failed.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A reply did not fit the buffer or was no netlink message.
    #[error(
        "listing TCP sockets by sock_diag: the kernel's reply is malformed ({0}); please report this kernel"
    )]
    Reply(&'static str),
    /// The process's network namespace could not be opened.
    #[error(
        "opening /proc/{pid}/ns/net: {source}; the process may be gone, or this needs root (CAP_SYS_PTRACE)"
    )]
    OpenNamespace {
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The namespace is there but this process may not enter it.
    #[error("entering another network namespace: {0}; run as root (CAP_SYS_ADMIN)")]
    EnterNamespace(#[source] io::Error),
    /// No thread to enter the namespace with.
    #[error(
        "starting a thread to look into another network namespace: {0}; is the limit of threads reached?"
    )]
    Thread(#[source] io::Error),
    /// /proc/PID/net could not be read.
    #[error("reading {path}: {source}; the process may be gone, or /proc is not mounted")]
    Proc {
        /// The file.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl SocketError {
    fn proc_may_help(&self) -> bool {
        !matches!(self, SocketError::OpenNamespace { source, .. } if source.kind() == io::ErrorKind::NotFound)
            && !matches!(self, SocketError::Proc { .. })
    }
}

pub(super) fn namespace(pid: u32) -> Result<File, SocketError> {
    File::open(format!("/proc/{pid}/ns/net")).map_err(|source| SocketError::OpenNamespace { pid, source })
}

pub(super) fn is_own(namespace: &File) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let own = std::fs::metadata("/proc/thread-self/ns/net").map(identity);
    matches!((own, namespace.metadata().map(identity)), (Ok(own), Ok(other)) if own == other)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn by_local(list: &SocketList, local: SocketAddr, peer: Option<SocketAddr>) -> &TcpSocket {
        let wanted = |s: &&TcpSocket| s.local == local && peer.is_none_or(|peer| s.peer == peer);
        list.sockets.iter().find(wanted).unwrap_or_else(|| panic!("{local} is not listed"))
    }

    /// A listener with one accepted connection that has 5 unread bytes, and one that waits.
    struct Scene {
        listener: TcpListener,
        client: TcpStream,
        _accepted: TcpStream,
        waiting: TcpStream,
    }

    fn scene(address: &str) -> Option<Scene> {
        let listener = TcpListener::bind((address, 0)).ok()?;
        let to = listener.local_addr().expect("a bound address");
        let mut client = TcpStream::connect(to).expect("connect");
        let (accepted, _) = listener.accept().expect("accept");
        client.write_all(b"hello").expect("write");
        let waiting = TcpStream::connect(to).expect("connect");
        Some(Scene { listener, client, _accepted: accepted, waiting })
    }

    fn check(scene: &Scene, listeners: &SocketList, connections: &SocketList) {
        let local = scene.listener.local_addr().expect("a bound address");
        let listener = by_local(listeners, local, None);
        assert_eq!((listener.state, listener.rqueue), (State::Listen, 1));
        assert!(listener.inode != 0);
        let accepted = scene.client.local_addr().expect("a bound address");
        let accepted = by_local(connections, local, Some(accepted));
        assert_eq!((accepted.state, accepted.rqueue), (State::Established, 5));
        assert!(accepted.inode != 0);
        let waiting = scene.waiting.local_addr().expect("a bound address");
        let waiting = by_local(connections, local, Some(waiting));
        assert_eq!((waiting.state, waiting.inode), (State::Established, 0), "nobody has accepted it");
    }

    #[test]
    fn sock_diag_shows_listeners_queues_and_connections() {
        for address in ["127.0.0.1", "::1"] {
            let Some(scene) = scene(address) else { continue };
            let listeners = sock_diag::dump(&Query::listeners()).expect("listeners");
            let connections = sock_diag::dump(&Query::connections().with_counters()).expect("connections");
            check(&scene, &listeners, &connections);
            let local = scene.listener.local_addr().expect("a bound address");
            let listener = by_local(&listeners, local, None);
            assert!(listener.wqueue > 0 && listener.cookie != 0);
            assert_eq!(listener.v6_only.is_some(), address == "::1");
            let accepted = by_local(&connections, local, scene.client.local_addr().ok());
            let counters = accepted.counters.expect("counters were asked for");
            assert_eq!(counters.bytes_received, 5);
            assert!(counters.last_data_received_ms < 60_000);
        }
    }

    #[test]
    fn proc_shows_the_same() {
        for address in ["127.0.0.1", "::1"] {
            let Some(scene) = scene(address) else { continue };
            let listeners = proc_net::dump(None, &Query::listeners()).expect("listeners");
            let connections =
                proc_net::dump(Some(std::process::id()), &Query::connections()).expect("connections");
            check(&scene, &listeners, &connections);
            let known = sock_diag::dump(&Query::listeners()).expect("listeners");
            let local = scene.listener.local_addr().expect("a bound address");
            let (here, there) = (by_local(&listeners, local, None), by_local(&known, local, None));
            assert_eq!((here.inode, here.uid, here.peer), (there.inode, there.uid, there.peer));
        }
    }

    #[test]
    fn a_limit_is_counted_and_the_order_is_fixed() {
        let _scene = scene("127.0.0.1").expect("a loopback address");
        let all = list(None, &Query::connections()).expect("connections");
        assert!(all.sockets.is_sorted_by_key(|s| (s.family, s.local, s.peer)));
        let few = list(None, &Query { limit: 1, ..Query::connections() }).expect("connections");
        assert_eq!(few.sockets.len(), 1);
        assert!(few.over_limit >= 3, "{}", few.over_limit);
    }

    #[test]
    fn a_process_of_the_same_namespace_is_asked_about_directly() {
        let scene = scene("127.0.0.1").expect("a loopback address");
        let listeners = list(Some(std::process::id()), &Query::listeners()).expect("listeners");
        assert_eq!(listeners.source, Source::SockDiag);
        by_local(&listeners, scene.listener.local_addr().expect("a bound address"), None);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let error = list(Some(u32::MAX), &Query::listeners()).expect_err("no such process");
        assert!(error.to_string().contains("/proc/4294967295/ns/net"), "{error}");
    }

    #[test]
    fn a_namespace_is_looked_into_without_leaving_ones_own() {
        let here = std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace");
        let local = scene("127.0.0.1").expect("a loopback address");
        let (sender, receiver) = std::sync::mpsc::channel();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            // SAFETY: what makes unsharing unsafe is a descriptor table of its own, which NEWNET does not
            // make.
            let made = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) };
            let made = made.map(|()| {
                let listener = TcpListener::bind("0.0.0.0:0").expect("bind in the new namespace");
                (File::open("/proc/thread-self/ns/net").expect("a namespace"), listener)
            });
            sender.send(made).expect("the test waits");
            let _ = wait.recv();
        });
        // Without the privilege to make a namespace there is none to look into.
        if let Ok((ns, listener)) = receiver.recv().expect("the thread answers") {
            let found = sock_diag::dump_in(ns.as_fd(), &Query::listeners()).expect("listeners over there");
            assert_eq!(found.sockets.len(), 1);
            assert_eq!(found.sockets[0].local, listener.local_addr().expect("a bound address"));
            assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace"), here);
            let found = sock_diag::dump(&Query::listeners()).expect("listeners here");
            by_local(&found, local.listener.local_addr().expect("a bound address"), None);
        }
        drop(done);
        other.join().expect("the thread ends");
    }
}
