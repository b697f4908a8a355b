//! What is open at unix listeners.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::survey::{UnderWay, namespaces_of};
use super::unix_diag;
use super::unix_watch::UnixWatch;
use crate::event::{BootNs, CountedBy, QueueSeen};

/// Looks at the connections to unix listeners.
#[derive(Debug, Default)]
pub(super) struct UnixSurvey {
    /// When each open connection was first seen, by its cookie.
    first_seen: HashMap<u64, BootNs>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct UnixOpen {
    pub(super) queues: Vec<QueueSeen>,
    pub(super) open: Vec<OpenConnection>,
    /// Nothing was left out.
    pub(super) complete: bool,
}

/// A connection that was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenConnection {
    pub(super) of: CountedBy,
    pub(super) inode: u64,
    pub(super) under_way: Option<UnderWay>,
    pub(super) since: BootNs,
}

impl UnixSurvey {
    pub(super) fn look(
        &mut self,
        at: BootNs,
        places: &[CountedBy],
        pids: &[u32],
        watch: &UnixWatch,
        outstanding: impl FnOnce() -> HashSet<u64>,
    ) -> UnixOpen {
        let wanted: BTreeSet<CountedBy> =
            places.iter().filter(|place| matches!(place, CountedBy::Path { .. })).copied().collect();
        let mut queues = watch.queues();
        queues.retain(|queue| wanted.contains(&CountedBy::of(&queue.key)));
        let mut found = UnixOpen { queues, open: Vec::new(), complete: true };
        if wanted.is_empty() {
            return found;
        }
        let outstanding = outstanding();
        let mut seen = HashMap::new();
        for (netns, pid) in namespaces_of(pids) {
            let Ok(list) = unix_diag::connections(pid.unwrap_or_else(std::process::id)) else {
                found.complete = false;
                continue;
            };
            found.complete &= list.is_whole();
            for socket in list.sockets.into_iter().filter(|socket| socket.inode != 0) {
                let place = watch.place_named(netns, &socket.name).map(|key| CountedBy::of(&key));
                let Some(of) = place.filter(|place| wanted.contains(place)) else { continue };
                let since = self.first_seen.get(&socket.cookie).copied().unwrap_or(at);
                seen.insert(socket.cookie, since);
                // Of a connected socket these are bytes not read, and bytes that its peer has not read.
                let under_way = match (socket.queue, socket.limit) {
                    (1.., _) => Some(UnderWay::Unread),
                    _ if outstanding.contains(&socket.inode) => Some(UnderWay::Awaiting),
                    (_, 1..) => Some(UnderWay::Unsent),
                    _ => None,
                };
                found.open.push(OpenConnection { of, inode: socket.inode, under_way, since });
            }
        }
        self.first_seen = seen;
        found
    }
}
