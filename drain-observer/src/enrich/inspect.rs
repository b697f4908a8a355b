//! Answers about single processes while observing.

use std::collections::HashSet;
use std::collections::btree_map::{BTreeMap, Entry};

use super::convert::{listener_key, netns, process_seen};
use super::process::{self, Extent};
use super::scan::{self, Limits};
use super::sockets::{self, Query, TcpSocket};
use super::unix_watch::UnixWatch;
use crate::clock;
use crate::event::{Event, HeldListener, Kind, Scanned};

/// Descriptors looked at in one process: more would hold up the observer, which has a ring buffer to empty.
const MAX_DESCRIPTORS: u64 = 1 << 18;

/// A round of answers. Listening sockets are listed once a round and namespace.
#[derive(Debug, Default)]
pub struct Inspection {
    extent: Extent,
    listeners: BTreeMap<u64, Vec<TcpSocket>>,
}

impl Inspection {
    /// Nothing is listed yet.
    pub fn new(extent: Extent) -> Inspection {
        Inspection { extent, ..Inspection::default() }
    }

    /// What `/proc` says of a process; none if it is gone.
    pub fn describe(&self, pid: u32) -> Option<Event> {
        let at = clock::boot_ns();
        let info = process::describe(pid, self.extent)?;
        Some(Event { at, event: Kind::ProcessSeen(process_seen(&info)) })
    }

    /// Which listening sockets of its network namespace a process holds; the unix ones among those that are known.
    pub fn scan(&mut self, pid: u32, unix: &UnixWatch) -> Event {
        let at = clock::boot_ns();
        let held = self.held(pid, unix);
        let found = held.is_some();
        Event { at, event: Kind::Scanned(Scanned { pid, found, listeners: held.unwrap_or_default() }) }
    }

    fn held(&mut self, pid: u32, unix: &UnixWatch) -> Option<Vec<HeldListener>> {
        let namespace = process::describe(pid, Extent::default())?.netns?;
        let unix = unix.in_namespace(netns(namespace));
        let listeners = self.listeners(namespace, pid)?;
        let inodes: HashSet<u64> =
            listeners.iter().map(|socket| socket.inode).chain(unix.keys().copied()).collect();
        let limits = Limits { per_process: MAX_DESCRIPTORS, total: MAX_DESCRIPTORS };
        let result = scan::scan(Some(&[pid]), Some(&inodes), &limits).ok()?;
        if result.processes == 0 || !result.is_complete() {
            return None;
        }
        let held = listeners.iter().filter(|socket| result.holders.contains_key(&socket.inode));
        let netns = netns(namespace);
        let held = held.map(|s| HeldListener { key: listener_key(netns, s), cookie: s.cookie });
        let unix = unix.iter().filter(|(inode, _)| result.holders.contains_key(inode));
        Some(held.chain(unix.map(|(_, &(key, cookie))| HeldListener { key, cookie })).collect())
    }

    fn listeners(&mut self, namespace: u64, pid: u32) -> Option<&[TcpSocket]> {
        Some(match self.listeners.entry(namespace) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(sockets::list(Some(pid), &Query::listeners()).ok()?.sockets)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn own_listeners_are_held() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let local = listener.local_addr().expect("a bound address").to_string();
        let Kind::Scanned(scanned) =
            Inspection::default().scan(std::process::id(), &UnixWatch::default()).event
        else {
            panic!("not the answer to the question")
        };
        assert!(scanned.found);
        assert!(scanned.listeners.iter().any(|held| held.key.local.to_string() == local), "{scanned:?}");
    }

    #[test]
    fn nothing_is_known_of_who_is_gone() {
        let mut inspection = Inspection::default();
        assert_eq!(inspection.describe(u32::MAX), None);
        let Kind::Scanned(scanned) = inspection.scan(u32::MAX, &UnixWatch::default()).event else {
            panic!("not the answer to the question")
        };
        assert_eq!(scanned, Scanned { pid: u32::MAX, found: false, listeners: Vec::new() });
    }
}
