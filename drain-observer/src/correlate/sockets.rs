//! What happens to listening sockets, and what that means for services: which has them, and which of it begins or is part
//! of a restart.

use super::facts::{Cause, ServiceId, StepKind};
use super::listener::{Socket, UnixIdentity};
use super::process::SocketId;
use super::silence::Between;
use super::{Correlator, Request};
use crate::event::{BootNs, CountedBy, Listener, ListenerKey, ListenerSeen, Task, UnixBind};

/// Sockets that one process opens at one place within this time are one batch (one per worker).
const BATCH: BootNs = 1_000_000_000;

impl Correlator {
    pub(super) fn listener_seen(&mut self, at: BootNs, seen: &ListenerSeen) {
        let service = self.service_at(&seen.key);
        // It may have opened after the probes were in place and before it was found.
        let known = self.listeners.find_held(0, seen.cookie, &seen.key);
        let Some(id) =
            known.or_else(|| self.add_socket(service, &seen.key, 0, seen.cookie, seen.limit, at, 0))
        else {
            return;
        };
        if let Some(socket) = self.listeners.socket_mut(id) {
            socket.queue = seen.queue;
            if seen.cookie != 0 {
                socket.cookie = seen.cookie;
            }
        }
        if let Some(UnixBind { name, file_inode }) = seen.unix {
            let identity = UnixIdentity { inode: seen.inode, binding: 0, name, file_inode };
            self.identify(id, identity, seen.holders.iter().any(|pid| *pid != Task::INIT));
        }
        for pid in &seen.holders {
            self.processes.touch(
                Task { pid: *pid, ..Task::default() },
                self.config.max_processes,
                &mut self.bounds,
            );
            self.hold(*pid, id);
            if *pid != Task::INIT {
                self.join(*pid, service, at);
            }
        }
    }

    pub(super) fn listener_opened(&mut self, when: Between, opened: &Listener) {
        let at = when.to;
        let task = opened.by;
        let Some(process) = self.processes.touch(task, self.config.max_processes, &mut self.bounds) else {
            return;
        };
        process.comm = task.comm;
        let mut own = process.service.map(|service| self.services.canonical(service));
        let family = if own.is_none() { self.family(task.pid) } else { Vec::new() };
        let kin = family.iter().find_map(|pid| self.processes.get(*pid)?.service);
        if let Some(service) = kin {
            // A worker that its master did not give a listener has one of its own.
            self.join_family(&family, service, at);
            own = Some(self.services.canonical(service));
        }
        let there = self.listeners.get(&opened.key).map(|listener| self.services.canonical(listener.service));
        let service = match (own, there) {
            (Some(own), Some(there)) => self.merge(own, there),
            (Some(service), None) | (None, Some(service)) => service,
            (None, None) => self.services.create(),
        };
        let batch = self.listeners.get(&opened.key).is_some_and(|listener| {
            listener
                .sockets
                .iter()
                .filter_map(|id| self.listeners.socket(*id))
                .any(|socket| socket.opener == task.pid && at.saturating_sub(socket.opened) < BATCH)
        });
        let cause = Cause::ListenerOpened { at, task, listener: opened.key };
        if own.is_none() && there.is_some() && self.has_members(service) && self.current(service).is_none() {
            // Somebody new where the old one still listens, or lives.
            self.begin(service, self.before_family(&family, at), cause);
        } else if own.is_some() && there.is_some() && !batch && self.opens_again(task.pid) {
            if self.current(service).is_none() {
                self.begin(service, at, cause);
            }
            if let Some(restart) = self.current_mut(service) {
                restart.relistened = true;
            }
        }
        let limit = opened.limit;
        if let Some(id) = self.add_socket(service, &opened.key, opened.sk, opened.cookie, limit, at, task.pid)
        {
            self.hold(task.pid, id);
        }
        if self.services.get(service).is_none() {
            return;
        }
        self.join_family(&family, service, at);
        self.join(task.pid, service, at);
        self.step_open(service, at, StepKind::ListenerOpened { task, listener: opened.key, limit });
        if let Some(id) = self.current(service).or_else(|| self.settling(service, at))
            && let Some(restart) = self.restarts.get_mut(&id)
        {
            restart.silence.opened(opened.key, when, limit);
        }
        self.request(Request::Describe { pid: task.pid });
        // A socket may have been bound, and handed down, before a child listens on it.
        if let Some(parent) =
            self.processes.get(task.pid).map(|process| process.parent).filter(|pid| *pid > Task::INIT)
        {
            self.request(Request::Scan { pid: parent });
        }
        self.progress(service, at);
    }

    pub(super) fn listener_closed(&mut self, at: BootNs, closed: &Listener) {
        let Some(id) = self.listeners.find(closed.sk, closed.cookie, &closed.key) else { return };
        let alive = self.processes.get(closed.by.pid).is_some();
        if let Some(socket) = self.listeners.socket_mut(id) {
            socket.limit = closed.limit;
        }
        self.close_listener(Between::exactly(at), id, closed.by, alive, closed.queue, closed.drops);
    }

    /// A listening socket is no more: `by` closed it, who is `alive` or not, with so many in its queue.
    pub(super) fn close_listener(
        &mut self,
        when: Between,
        id: SocketId,
        by: Task,
        alive: bool,
        queue: u32,
        drops: u32,
    ) {
        let at = when.to;
        let Some(&Socket { key, limit, .. }) = self.listeners.socket(id) else { return };
        let Some(left) = self.remove_socket(id, at) else { return };
        let Some(listener) = self.listeners.get(&key) else { return };
        // A close may be told later than the look that found another: that one was not there then.
        let there = listener.sockets.iter().filter_map(|id| self.listeners.socket(*id));
        let later: Vec<BootNs> =
            there.filter(|socket| socket.opened_from > at).map(|socket| socket.opened).collect();
        let left = left.saturating_sub(later.len());
        let service = self.services.canonical(listener.service);
        if left == 0 && alive && self.current(service).is_none() && self.settling(service, at).is_none() {
            self.begin(service, at, Cause::ListenerClosed { at, task: by, listener: key });
        }
        let what = StepKind::ListenerClosed {
            task: by,
            listener: key,
            queue,
            left: u32::try_from(left).unwrap_or(u32::MAX),
        };
        self.step_open(service, at, what);
        if let Some(id) = self.current(service).or_else(|| self.settling(service, at))
            && let Some(restart) = self.restarts.get_mut(&id)
        {
            restart.silence.closed(key, when, left, queue, limit, drops);
            if let Some(opened) = later.iter().copied().min().filter(|_| left == 0) {
                restart.silence.opened(key, Between::looks(at, opened), limit);
            }
        }
        if left == 0
            && let Some(restart) = self.current_mut(service)
        {
            restart.times.listener_closed.get_or_insert(at);
            restart.unlistened = true;
            if later.is_empty() {
                restart.times.listening = None;
            }
        }
    }

    /// The service at a place: known, or new.
    pub(super) fn service_at(&mut self, key: &ListenerKey) -> ServiceId {
        match self.listeners.get(key) {
            Some(listener) => self.services.canonical(listener.service),
            None => self.services.create(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a socket's facts, of which callers know different ones")]
    pub(super) fn add_socket(
        &mut self,
        service: ServiceId,
        key: &ListenerKey,
        sk: u64,
        cookie: u64,
        limit: u32,
        opened: BootNs,
        opener: u32,
    ) -> Option<SocketId> {
        if let Some(missed) = self.listeners.by_address(sk) {
            // Its address is in use again, so it was closed.
            self.remove_socket(missed, opened);
        }
        let socket = Socket {
            sk,
            cookie,
            limit,
            opened,
            opened_from: opened,
            not_full_before: opened,
            opener,
            ..Socket::at(*key)
        };
        let Some(id) = self.listeners.open(socket, service, self.config.max_listeners, &mut self.bounds)
        else {
            self.services.remove_empty(service);
            return None;
        };
        if self.services.get_mut(service)?.listeners.insert(*key) && self.current(service).is_some() {
            self.report_all_at(CountedBy::of(key));
        }
        Some(id)
    }

    /// A socket is no more since `at`. Returns how many are left at its place.
    fn remove_socket(&mut self, id: SocketId, at: BootNs) -> Option<usize> {
        let (socket, left) = self.listeners.close(id, at)?;
        for pid in &socket.holders {
            if let Some(process) = self.processes.get_mut(*pid) {
                process.holds.remove(&id);
            }
        }
        Some(left)
    }

    pub(super) fn service_of_socket(&self, id: SocketId) -> Option<ServiceId> {
        let key = self.listeners.socket(id)?.key;
        self.listeners.get(&key).map(|listener| self.services.canonical(listener.service))
    }

    pub(super) fn hold(&mut self, pid: u32, id: SocketId) {
        if let (Some(process), Some(socket)) = (self.processes.get_mut(pid), self.listeners.socket_mut(id)) {
            process.holds.insert(id);
            socket.holders.insert(pid);
            socket.released = None;
            let served = pid != Task::INIT && socket.key.local.path().is_some();
            if served && !self.unix_watched {
                self.request(Request::WatchUnix { on: true });
            }
        }
    }

    pub(super) fn let_go(&mut self, pid: u32, id: SocketId) {
        if let Some(process) = self.processes.get_mut(pid) {
            process.holds.remove(&id);
        }
        if let Some(socket) = self.listeners.socket_mut(id) {
            socket.holders.remove(&pid);
        }
    }

    /// Whether a socket that a member opens where there is or was one means that it set its listeners up anew:
    /// a master's does, a worker's own does not.
    fn opens_again(&self, pid: u32) -> bool {
        self.processes.get(pid).is_some_and(|process| self.is_master(process))
    }
}
