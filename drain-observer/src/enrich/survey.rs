//! What is open at some ports, and which processes hold it. A look costs time in proportion to the sockets and
//! descriptors there are, during which nothing else is done: how often it is taken depends on what it cost.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::convert::{listener_key, netns};
use super::scan::{self, Limits, ScanResult};
use super::sockets::{self, Query, State, TcpSocket};
use super::unix_survey::{UnixOpen, UnixSurvey};
use super::unix_watch::UnixWatch;
use crate::clock;
use crate::event::{BootNs, CountedBy, Event, Held, Kind, QueueSeen, Surveyed, Unheld};

/// Looks follow each other by no less.
const INTERVAL: Duration = Duration::from_millis(200);
/// Looking takes no more than one part in this many of the time.
const SHARE: u32 = 100;
/// Sockets looked at.
const MAX_SOCKETS: usize = 1 << 17;
/// Descriptors looked at.
const MAX_DESCRIPTORS: u64 = 1 << 18;
/// Listening sockets, and processes at ports, in one answer.
const MAX_TOLD: usize = 2_048;

/// Looks at what is open, at a pace that it can afford.
#[derive(Debug, Default)]
pub struct Surveyor {
    not_before: Option<Instant>,
    /// When each open connection was first seen, by its cookie.
    first_seen: HashMap<u64, BootNs>,
    unix: UnixSurvey,
}

impl Surveyor {
    /// What is open at these places and held by these processes; none if it is too early to look again. Of unix
    /// connections the probes know what is `outstanding`.
    pub fn survey(
        &mut self,
        places: &[CountedBy],
        pids: &[u32],
        unix: &UnixWatch,
        outstanding: impl FnOnce() -> HashSet<u64>,
    ) -> Option<Event> {
        let began = Instant::now();
        if self.not_before.is_some_and(|not_before| began < not_before) {
            return None;
        }
        let cost = clock::thread_cpu_time();
        let at = clock::boot_ns();
        let unix = self.unix.look(at, places, pids, unix, outstanding);
        let surveyed = self.look(at, places, pids, unix);
        // Not the time that it took: on a busy host much of that is waiting.
        let cost = clock::thread_cpu_time().saturating_sub(cost);
        self.not_before = Some(began + INTERVAL.max(cost * SHARE));
        Some(Event { at, event: Kind::Surveyed(surveyed) })
    }

    fn look(&mut self, at: BootNs, places: &[CountedBy], pids: &[u32], unix: UnixOpen) -> Surveyed {
        let (found, mut complete) = sockets_of(places, pids);
        complete &= unix.complete;
        let sockets =
            || found.iter().flat_map(|(netns, sockets)| sockets.iter().map(move |socket| (*netns, socket)));
        let inodes = sockets().map(|(_, socket)| socket.inode).filter(|inode| *inode != 0);
        let inodes: HashSet<u64> = inodes.chain(unix.open.iter().map(|one| one.inode)).collect();
        let limits = Limits { per_process: MAX_DESCRIPTORS, total: MAX_DESCRIPTORS };
        let scanned = scan::scan(Some(pids), Some(&inodes), &limits);
        complete &= scanned.as_ref().is_ok_and(ScanResult::is_complete);
        let holders = scanned.map(|result| result.holders).unwrap_or_default();

        let mut surveyed = Surveyed { complete, ..Surveyed::default() };
        let mut held = BTreeMap::new();
        let mut unheld = BTreeMap::new();
        let mut seen = HashMap::with_capacity(self.first_seen.len());
        for (netns, socket) in sockets() {
            let of = CountedBy::Port { netns, port: socket.local.port() };
            if socket.state == State::Listen {
                surveyed.queues.push(QueueSeen {
                    key: listener_key(netns, socket),
                    cookie: socket.cookie,
                    queue: socket.rqueue,
                    limit: socket.wqueue,
                });
                continue;
            }
            let since = self.first_seen.get(&socket.cookie).copied().unwrap_or(at);
            seen.insert(socket.cookie, since);
            match holders.get(&socket.inode).and_then(|pids| pids.last()) {
                Some(pid) => add(&mut held, *pid, of, under_way(socket), since),
                None => {
                    let unheld = unheld.entry(of).or_insert(Unheld { of, open: 0, queued: 0 });
                    unheld.queued += u32::from(socket.inode == 0);
                    unheld.open += u32::from(socket.inode != 0);
                }
            }
        }
        self.first_seen = seen;
        for one in unix.open {
            match holders.get(&one.inode).and_then(|pids| pids.last()) {
                Some(pid) => add(&mut held, *pid, one.of, one.under_way, one.since),
                None => unheld.entry(one.of).or_insert(Unheld { of: one.of, open: 0, queued: 0 }).open += 1,
            }
        }
        surveyed.queues.extend(unix.queues);
        surveyed.held.extend(held.into_values().take(MAX_TOLD));
        surveyed.unheld.extend(unheld.into_values().take(MAX_TOLD));
        surveyed.complete &= surveyed.queues.len() <= MAX_TOLD
            && surveyed.held.len() < MAX_TOLD
            && surveyed.unheld.len() < MAX_TOLD;
        surveyed.queues.truncate(MAX_TOLD);
        surveyed
    }
}

/// The listeners and connections at some ports, of the namespaces that some process given lives in; as they were listed,
/// for there may be very many. Also whether none was left out.
fn sockets_of(places: &[CountedBy], pids: &[u32]) -> (Vec<(u32, Vec<TcpSocket>)>, bool) {
    let namespaces = namespaces_of(pids);
    let mut found = Vec::new();
    let mut complete = true;
    let mut wanted: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
    for place in places {
        if let CountedBy::Port { netns, port } = place {
            wanted.entry(*netns).or_default().insert(*port);
        }
    }
    for (inode, here) in wanted {
        let (Some(first), Some(last), Some(pid)) = (here.first(), here.last(), namespaces.get(&inode)) else {
            complete = false;
            continue;
        };
        let query = Query { limit: MAX_SOCKETS, ..Query::open().with_counters().at_ports(*first, *last) };
        match sockets::list(*pid, &query) {
            Ok(mut list) => {
                complete &= list.over_limit == 0 && list.malformed == 0 && !list.interrupted;
                list.sockets.retain(|socket| here.contains(&socket.local.port()));
                found.push((inode, list.sockets));
            }
            Err(_) => complete = false,
        }
    }
    (found, complete)
}

/// The network namespaces of some processes, each with one of them; of the observer's own, none is needed.
pub(super) fn namespaces_of(pids: &[u32]) -> BTreeMap<u32, Option<u32>> {
    let mut namespaces = BTreeMap::new();
    let own = std::fs::read_link("/proc/thread-self/ns/net").ok();
    let own = own.and_then(|link| super::process::namespace_inode(link.as_os_str().as_encoded_bytes()));
    namespaces.extend(own.map(|inode| (netns(inode), None)));
    for pid in pids {
        let Ok(link) = std::fs::read_link(format!("/proc/{pid}/ns/net")) else { continue };
        let Some(inode) = super::process::namespace_inode(link.as_os_str().as_encoded_bytes()) else {
            continue;
        };
        if let Entry::Vacant(unknown) = namespaces.entry(netns(inode)) {
            unknown.insert(Some(*pid));
        }
    }
    namespaces
}

fn add(
    all: &mut BTreeMap<(u32, CountedBy), Held>,
    pid: u32,
    of: CountedBy,
    under_way: Option<UnderWay>,
    since: BootNs,
) {
    let none = Held { pid, of, open: 0, unread: 0, awaiting: 0, unsent: 0, oldest: since };
    let held = all.entry((pid, of)).or_insert(none);
    held.open += 1;
    held.oldest = held.oldest.min(since);
    match under_way {
        Some(UnderWay::Unread) => held.unread += 1,
        Some(UnderWay::Awaiting) => held.awaiting += 1,
        Some(UnderWay::Unsent) => held.unsent += 1,
        None => {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnderWay {
    Unread,
    Awaiting,
    Unsent,
}

/// What of a connection would be lost with its process. A request and an earlier response within one millisecond
/// cannot be told apart, nor can a request be told from one half received.
fn under_way(socket: &TcpSocket) -> Option<UnderWay> {
    // A received FIN counts as one unread byte.
    let fin = u32::from(socket.state == State::CloseWait);
    if socket.rqueue > fin {
        return Some(UnderWay::Unread);
    }
    if socket.wqueue > 0 {
        return Some(UnderWay::Unsent);
    }
    let counters = socket.counters?;
    let received = counters.bytes_received > u64::from(fin);
    let unanswered = counters.bytes_acked == 0 || counters.last_data_received_ms < counters.last_data_sent_ms;
    (received && unanswered && fin == 0).then_some(UnderWay::Awaiting)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_is_open_is_counted_by_what_would_be_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let to = listener.local_addr().expect("a bound address");
        let connect = |bytes: &[u8]| {
            let mut client = TcpStream::connect(to).expect("connect");
            client.write_all(bytes).expect("write");
            client
        };
        let clients = [connect(b""), connect(b"unread"), connect(b"read"), connect(b"read")];
        let mut accepted: Vec<TcpStream> =
            clients.iter().map(|_| listener.accept().expect("accept").0).collect();
        for index in [2, 3] {
            let mut buffer = [0; 4];
            accepted[index].read_exact(&mut buffer).expect("four bytes");
        }
        accepted[3].write_all(b"answer").expect("write");
        let _queued = connect(b"waits");

        let own = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
        let own = crate::enrich::process::namespace_inode(own.as_os_str().as_encoded_bytes());
        let of = CountedBy::Port { netns: netns(own.expect("an inode")), port: to.port() };
        let unix = UnixWatch::default();
        let mut surveyor = Surveyor::default();
        let event = surveyor
            .survey(&[of], &[std::process::id()], &unix, HashSet::new)
            .expect("the first is never too early");
        let Kind::Surveyed(seen) = event.event else { panic!("not the answer to the question") };
        assert!(seen.complete, "{seen:?}");
        assert_eq!(seen.queues.len(), 1);
        assert_eq!(seen.queues[0].queue, 1);
        assert_eq!(seen.unheld, [Unheld { of, open: 0, queued: 1 }]);
        let [held] = seen.held.as_slice() else { panic!("one process holds all: {seen:?}") };
        assert_eq!((held.open, held.unread, held.unsent), (4, 1, 0));
        assert!(held.awaiting == 1 && held.pid == std::process::id(), "{held:?}");
        assert_eq!(surveyor.survey(&[of], &[], &unix, HashSet::new), None, "too early");
    }

    #[test]
    fn nobody_there_is_no_error() {
        let seen = Surveyor::default().survey(
            &[CountedBy::Port { netns: 1, port: 1 }],
            &[u32::MAX],
            &UnixWatch::default(),
            HashSet::new,
        );
        let Some(Event { event: Kind::Surveyed(seen), .. }) = seen else { panic!("it was looked") };
        assert!(!seen.complete, "that namespace could not be looked into");
        assert_eq!((seen.queues.len(), seen.held.len()), (0, 0));
    }
}
