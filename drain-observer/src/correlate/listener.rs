//! Listening sockets: where, how many, and who holds them.

use super::by_place::ByPlace;
use super::facts::ServiceId;
use super::limits::Bounds;
use super::process::SocketId;
use crate::event::{BootNs, CountedBy, Endpoint, ListenerKey, Task, UnixEnded, UnixPath};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A listening socket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) key: ListenerKey,
    pub(crate) sk: u64,
    pub(crate) cookie: u64,
    pub(crate) limit: u32,
    pub(crate) queue: u32,
    pub(crate) opened: BootNs,
    /// It opened no earlier; `opened`, unless only looks tell.
    pub(crate) opened_from: BootNs,
    /// Before this its queue can't have been full, as far as is known: where arrivals are seen, it was full first then
    /// (at the end of time if it was not); else it opened after it.
    pub(crate) not_full_before: BootNs,
    pub(crate) opener: u32,
    pub(crate) holders: BTreeSet<u32>,
    /// What else is known of it if it is a unix socket.
    pub(crate) unix: UnixIdentity,
    /// When its queue was last seen full.
    pub(crate) full_at: Option<BootNs>,
    /// When the last of its known holders ended, and who that was, if there is none left.
    pub(crate) released: Option<(BootNs, Task)>,
}

impl Socket {
    /// A socket of which nothing but its place is known.
    pub(crate) fn at(key: ListenerKey) -> Self {
        Self {
            key,
            sk: 0,
            cookie: 0,
            limit: 0,
            queue: 0,
            opened: 0,
            opened_from: 0,
            not_full_before: 0,
            opener: 0,
            holders: BTreeSet::new(),
            unix: UnixIdentity::default(),
            full_at: None,
            released: None,
        }
    }
}

/// What a unix socket is known by, besides its address and cookie; 0 where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnixIdentity {
    /// Inode of the socket.
    pub(crate) inode: u64,
    /// What it shares with its connections.
    pub(crate) binding: u64,
    /// The name that it was bound to, where that is not its place.
    pub(crate) name: Option<UnixPath>,
    /// Low 32 bits of the socket file's inode.
    pub(crate) file_inode: u64,
}

/// Unix sockets that closed lately, of which something is remembered.
const MAX_FORMER: usize = 256;

/// A unix socket that closed.
#[derive(Clone, Copy, Debug)]
struct Former {
    /// What it shared with its connections.
    binding: u64,
    key: ListenerKey,
    /// When its queue was seen full last.
    full_at: Option<BootNs>,
    opened: BootNs,
    not_full_before: BootNs,
    closed: BootNs,
}

/// A listener: a place that clients connect to, with or without a socket now.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) service: ServiceId,
    pub(crate) sockets: BTreeSet<SocketId>,
    pub(crate) limit: u32,
    /// When its last socket closed, where it has none.
    empty_since: Option<BootNs>,
    /// When a socket of it closed last.
    pub(crate) last_closed: Option<BootNs>,
    /// It is known to do without TLS.
    pub(crate) plain: bool,
}

/// All listeners known.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    by_key: ByPlace<Listener>,
    sockets: BTreeMap<SocketId, Socket>,
    by_sk: BTreeMap<u64, SocketId>,
    /// Unix sockets, by what they share with their connections.
    by_binding: BTreeMap<u64, SocketId>,
    /// Unix sockets, by inode.
    by_inode: BTreeMap<u64, SocketId>,
    /// Unix sockets that closed lately: some of their clients are told of later.
    former: VecDeque<Former>,
    next: SocketId,
    counts: BTreeMap<CountedBy, Counts>,
}

/// What the kernel counted of a port or path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) established: u64,
    pub(crate) served: u64,
    pub(crate) idle_closed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    all: Counted,
    before: Counted,
}

impl Listeners {
    /// A listener by its place.
    pub(crate) fn get(&self, key: &ListenerKey) -> Option<&Listener> {
        self.by_key.get(key)
    }

    /// Notes that a listener is known to do without TLS.
    pub(crate) fn mark_plain(&mut self, key: &ListenerKey) {
        if let Some(listener) = self.by_key.get_mut(key) {
            listener.plain = true;
        }
    }

    /// A socket.
    pub(crate) fn socket(&self, id: SocketId) -> Option<&Socket> {
        self.sockets.get(&id)
    }

    /// A socket.
    pub(crate) fn socket_mut(&mut self, id: SocketId) -> Option<&mut Socket> {
        self.sockets.get_mut(&id)
    }

    /// The listener that takes (or took) TCP connections for a local end: the most specific one.
    pub(crate) fn serving(&self, netns: u32, local: &Endpoint) -> Option<(ListenerKey, &Listener)> {
        let port = local.port;
        let any4 = Endpoint { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port };
        let any6 = Endpoint { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), port };
        [*local, any4, any6].into_iter().filter(|place| place.accepts(local)).find_map(|place| {
            let listener = self.by_key.get_inet(netns, place)?;
            Some((ListenerKey { netns, local: place.into() }, listener))
        })
    }

    /// The socket that is known by its address in the kernel.
    pub(crate) fn by_address(&self, sk: u64) -> Option<SocketId> {
        self.by_sk.get(&sk).copied()
    }

    /// The socket of a probe's event: by address, by cookie, or one there that was found and not seen to open.
    pub(crate) fn find(&self, sk: u64, cookie: u64, key: &ListenerKey) -> Option<SocketId> {
        if let Some(id) = self.by_sk.get(&sk) {
            return Some(*id);
        }
        self.at(key, |socket| cookie != 0 && socket.cookie == cookie)
            .or_else(|| self.at(key, |socket| socket.sk == 0 && (cookie == 0 || socket.cookie == 0)))
    }

    /// The socket of a cookie.
    pub(crate) fn find_exactly(&self, cookie: u64, key: &ListenerKey) -> Option<SocketId> {
        self.at(key, |socket| cookie != 0 && socket.cookie == cookie)
    }

    /// The socket of a dump: by cookie, or one there whose cookie is not known yet, rather one that the
    /// process already holds.
    pub(crate) fn find_held(&self, pid: u32, cookie: u64, key: &ListenerKey) -> Option<SocketId> {
        let unknown = |socket: &Socket| cookie == 0 || socket.cookie == 0;
        self.at(key, |socket| cookie != 0 && socket.cookie == cookie)
            .or_else(|| self.at(key, |socket| unknown(socket) && socket.holders.contains(&pid)))
            .or_else(|| self.at(key, unknown))
    }

    /// The unix socket of an inode.
    pub(crate) fn by_inode(&self, inode: u64) -> Option<SocketId> {
        self.by_inode.get(&inode).copied()
    }

    /// The unix socket that a connection came in at: by what both share, or by its address.
    pub(crate) fn of_unix_exactly(&self, ended: &UnixEnded) -> Option<SocketId> {
        self.by_binding.get(&ended.binding).or_else(|| self.by_sk.get(&ended.listener)).copied()
    }

    /// The same, or else by the name that it was bound to.
    pub(crate) fn of_unix(&self, ended: &UnixEnded) -> Option<SocketId> {
        let named = || self.bound_to(ended.path?, ended.netns, ended.file_inode);
        self.of_unix_exactly(ended).or_else(named)
    }

    /// The unix socket that was bound to a name. `file_inode`: of its file, 0 = not known.
    pub(crate) fn bound_to(&self, name: UnixPath, netns: u32, file_inode: u64) -> Option<SocketId> {
        let bound = |socket: &Socket| {
            let file = socket.unix.file_inode;
            let place = socket.key.local.path();
            (file == 0 || file_inode == 0 || file == file_inode & u64::from(u32::MAX))
                && (socket.unix.name == Some(name) || place == Some(&name))
                && (!name.is_abstract() || socket.key.netns == netns)
        };
        self.sockets.iter().find(|(_, socket)| bound(socket)).map(|(id, _)| *id)
    }

    /// The place of a unix socket that closed lately, which a connection came in at.
    pub(crate) fn former_of_unix(&self, ended: &UnixEnded) -> Option<ListenerKey> {
        let of = |former: &&Former| former.binding == ended.binding && former.binding != 0;
        self.former.iter().rev().find(of).map(|former| former.key)
    }

    /// Whether a queue at a place was full at a time, or less than `lately` before or after: that it was is not told each
    /// time. Its unix socket may have closed since.
    pub(crate) fn was_full(&self, key: &ListenerKey, at: BootNs, lately: BootNs) -> bool {
        let full = |full: Option<BootNs>| full.is_some_and(|full| full.abs_diff(at) < lately);
        let former = |former: &&Former| (former.opened..=former.closed).contains(&at);
        self.at(key, |socket| socket.opened <= at && full(socket.full_at)).is_some()
            || self.former_at(key).filter(former).any(|former| full(former.full_at))
    }

    /// Whether a queue at a place can have been full at a time. Its unix socket may have closed since.
    pub(crate) fn may_have_been_full(&self, key: &ListenerKey, at: BootNs) -> bool {
        let former = |former: &Former| (former.not_full_before..=former.closed).contains(&at);
        self.at(key, |socket| socket.not_full_before <= at).is_some() || self.former_at(key).any(former)
    }

    /// Whether a socket that listens at a place did at a time.
    pub(crate) fn was_open(&self, key: &ListenerKey, at: BootNs) -> bool {
        self.at(key, |socket| socket.opened <= at).is_some()
    }

    fn former_at(&self, key: &ListenerKey) -> impl Iterator<Item = &Former> {
        self.former.iter().filter(move |former| former.key == *key)
    }

    /// The place that a name stands for where no socket is known any more: the same in all network namespaces, but for
    /// an abstract one.
    pub(crate) fn place_named(&self, netns: u32, name: UnixPath) -> Option<ListenerKey> {
        let own = ListenerKey { netns, local: name.into() };
        if self.by_key.get(&own).is_some() {
            return Some(own);
        }
        let alike = self.by_key.paths().find(|key| key.local == own.local);
        alike.filter(|_| !name.is_abstract()).copied()
    }

    /// Keeps what a unix socket is known by.
    pub(crate) fn identify(&mut self, id: SocketId, identity: UnixIdentity) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let binding = socket.unix.binding;
        if self.by_inode.get(&socket.unix.inode) == Some(&id) {
            self.by_inode.remove(&socket.unix.inode);
        }
        socket.unix = UnixIdentity { binding, ..identity };
        if identity.inode != 0 {
            self.by_inode.insert(identity.inode, id);
        }
    }

    /// All places, and the services that they are known to be of.
    pub(crate) fn places(&self) -> impl Iterator<Item = (ListenerKey, ServiceId)> {
        self.by_key.iter().map(|(key, listener)| (key, listener.service))
    }

    /// Keeps what a probe told of a unix socket.
    pub(crate) fn bind(&mut self, id: SocketId, sk: u64, binding: u64) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        for (index, own, new) in
            [(&mut self.by_sk, &mut socket.sk, sk), (&mut self.by_binding, &mut socket.unix.binding, binding)]
        {
            if index.get(own) == Some(&id) {
                index.remove(own);
            }
            *own = new;
            if new != 0 {
                index.insert(new, id);
            }
        }
    }

    fn at(&self, key: &ListenerKey, wanted: impl Fn(&Socket) -> bool) -> Option<SocketId> {
        let there = &self.by_key.get(key)?.sockets;
        there.iter().copied().find(|id| self.sockets.get(id).is_some_and(&wanted))
    }

    /// Adds a socket. `None` where too many are known.
    pub(crate) fn open(
        &mut self,
        socket: Socket,
        service: ServiceId,
        max: usize,
        bounds: &mut Bounds,
    ) -> Option<SocketId> {
        if self.sockets.len() >= max || (self.by_key.len() >= max && self.by_key.get(&socket.key).is_none()) {
            bounds.hit("listeners");
            return None;
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        if socket.sk != 0 {
            self.by_sk.insert(socket.sk, id);
        }
        let listener = self.by_key.get_or_insert_with(socket.key, || Listener {
            service,
            sockets: BTreeSet::new(),
            limit: 0,
            empty_since: None,
            last_closed: None,
            plain: false,
        });
        listener.empty_since = None;
        listener.sockets.insert(id);
        listener.limit = socket.limit;
        self.sockets.insert(id, socket);
        Some(id)
    }

    /// Removes a socket. Returns it and how many are left at its place.
    pub(crate) fn close(&mut self, id: SocketId, at: BootNs) -> Option<(Socket, usize)> {
        let socket = self.sockets.remove(&id)?;
        for (index, key) in [
            (&mut self.by_sk, socket.sk),
            (&mut self.by_inode, socket.unix.inode),
            (&mut self.by_binding, socket.unix.binding),
        ] {
            if index.get(&key) == Some(&id) {
                index.remove(&key);
            }
        }
        if socket.key.local.path().is_some() {
            if self.former.len() >= MAX_FORMER {
                self.former.pop_front();
            }
            self.former.push_back(Former {
                binding: socket.unix.binding,
                key: socket.key,
                full_at: socket.full_at,
                opened: socket.opened,
                not_full_before: socket.not_full_before,
                closed: at,
            });
        }
        let left = self.by_key.get_mut(&socket.key).map_or(0, |listener| {
            listener.sockets.remove(&id);
            listener.empty_since = listener.sockets.is_empty().then_some(at);
            listener.last_closed = Some(at);
            listener.sockets.len()
        });
        Some((socket, left))
    }

    /// Places where nobody has listened since a time, or longer.
    pub(crate) fn empty_since(&self, at: BootNs) -> Vec<(ListenerKey, ServiceId)> {
        let gone = |listener: &Listener| listener.empty_since.is_some_and(|since| since <= at);
        let gone = self.by_key.iter().filter(|(_, listener)| gone(listener));
        gone.map(|(key, listener)| (key, listener.service)).collect()
    }

    /// Forgets a place, and what was counted there if it was the last of its port: returns whether it was.
    pub(crate) fn forget(&mut self, key: &ListenerKey) -> bool {
        self.by_key.remove(key);
        let counted_by = CountedBy::of(key);
        let last = !self.by_key.iter().any(|(other, _)| CountedBy::of(&other) == counted_by);
        if last {
            self.counts.remove(&counted_by);
        }
        last
    }

    /// All listening sockets.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.values()
    }

    /// Keeps what the kernel counted of a port or path since its observer came. What it had counted `before` those events
    /// that are known is not theirs.
    pub(crate) fn count(&mut self, of: CountedBy, counted: Counted, before: bool) {
        let counts = self.counts.entry(of).or_default();
        counts.all = counted;
        if before {
            counts.before = counted;
        }
    }

    /// What the kernel counted of a port or path, in the time that is known.
    pub(crate) fn counted(&self, of: CountedBy) -> Counted {
        let Counts { all, before } = self.counts.get(&of).copied().unwrap_or_default();
        Counted {
            established: all.established.saturating_sub(before.established),
            served: all.served.saturating_sub(before.served),
            idle_closed: all.idle_closed.saturating_sub(before.idle_closed),
        }
    }

    /// All that the kernel counted since its observer came.
    pub(crate) fn all_counted(&self) -> impl Iterator<Item = (CountedBy, Counted)> {
        self.counts.iter().map(|(of, counts)| (*of, counts.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATELY: BootNs = 1_000;

    fn key() -> ListenerKey {
        ListenerKey { netns: 1, local: UnixPath::new(b"/run/app.sock").into() }
    }

    fn listen(listeners: &mut Listeners, socket: Socket) -> SocketId {
        listeners.open(socket, ServiceId(0), 16, &mut Bounds::default()).expect("room")
    }

    #[test]
    fn a_queue_was_not_full_before_there_was_one() {
        let mut listeners = Listeners::default();
        // A look at 20,000 found it, the look before, at 15,000, had not.
        listen(&mut listeners, Socket { opened: 20_000, not_full_before: 15_000, ..Socket::at(key()) });
        assert!(!listeners.may_have_been_full(&key(), 14_999));
        assert!(listeners.may_have_been_full(&key(), 15_000));
        assert!(!listeners.was_open(&key(), 19_999) && listeners.was_open(&key(), 20_000));
    }

    #[test]
    fn a_queue_that_arrivals_showed_not_full_was_not() {
        let mut listeners = Listeners::default();
        listen(&mut listeners, Socket { opened: 0, not_full_before: BootNs::MAX, ..Socket::at(key()) });
        assert!(!listeners.may_have_been_full(&key(), 30_000) && listeners.was_open(&key(), 30_000));
    }

    #[test]
    fn a_queue_that_was_full_is_remembered_when_it_is_closed() {
        let mut listeners = Listeners::default();
        let full =
            Socket { opened: 10_000, not_full_before: 12_000, full_at: Some(12_000), ..Socket::at(key()) };
        let id = listen(&mut listeners, full);
        let fullness = |listeners: &Listeners| {
            [10_500, 11_500, 12_999, 13_000].map(|at| listeners.was_full(&key(), at, LATELY))
        };
        assert_eq!(fullness(&listeners), [false, true, true, false]);
        listeners.close(id, 14_000);
        assert_eq!(fullness(&listeners), [false, true, true, false]);
        assert!(
            listeners.may_have_been_full(&key(), 14_000) && !listeners.may_have_been_full(&key(), 14_001)
        );
        assert!(!listeners.was_open(&key(), 13_000), "it does not listen any more");
    }
}
