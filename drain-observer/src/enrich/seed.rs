//! What was there before the probes came: listening sockets, who holds them, and those processes' relatives.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;

use super::convert::{listener_key, netns, process_seen};
use super::process::{self, Extent, ProcessInfo};
use super::scan::{self, Limits, ScanResult};
use super::sockets::{self, Query, SocketList, Source, TcpSocket};
use crate::clock;
use crate::event::{BootNs, Event, Kind, ListenerSeen};

/// Namespaces looked into.
const MAX_NAMESPACES: usize = 1_024;
/// Processes described.
const MAX_PROCESSES: usize = 65_536;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// [`Kind::ListenerSeen`] of each listening socket, then [`Kind::ProcessSeen`] of each process.
    pub events: Vec<Event>,
    /// Listening sockets.
    pub listeners: usize,
    /// Processes.
    pub processes: usize,
    /// What could not be seen, in words.
    pub notes: Vec<String>,
}

/// Looks for listening TCP sockets, at the given ports or (none given) at all, and takes the unix ones that were found at
/// `seen_at`.
pub fn look_around(ports: &[u16], extent: Extent, seen_at: BootNs, unix: Vec<ListenerSeen>) -> Found {
    let mut found = Found::default();
    if !in_initial_pid_namespace() {
        found.notes.push(
            "the observer runs in a pid namespace of its own: the kernel's process ids are not those it can look \
             up; run it in the host's (docker run --pid=host)"
                .to_owned(),
        );
    }
    let at = clock::boot_ns();
    let listeners = all_listeners(ports, &mut found.notes);
    let holders = find_holders(&listeners, &mut found.notes);
    found.listeners = listeners.len();
    found.events.extend(listeners.iter().map(|(netns, socket)| Event {
        at,
        event: Kind::ListenerSeen(ListenerSeen {
            key: listener_key(*netns, socket),
            cookie: socket.cookie,
            inode: socket.inode,
            queue: socket.rqueue,
            limit: socket.wqueue,
            holders: holders.get(&socket.inode).cloned().unwrap_or_default(),
            unix: None,
        }),
    }));
    let of_unix: Vec<u32> = unix.iter().flat_map(|seen| seen.holders.iter().copied()).collect();
    found.listeners += unix.len();
    let seen = |seen| Event { at: seen_at, event: Kind::ListenerSeen(seen) };
    found.events.extend(unix.into_iter().map(seen));

    let at = clock::boot_ns();
    let everybody = describe_all(extent, &mut found.notes);
    let relatives = with_relatives(holders.into_values().flatten().chain(of_unix), &everybody);
    found.processes = relatives.len();
    let described = relatives.into_iter().filter_map(|pid| everybody.get(&pid));
    found.events.extend(described.map(|info| Event { at, event: Kind::ProcessSeen(process_seen(info)) }));
    found
}

fn all_listeners(ports: &[u16], notes: &mut Vec<String>) -> Vec<(u32, TcpSocket)> {
    let namespaces = match scan::network_namespaces() {
        Ok(namespaces) => namespaces,
        Err(error) => {
            notes.push(error.to_string());
            return Vec::new();
        }
    };
    let beyond = namespaces.len().saturating_sub(MAX_NAMESPACES);
    if beyond > 0 {
        notes.push(format!("{beyond} network namespaces were not looked into: only {MAX_NAMESPACES} are"));
    }
    let mut listeners = Vec::new();
    for (inode, pid) in namespaces.into_iter().take(MAX_NAMESPACES) {
        let netns = netns(inode);
        match sockets::list(Some(pid), &Query::listeners()) {
            Ok(list) => {
                notes.extend(shortcomings(netns, &list));
                let wanted =
                    list.sockets.into_iter().filter(|s| ports.is_empty() || ports.contains(&s.local.port()));
                listeners.extend(wanted.map(|socket| (netns, socket)));
            }
            Err(error) => {
                notes.push(format!("listeners of network namespace {netns} are not known: {error}"))
            }
        }
    }
    listeners
}

/// What a listing did not see.
pub(super) fn shortcomings(netns: u32, list: &SocketList) -> Vec<String> {
    let mut notes = Vec::new();
    let mut say = |what: String| notes.push(format!("network namespace {netns}: {what}"));
    if let Source::Proc { instead } = &list.source {
        say(format!("sockets were read from /proc, which tells less ({instead})"));
    }
    if list.over_limit > 0 {
        say(format!("{} sockets beyond the first {} were left out", list.over_limit, list.sockets.len()));
    }
    if list.malformed > 0 {
        say(format!("{} of the kernel's replies about sockets were malformed", list.malformed));
    }
    if list.interrupted {
        say("sockets changed while they were listed: some may be missing".to_owned());
    }
    notes
}

fn find_holders(listeners: &[(u32, TcpSocket)], notes: &mut Vec<String>) -> BTreeMap<u64, Vec<u32>> {
    let inodes: HashSet<u64> = listeners.iter().map(|(_, socket)| socket.inode).collect();
    match scan::scan(None, Some(&inodes), &Limits::default()) {
        Ok(result) => {
            let mut unheld =
                listeners.iter().filter(|(_, socket)| !result.holders.contains_key(&socket.inode));
            let example = unheld.next().map(|(_, socket)| socket.local);
            notes.extend(holes(&result, example.map(|local| (local, unheld.count() + 1))));
            result.holders
        }
        Err(error) => {
            notes.push(error.to_string());
            BTreeMap::new()
        }
    }
}

/// What a scan of descriptors did not see. Processes that may not be looked into (hidden ones there are on many
/// hosts) matter where a listener is left without a holder.
fn holes(result: &ScanResult, unheld: Option<(SocketAddr, usize)>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((local, count)) = unheld.filter(|_| result.denied > 0) {
        notes.push(format!(
            "who holds {count} of the listening sockets ({local}) is not known: {} processes may not be looked into",
            result.denied
        ));
    }
    let unseen = result.failed + result.over_process_limit + result.over_total_limit;
    if unseen > 0 {
        notes.push(format!(
            "descriptors of {unseen} processes were not (all) seen ({} failed, {} with too many, {} beyond the limit): \
             some holders of listening sockets may be unknown",
            result.failed, result.over_process_limit, result.over_total_limit
        ));
    }
    notes
}

fn describe_all(extent: Extent, notes: &mut Vec<String>) -> BTreeMap<u32, ProcessInfo> {
    let pids: BTreeSet<u32> = match std::fs::read_dir("/proc") {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
            .collect(),
        Err(error) => {
            notes.push(format!("processes are not known: reading /proc failed: {error}; is it mounted?"));
            BTreeSet::new()
        }
    };
    let beyond = pids.len().saturating_sub(MAX_PROCESSES);
    if beyond > 0 {
        notes.push(format!("{beyond} processes were not described: only {MAX_PROCESSES} are"));
    }
    pids.into_iter()
        .take(MAX_PROCESSES)
        .filter_map(|pid| process::describe(pid, extent).map(|info| (pid, info)))
        .collect()
}

/// The processes given, their ancestors and their children.
fn with_relatives(
    holders: impl Iterator<Item = u32>,
    everybody: &BTreeMap<u32, ProcessInfo>,
) -> BTreeSet<u32> {
    let holders: BTreeSet<u32> = holders.collect();
    let mut family = BTreeSet::new();
    for &holder in &holders {
        let mut pid = holder;
        // Ends where somebody has been before, so also in a circle, which pids used again might make.
        while let Some(info) = everybody.get(&pid)
            && family.insert(pid)
        {
            pid = info.ppid;
        }
    }
    family.extend(everybody.values().filter(|info| holders.contains(&info.ppid)).map(|info| info.tgid));
    family
}

/// Whether the pids that the kernel knows are the ones in `/proc`.
pub fn in_initial_pid_namespace() -> bool {
    // PROC_PID_INIT_INO of include/linux/proc_ns.h
    const INITIAL: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").map_or(true, |link| link.as_os_str() == INITIAL)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn own_listener_and_family_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("a bound address").port();
        let found = look_around(&[port], Extent::default(), 0, Vec::new());
        assert_eq!(found.listeners, 1, "{found:?}");
        let seen: Vec<&ListenerSeen> = found
            .events
            .iter()
            .filter_map(|event| match &event.event {
                Kind::ListenerSeen(seen) => Some(seen),
                _ => None,
            })
            .collect();
        assert_eq!(seen[0].key.local.to_string(), format!("127.0.0.1:{port}"));
        assert_eq!(seen[0].holders, [std::process::id()]);
        let pids: Vec<u32> = found
            .events
            .iter()
            .filter_map(|event| match &event.event {
                Kind::ProcessSeen(seen) => Some(seen.pid),
                _ => None,
            })
            .collect();
        assert!(pids.contains(&std::process::id()) && pids.contains(&std::os::unix::process::parent_id()));
        assert_eq!(pids.len(), found.processes);
    }

    #[test]
    fn hidden_processes_matter_where_a_holder_is_missing() {
        let mut result = ScanResult { denied: 3, ..ScanResult::default() };
        assert_eq!(holes(&result, None), Vec::<String>::new());
        let local = "127.0.0.1:80".parse().expect("an address");
        assert!(
            holes(&result, Some((local, 2)))[0]
                .contains("who holds 2 of the listening sockets (127.0.0.1:80)")
        );
        result.failed = 1;
        assert_eq!(holes(&result, None).len(), 1);
    }

    #[test]
    fn relatives_end_even_in_a_circle() {
        let me = process::describe(std::process::id(), Extent::default()).expect("this process is there");
        let process = |tgid, ppid| (tgid, ProcessInfo { tgid, ppid, ..me.clone() });
        let everybody =
            BTreeMap::from([process(1, 0), process(2, 1), process(3, 2), process(4, 3), process(9, 1)]);
        assert_eq!(Vec::from_iter(with_relatives([3].into_iter(), &everybody)), [1, 2, 3, 4]);
        let circle = BTreeMap::from([process(2, 3), process(3, 2)]);
        assert_eq!(Vec::from_iter(with_relatives([2, 3].into_iter(), &circle)), [2, 3]);
    }
}
