//! Which unix listeners there are. No probe tells when one opens or closes, so it is looked, and what changed since the
//! look before is told; a look costs time in proportion to the network namespaces and listeners there are.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use super::convert::netns;
use super::process::namespace_inode;
use super::scan::{self, Limits};
use super::unix_diag::{self, UnixSocket};
use super::unix_place::{self, Places};
use crate::clock;
use crate::event::{
    BootNs, Event, Kind, ListenerKey, ListenerSeen, Local, QueueSeen, Task, UnixBind, UnixClosed,
    UnixListener, UnixOpened, UnixPath, UnixRefused,
};

/// Looks that nobody asked for follow each other by no less.
const INTERVAL: Duration = Duration::from_secs(1);
/// Those that were asked for.
const SHORT_INTERVAL: Duration = Duration::from_millis(5);
/// Looks that nobody asked for take no more than one part in this many of the time.
const SHARE: u32 = 1_000;
/// Those that were asked for.
const LARGE_SHARE: u32 = 20;
/// It is seen this often which network namespaces there are.
const NAMESPACES_EVERY: Duration = Duration::from_secs(10);
/// Namespaces looked into.
const MAX_NAMESPACES: usize = 1_024;
/// Listeners followed.
const MAX_LISTENERS: usize = 16_384;
/// Descriptors looked at for holders.
const LIMITS: Limits = Limits { per_process: 1 << 18, total: 1 << 22 };
/// Relative names that are remembered.
const MAX_NAMES: usize = 4_096;
/// Listeners of which a probe told before a look found them.
const MAX_WAITING: usize = 256;

/// Which unix listeners are of interest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UnixScope {
    /// Every one.
    #[default]
    All,
    /// Those at these paths.
    Paths(BTreeSet<UnixPath>),
    /// None: it is never looked.
    Nothing,
}

/// Follows the unix listeners of all network namespaces.
#[derive(Debug, Default)]
pub struct UnixWatch {
    scope: UnixScope,
    /// By network namespace and cookie.
    known: BTreeMap<(u32, u64), Known>,
    places: Places,
    /// What probes told of listeners that no look has found yet, by inode.
    waiting: BTreeMap<u64, (BootNs, UnixListener)>,
    /// Those by relative names that turned out to be of no interest: their inodes.
    unwanted: BTreeMap<(u32, u64), u64>,
    /// Relative names of listeners of interest, also of those that have closed: their connections may end later.
    relative: BTreeSet<UnixPath>,
    namespaces: Vec<(u32, u32)>,
    namespaces_until: Option<Instant>,
    /// None were left out.
    all_namespaces: bool,
    /// When each was listed last, whole.
    listed: BTreeMap<u32, BootNs>,
    looked: Option<Look>,
    unheld_until: Option<Instant>,
    notes: BTreeSet<String>,
}

/// A listener that is known.
#[derive(Debug)]
struct Known {
    seen: ListenerSeen,
    binding: u64,
}

impl Known {
    /// Whether its queue, which holds one more than its limit, was full at the last look.
    fn is_full(&self) -> bool {
        self.seen.queue > self.seen.limit
    }
}

/// The last look.
#[derive(Debug, Clone, Copy)]
struct Look {
    ended: Instant,
    took: Duration,
}

/// What a look found.
#[derive(Debug, Default)]
pub struct Looked {
    /// [`Kind::UnixOpened`], [`Kind::UnixClosed`], and [`Kind::ListenerSeen`] of those whose holders are known only now.
    pub events: Vec<Event>,
    /// [`UnixListener::binding`] and place of those that closed.
    pub unbound: Vec<(u64, ListenerKey)>,
}

impl UnixWatch {
    /// A watch that has not looked yet.
    pub fn new(scope: UnixScope) -> UnixWatch {
        UnixWatch { scope, ..UnixWatch::default() }
    }

    /// Looks for the first time: when that was, what there is, and what could not be seen, in words.
    pub fn look_around(&mut self) -> (BootNs, Vec<ListenerSeen>, Vec<String>) {
        let at = clock::boot_ns();
        self.look(None);
        (at, self.known.values().map(|known| known.seen.clone()).collect(), self.take_notes())
    }

    /// Looks, if it is time to: `asked` = somebody waits for it.
    pub fn look_again(&mut self, asked: bool) -> Looked {
        let (interval, share) = if asked { (SHORT_INTERVAL, LARGE_SHARE) } else { (INTERVAL, SHARE) };
        if self.is_within(interval, share) { Looked::default() } else { self.look(None) }
    }

    /// Looks, however early it is.
    pub fn look_now(&mut self) -> Looked {
        self.look(None)
    }

    /// Whether it is too early for another look, even for somebody who waits for it.
    pub fn is_early(&self) -> bool {
        self.is_within(SHORT_INTERVAL, LARGE_SHARE)
    }

    /// Keeps what a probe told of a listener at work; looks, if that is of interest and not known.
    pub fn saw(&mut self, at: BootNs, listener: &UnixListener) -> Looked {
        if listener.inode == 0 {
            return Looked::default();
        }
        let unknown = self.by_inode(listener.inode).is_none();
        let seen = Some((listener.inode, at));
        // Those of no interest stay unknown, and are told of again and again.
        let refuted = self.unwanted.values().any(|inode| *inode == listener.inode);
        let wanted = !refuted && listener.path.is_some_and(|name| self.is_of_interest(&name));
        let looked = if unknown && wanted && !self.is_early() { self.look(seen) } else { Looked::default() };
        if let Some(known) = self.by_inode(listener.inode) {
            known.binding = listener.binding;
        } else if wanted {
            // The probe tells it once: a later look may find it.
            if self.waiting.len() < MAX_WAITING {
                self.waiting.insert(listener.inode, (at, listener.clone()));
            } else {
                self.notes.insert(format!("unix listeners at work beyond {MAX_WAITING} were not waited for"));
            }
        }
        looked
    }

    /// Whether a probe told of the listener with this binding and no look has found it yet.
    pub fn awaits(&self, binding: u64) -> bool {
        binding != 0 && self.waiting.values().any(|(_, listener)| listener.binding == binding)
    }

    /// Says where the name leads to that a client was refused at, whether there is a file, and whether the queue there
    /// was full at the last look.
    pub fn resolve(&mut self, refused: &mut UnixRefused) {
        let Some(name) = refused.path else { return };
        let open = self.known.values().map(|known| (&known.seen.key, known.is_full()));
        let lead = self.places.lead(name, refused.client.pid, refused.netns, open);
        (refused.place, refused.file, refused.full) = (lead.place, lead.file, lead.full);
    }

    /// Whether an accept queue at a place was full at the last look.
    pub fn is_full(&self, place: &ListenerKey) -> bool {
        self.known.values().any(|known| known.seen.key == *place && known.is_full())
    }

    /// Whether a name may be that of a listener of interest.
    pub fn is_of_interest(&self, name: &UnixPath) -> bool {
        let may_end_in = |paths: &BTreeSet<UnixPath>| {
            paths.iter().any(|path| path.last_component() == name.last_component())
        };
        match &self.scope {
            UnixScope::All => true,
            UnixScope::Paths(paths) => {
                paths.contains(name)
                    || self.relative.contains(name)
                    || (unix_place::is_relative(name) && may_end_in(paths))
            }
            UnixScope::Nothing => false,
        }
    }

    /// The accept queues as they were at the last look.
    pub fn queues(&self) -> Vec<QueueSeen> {
        let queue = |known: &Known| {
            let ListenerSeen { key, cookie, queue, limit, .. } = known.seen;
            QueueSeen { key, cookie, queue, limit }
        };
        self.known.values().map(queue).collect()
    }

    /// Inodes of all open connections' server ends; `None` where some may be missing.
    pub fn open_connections(&mut self) -> Option<HashSet<u64>> {
        let mut open = HashSet::new();
        // Connections of a namespace that is not known yet would seem to have ended.
        self.namespaces_until = None;
        let namespaces = self.namespaces();
        if !self.all_namespaces {
            return None;
        }
        for (_, pid) in namespaces {
            let list = unix_diag::connections(pid).ok().filter(|list| list.is_whole())?;
            open.extend(list.sockets.into_iter().map(|socket| socket.inode));
        }
        Some(open)
    }

    /// Where a listener is whose connections go by this name.
    pub fn place_named(&self, netns: u32, name: &UnixPath) -> Option<ListenerKey> {
        let is_bound = |known: &&Known| {
            let own = known.seen.key.local.path() == Some(name);
            own || known.seen.unix.is_some_and(|unix| unix.name == Some(*name))
        };
        let bound = || self.known.values().filter(is_bound).map(|known| known.seen.key);
        bound().find(|key| key.netns == netns).or_else(|| bound().next().filter(|_| !name.is_abstract()))
    }

    /// The listeners in one network namespace, by inode.
    pub fn in_namespace(&self, netns: u32) -> BTreeMap<u64, (ListenerKey, u64)> {
        let there = self.known.values().filter(|known| known.seen.key.netns == netns);
        there.map(|known| (known.seen.inode, (known.seen.key, known.seen.cookie))).collect()
    }

    /// Where the listener is that is known by its binding.
    pub fn bound_by(&self, binding: u64) -> Option<ListenerKey> {
        let known = self.known.values().find(|known| known.binding == binding && binding != 0);
        known.map(|known| known.seen.key)
    }

    /// What could not be seen since this was asked last, in words.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes).into_iter().collect()
    }

    fn is_within(&self, interval: Duration, share: u32) -> bool {
        self.looked.is_some_and(|look| look.ended.elapsed() < interval.max(look.took * share))
    }

    /// `seen`: the inode of a listener that was there at a time before.
    fn look(&mut self, seen: Option<(u64, BootNs)>) -> Looked {
        if self.scope == UnixScope::Nothing {
            return Looked::default();
        }
        let (began, at) = (Instant::now(), clock::boot_ns());
        let before = std::mem::take(&mut self.listed);
        let mut sockets = BTreeMap::new();
        let mut unseen = BTreeSet::new();
        for (netns, pid) in self.namespaces() {
            match unix_diag::list(pid) {
                Ok(list) => {
                    let place = format!("network namespace {netns}");
                    self.notes.extend(list.shortcomings().into_iter().map(|what| format!("{place}: {what}")));
                    if list.is_whole() {
                        self.listed.insert(netns, at);
                    } else {
                        // What is not in it may be there all the same.
                        unseen.insert(netns);
                    }
                    // To clients one that is shut down is as good as closed.
                    let open = list.sockets.into_iter().filter(|socket| !socket.shut_down);
                    sockets.extend(open.map(|socket| ((netns, socket.cookie), socket)));
                }
                Err(error) => {
                    unseen.insert(netns);
                    self.namespaces_until = None;
                    // Where the process has left it, another may be there, or the namespace is gone, too.
                    if is_in(pid, netns) {
                        let note =
                            format!("unix listeners of network namespace {netns} are not known: {error}");
                        self.notes.insert(note);
                    }
                }
            }
        }
        let mut looked = Looked::default();
        // Of a namespace that was not listed before, anything may have been there for long.
        let since = |netns: u32| before.get(&netns).copied().unwrap_or(0);
        self.remove_closed(&sockets, &unseen, at, since, &mut looked);
        self.add_opened(sockets, at, since, seen, &mut looked);
        for netns in unseen {
            self.listed.extend(before.get(&netns).map(|at| (netns, *at)));
        }
        self.find_missing_holders(at, &mut looked);
        let ended = Instant::now();
        self.looked = Some(Look { ended, took: ended - began });
        looked
    }

    fn remove_closed(
        &mut self,
        sockets: &BTreeMap<(u32, u64), UnixSocket>,
        unseen: &BTreeSet<u32>,
        at: BootNs,
        since: impl Fn(u32) -> BootNs,
        looked: &mut Looked,
    ) {
        self.known.retain(|id, known| {
            let ListenerSeen { key, cookie, queue, .. } = known.seen;
            if let Some(socket) = sockets.get(id) {
                (known.seen.queue, known.seen.limit) = (socket.queue, socket.limit);
                return true;
            }
            if unseen.contains(&key.netns) {
                return true;
            }
            self.places.closed(key);
            looked.unbound.extend((known.binding != 0).then_some((known.binding, key)));
            let closed = UnixClosed { since: since(key.netns), key, cookie, queue };
            looked.events.push(Event { at, event: Kind::UnixClosed(closed) });
            false
        });
    }

    fn add_opened(
        &mut self,
        mut sockets: BTreeMap<(u32, u64), UnixSocket>,
        at: BootNs,
        since: impl Fn(u32) -> BootNs,
        before: Option<(u64, BootNs)>,
        looked: &mut Looked,
    ) {
        let stale = at.saturating_sub(NAMESPACES_EVERY.as_nanos() as u64);
        self.waiting.retain(|_, (told, _)| *told >= stale);
        self.unwanted.retain(|id, _| sockets.contains_key(id));
        // A whole name tells whether it is wanted; of a relative one its holder's directory has to be known.
        sockets.retain(|id, socket| {
            let relative = unix_place::is_relative(&socket.name) && !self.unwanted.contains_key(id);
            !self.known.contains_key(id) && (self.is_wanted(&socket.name) || relative)
        });
        if sockets.is_empty() {
            return;
        }
        let began = Instant::now();
        let holders = self.find_holders(sockets.values().map(|socket| socket.inode).collect());
        self.search_again_after(began);
        for ((netns, cookie), socket) in sockets {
            if self.known.len() >= MAX_LISTENERS {
                self.notes
                    .insert(format!("unix listeners beyond the first {MAX_LISTENERS} are not followed"));
                break;
            }
            let holders = holders.get(&socket.inode).cloned().unwrap_or_default();
            let holder = holders.iter().copied().find(|pid| *pid != Task::INIT).or(holders.first().copied());
            let place = holder.map_or(socket.name, |pid| unix_place::absolute(&socket.name, pid));
            if !self.is_wanted(&place) {
                self.unwanted.insert((netns, cookie), socket.inode);
                self.waiting.remove(&socket.inode);
                continue;
            }
            let key = ListenerKey { netns, local: Local::Unix(place) };
            self.places.opened(&socket.name, holder, key);
            let name = (place != socket.name).then_some(socket.name);
            let told = self.waiting.remove(&socket.inode);
            let seen = before.filter(|(inode, _)| *inode == socket.inode).map(|(_, seen)| seen);
            let at = seen.into_iter().chain(told.as_ref().map(|(seen, _)| *seen)).fold(at, BootNs::min);
            if let Some(name) = name
                && self.relative.len() < MAX_NAMES
            {
                self.relative.insert(name);
            }
            let seen = ListenerSeen {
                key,
                cookie,
                inode: socket.inode,
                queue: socket.queue,
                limit: socket.limit,
                holders,
                unix: Some(UnixBind { name, file_inode: socket.file_inode }),
            };
            let binding = told.as_ref().map_or(0, |(_, listener)| listener.binding);
            self.known.insert((netns, cookie), Known { seen: seen.clone(), binding });
            let opened = UnixOpened { since: since(netns), seen };
            looked.events.push(Event { at, event: Kind::UnixOpened(opened) });
            let told = told.map(|(at, listener)| Event { at, event: Kind::UnixListener(listener) });
            looked.events.extend(told);
        }
        self.places.changed(self.known.values().map(|known| known.seen.key));
    }

    /// A socket may be bound by a process that may not be looked into, or be handed on while it is looked.
    fn find_missing_holders(&mut self, at: BootNs, looked: &mut Looked) {
        if self.unheld_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let nobody = |known: &&mut Known| known.seen.holders.iter().all(|pid| *pid == Task::INIT);
        let unheld: HashSet<u64> =
            self.known.values_mut().filter(nobody).map(|known| known.seen.inode).collect();
        if unheld.is_empty() {
            return;
        }
        let began = Instant::now();
        let found = self.find_holders(unheld);
        self.search_again_after(began);
        for known in self.known.values_mut() {
            let Some(holders) = found.get(&known.seen.inode) else { continue };
            if *holders != known.seen.holders {
                known.seen.holders.clone_from(holders);
                looked.events.push(Event { at, event: Kind::ListenerSeen(known.seen.clone()) });
            }
        }
    }

    /// A search for holders, which `began` then, has ended.
    fn search_again_after(&mut self, began: Instant) {
        self.unheld_until = Some(Instant::now() + NAMESPACES_EVERY.max(began.elapsed() * SHARE));
    }

    fn find_holders(&mut self, inodes: HashSet<u64>) -> BTreeMap<u64, Vec<u32>> {
        match scan::scan(None, Some(&inodes), &LIMITS) {
            Ok(result) => {
                if result.failed + result.over_process_limit + result.over_total_limit > 0 {
                    let note = "descriptors of some processes were not seen: holders of unix listeners may be unknown";
                    self.notes.insert(note.to_owned());
                }
                result.holders
            }
            Err(error) => {
                self.notes.insert(error.to_string());
                BTreeMap::new()
            }
        }
    }

    fn namespaces(&mut self) -> Vec<(u32, u32)> {
        if self.namespaces_until.is_none_or(|until| until <= Instant::now()) {
            self.namespaces_until = Some(Instant::now() + NAMESPACES_EVERY);
            match scan::network_namespaces() {
                Ok(found) => {
                    let beyond = found.len().saturating_sub(MAX_NAMESPACES);
                    self.all_namespaces = beyond == 0;
                    if beyond > 0 {
                        self.notes.insert(format!(
                            "{beyond} network namespaces were not searched for unix listeners: only {MAX_NAMESPACES} are"
                        ));
                    }
                    let found = found.into_iter().take(MAX_NAMESPACES);
                    self.namespaces = found.map(|(inode, pid)| (netns(inode), pid)).collect();
                }
                Err(error) => {
                    self.all_namespaces = false;
                    self.notes.insert(error.to_string());
                }
            }
        }
        self.namespaces.clone()
    }

    fn is_wanted(&self, place: &UnixPath) -> bool {
        match &self.scope {
            UnixScope::All => true,
            UnixScope::Paths(paths) => paths.contains(place),
            UnixScope::Nothing => false,
        }
    }

    fn by_inode(&mut self, inode: u64) -> Option<&mut Known> {
        self.known.values_mut().find(|known| known.seen.inode == inode)
    }
}

fn is_in(pid: u32, namespace: u32) -> bool {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let inode = link.and_then(|link| namespace_inode(link.as_os_str().as_encoded_bytes()));
    inode.is_some_and(|inode| netns(inode) == namespace)
}
