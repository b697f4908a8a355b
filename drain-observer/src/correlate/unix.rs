//! Unix listeners, and what becomes of connections to them.

use super::facts::{ConnectionFact, Outcome, RestartId, ServiceId, StepKind};
use super::judge_unix::{Refusal, answered, judge_refused, judge_unix};
use super::listener::UnixIdentity;
use super::losses::{Course, End};
use super::restart::Restart;
use super::silence::Between;
use super::{Correlator, Request};
use crate::event::{
    BootNs, Listener, ListenerKey, Task, UnixClosed, UnixEnd, UnixEnded, UnixListener, UnixOpened,
    UnixRefused, UnixWatched,
};
use std::collections::BTreeSet;

/// A queue that was full so long ago may be still.
const FULL_LATELY: BootNs = 1_000_000_000;

impl Correlator {
    /// A probe saw a listener at work, or its queue full.
    pub(super) fn unix_listener(&mut self, at: BootNs, seen: &UnixListener) {
        if seen.inode == 0 {
            self.bind_accepting(seen);
            return;
        }
        let Some(id) = self.listeners.by_inode(seen.inode) else { return };
        self.listeners.bind(id, seen.sk, seen.binding);
        let Some(socket) = self.listeners.socket_mut(id) else { return };
        (socket.queue, socket.limit) = (seen.queue, seen.limit);
        // A look may have found it later than its first client did.
        socket.opened = socket.opened.min(at);
        if seen.queue > seen.limit {
            socket.full_at = Some(at);
            socket.not_full_before = socket.not_full_before.min(at);
        } else if socket.full_at.is_none() {
            // It is told when it is.
            socket.not_full_before = BootNs::MAX;
        }
        let key = socket.key;
        let service = self.listeners.get(&key).map(|listener| self.services.canonical(listener.service));
        if let Some(restart) = service.and_then(|service| self.current_mut(service)) {
            restart.silence.queue_seen(key, seen.queue, seen.limit);
        }
    }

    /// A connection was accepted whose listener only its name tells.
    fn bind_accepting(&mut self, seen: &UnixListener) {
        let Some(id) = seen.path.and_then(|name| self.listeners.bound_to(name, seen.netns, seen.file_inode))
        else {
            return;
        };
        let sk = self.listeners.socket(id).map_or(0, |socket| socket.sk);
        self.listeners.bind(id, sk, seen.binding);
    }

    /// A look found a listener that was not there before.
    pub(super) fn unix_opened(&mut self, at: BootNs, opened: &UnixOpened) {
        let seen = &opened.seen;
        let holders: BTreeSet<u32> = seen.holders.iter().copied().filter(|pid| *pid != Task::INIT).collect();
        let Some(opener) = self.eldest(&holders) else {
            // It is kept for somebody, or held by somebody who can't be seen.
            self.listener_seen(at, seen);
            return;
        };
        let (key, cookie, queue, limit) = (seen.key, seen.cookie, seen.queue, seen.limit);
        // Nor was it there before who holds it was.
        let began = self.processes.get(opener.pid).map_or(0, |process| process.start);
        let when = Between::looks(opened.since.max(began), at);
        if let Some(id) = self.ended_since(opened) {
            // It is the end of that restart which is told late, not the beginning of another.
            self.listener_seen(at, seen);
            self.step(id, at, StepKind::ListenerOpened { task: opener, listener: key, limit });
            if let Some(restart) = self.restarts.get_mut(&id) {
                restart.silence.opened(key, when, limit);
            }
            return;
        }
        self.listener_opened(when, &Listener { sk: 0, cookie, key, by: opener, queue, limit, drops: 0 });
        let found = self.listeners.find_exactly(cookie, &key);
        if let Some(socket) = found.and_then(|id| self.listeners.socket_mut(id)) {
            (socket.opened_from, socket.not_full_before) = (when.from, when.from);
        }
        // The rest: its identity, and who else holds it.
        self.listener_seen(at, seen);
    }

    /// The restart of a listener's service that ended after the listener can have opened, if none goes on.
    fn ended_since(&self, opened: &UnixOpened) -> Option<RestartId> {
        let service = self.services.canonical(self.listeners.get(&opened.seen.key)?.service);
        if self.current(service).is_some() {
            return None;
        }
        let of_service = |restart: &&Restart| self.services.canonical(restart.service) == service;
        let late = |restart: &&Restart| restart.ended.is_some_and(|ended| ended >= opened.since);
        self.restarts.values().filter(of_service).filter(late).map(|restart| restart.id).next_back()
    }

    /// A look found that a listener is gone.
    pub(super) fn unix_closed(&mut self, at: BootNs, closed: &UnixClosed) {
        let Some(id) = self.listeners.find_exactly(closed.cookie, &closed.key) else { return };
        let Some(socket) = self.listeners.socket(id) else { return };
        let living: Vec<Task> =
            socket.holders.iter().filter_map(|pid| self.processes.get(*pid)).map(|it| it.task()).collect();
        let (when, by) = match (living.as_slice(), socket.released) {
            ([], Some((released, by))) => (Between::exactly(released.clamp(closed.since.min(at), at)), by),
            ([one], _) => (Between::looks(closed.since, at), *one),
            _ => (Between::looks(closed.since, at), Task::default()),
        };
        let queue = closed.queue.max(socket.queue);
        self.close_listener(when, id, by, !living.is_empty(), queue, 0);
    }

    /// Unix sockets are watched from now on, or no longer.
    pub(super) fn unix_watched(&mut self, watched: &UnixWatched) {
        self.unix_watched = watched.on;
        self.unix_hooks.clone_from(&watched.hooks);
    }

    /// Keeps what a unix socket is known by, and has such sockets watched where somebody serves from one.
    pub(super) fn identify(&mut self, id: u32, identity: UnixIdentity, served: bool) {
        self.listeners.identify(id, identity);
        if served && !self.unix_watched {
            self.request(Request::WatchUnix { on: true });
        }
    }

    /// Ceases to watch unix sockets where nobody serves from one any more.
    pub(super) fn stop_watching_unix(&mut self) {
        let served = |key: ListenerKey, service| key.local.path().is_some() && self.has_members(service);
        if self.unix_watched && !self.listeners.places().any(|(key, service)| served(key, service)) {
            self.request(Request::WatchUnix { on: false });
        }
    }

    /// Asks which unix listeners there are, where a restart may have opened or closed one.
    pub(super) fn look_at_paths(&mut self) {
        let busy = self.active().filter(|restart| restart.ended.is_none());
        let any = busy
            .filter_map(|restart| self.services.get(restart.service))
            .any(|service| service.listeners.iter().any(|key| key.local.path().is_some()));
        if any {
            self.request(Request::LookAtPaths);
        }
    }

    pub(super) fn unix_ended(&mut self, at: BootNs, ended: &UnixEnded) {
        let socket = self.listeners.of_unix(ended);
        let known = socket.and_then(|socket| self.listeners.socket(socket)).map(|socket| socket.key);
        let named = || self.listeners.place_named(ended.netns, ended.path?);
        let former = || self.listeners.former_of_unix(ended);
        let Some(key) = known.or_else(former).or_else(named) else { return };
        // What tells of a listener is told once, and may have been lost. A name alone may be another's, too.
        let sure =
            ended.binding != 0 && (ended.file_inode != 0 || ended.path.is_some_and(|it| it.is_abstract()));
        if let Some(id) = socket.filter(|_| sure && self.listeners.of_unix_exactly(ended).is_none()) {
            self.listeners.bind(id, ended.listener, ended.binding);
        }
        if ended.how == UnixEnd::QueueReset
            && let Some(id) = self.listeners.of_unix_exactly(ended)
        {
            let alive = self.processes.get(ended.by.pid).is_some();
            self.close_listener(
                Between::exactly(at),
                id,
                ended.by,
                alive,
                ended.queued_behind.saturating_add(1),
                0,
            );
        }
        let Some(listener) = self.listeners.get(&key) else { return };
        let (service, limit) = (self.services.canonical(listener.service), listener.limit);
        let socket = socket.or_else(|| listener.sockets.first().copied());

        let closed_at = ended.ended_at(at);
        let server = self.server_of(ended);
        let closer = server.unwrap_or(ended.by);
        let judged = judge_unix(ended, closed_at, self.closer(closer, closed_at, service));
        let accepted = ended.how != UnixEnd::QueueReset && server.is_some();
        if let Some(task) = server.filter(|_| accepted) {
            self.served_by(service, at, task, socket);
        }
        let end = End { at: closed_at, established: ended.connected_at, outcome: judged.outcome };
        let restart = self.restart_of(service, server, end);
        let fact = ConnectionFact {
            outcome: judged.outcome,
            evidence: judged.evidence,
            local: key.local,
            peer: self.task(ended.client).into(),
            netns: key.netns,
            established_at: ended.connected_at,
            ended_at: closed_at,
            service: Some(service),
            restart,
            process: server,
            cause: None,
            bytes_received: None,
            bytes_written: None,
            reused: judged.reused,
            client: (ended.client != 0).then(|| self.task(ended.client)),
            outgoing: false,
        };
        let course = Course {
            established: ended.connected_at,
            accepted_at: ended.accepted_at,
            responded: ended.response_at.filter(|_| answered(ended)),
            taken: accepted,
            // Itself does not count, as with TCP.
            depth: ended.queue_at_arrival.unwrap_or(0).saturating_sub(1),
        };
        self.note_course(at, service, key, limit, &course, &fact);
        self.add(at, fact);
        self.progress(service, at);
    }

    pub(super) fn unix_refused(&mut self, at: BootNs, refused: &UnixRefused) {
        let Some(key) = refused.place else { return };
        let Some(listener) = self.listeners.get(&key) else { return };
        let (service, limit) = (self.services.canonical(listener.service), listener.limit);
        let may_be_full = refused.full && self.listeners.may_have_been_full(&key, at);
        let refusal = if may_be_full || self.listeners.was_full(&key, at, FULL_LATELY) {
            Refusal::Full
        } else if self.listeners.was_open(&key, at) {
            Refusal::Open
        } else {
            Refusal::Nobody
        };
        let end = End { at, established: None, outcome: Outcome::Refused };
        let restart = self.restart_of(service, None, end);
        let began = restart.and_then(|id| self.restarts.get(&id)).map(|restart| restart.started);
        // Whether there was a file is seen a moment later, when a restart may have removed it.
        let file =
            refused.file.filter(|_| refusal != Refusal::Full || began.is_some_and(|began| began <= at));
        let (outcome, why) = if self.looks_for_itself(service, refused.client, at) {
            let why = "a new process of the same program looked whether the place was free";
            (Outcome::ClientGone, why.to_owned())
        } else {
            judge_refused(refusal, file)
        };
        self.note_refused(restart, key, outcome);
        if let Some(restart) = restart.and_then(|id| self.restarts.get_mut(&id))
            && outcome == Outcome::Overflowed
        {
            restart.silence.overflowed(key, limit);
        }
        let fact = ConnectionFact {
            outcome,
            evidence: vec![why],
            local: key.local,
            peer: refused.client.into(),
            netns: key.netns,
            established_at: None,
            ended_at: at,
            service: Some(service),
            restart,
            process: None,
            cause: None,
            bytes_received: None,
            bytes_written: None,
            reused: Some(false),
            client: Some(refused.client),
            outgoing: false,
        };
        self.add(at, fact);
    }

    /// Whether a client is a server that has just been started and is about to listen here itself: several look first
    /// whether somebody still does.
    fn looks_for_itself(&self, service: ServiceId, client: Task, at: BootNs) -> bool {
        let Some(process) = self.processes.get(client.pid) else { return false };
        // It is told later: the restart may have ended since.
        let end = End { at, established: None, outcome: Outcome::ClientGone };
        let restart = self.restart_of(service, None, end).and_then(|id| self.restarts.get(&id));
        let Some(restart) = restart else { return false };
        let same = self.services.get(service).is_some_and(|entry| entry.name == process.comm.as_str());
        same && process.own_image && process.image_since >= restart.started
    }

    /// The process at the server's end: who closed it, or else had it last.
    fn server_of(&self, ended: &UnixEnded) -> Option<Task> {
        match ended.how {
            // Who left of its own accord, nobody had.
            UnixEnd::QueueReset => (!ended.client_gone).then_some(ended.by),
            UnixEnd::UnreadReset => Some(ended.by),
            _ => {
                let died = ended.died.map(|(pid, _)| pid);
                died.or(ended.reader).or(ended.acceptor).map(|pid| self.task(pid))
            }
        }
    }

    /// A process by its number, with its name where that is known.
    pub(super) fn task(&self, pid: u32) -> Task {
        self.processes.find(pid).map_or(Task { pid, ..Task::default() }, |process| process.task())
    }

    /// Of several processes that which the others descend from, or which is the oldest.
    fn eldest(&self, pids: &BTreeSet<u32>) -> Option<Task> {
        let parent = |pid: &u32| self.processes.get(*pid).map_or(0, |process| process.parent);
        let start = |pid: &u32| self.processes.get(*pid).map_or(BootNs::MAX, |process| process.start);
        let roots = pids.iter().filter(|pid| !pids.contains(&parent(pid)));
        roots.min_by_key(|pid| (start(pid), **pid)).map(|pid| self.task(*pid))
    }
}
