//! What happens to processes, and what that means for services: who belongs to whom, and which of it begins, changes or
//! ends a restart.

use super::Correlator;
use super::Request;
use super::facts::{Cause, ServiceId, StepKind};
use super::process::{Exit, Process, SocketId};
use crate::event::{BootNs, Executed, Exited, Forked, HeldListener, ProcessSeen, Scanned, Task};
use std::collections::BTreeSet;

impl Correlator {
    pub(super) fn process_seen(&mut self, at: BootNs, seen: &ProcessSeen) {
        self.processes.describe(seen, self.config.max_processes, &mut self.bounds);
        if self.attached_at.is_some() {
            self.find_keepers(seen.pid);
        }
        let Some(process) = self.processes.get(seen.pid) else { return };
        for id in &self.active {
            if let Some(restart) = self.restarts.get_mut(id) {
                restart.describe(&self.processes);
            }
        }
        if let Some(service) = process.service {
            self.join(seen.pid, service, at);
        }
    }

    pub(super) fn process_forked(&mut self, at: BootNs, forked: &Forked) {
        let parent = self.processes.get(forked.parent.pid);
        let service = parent.and_then(|parent| parent.service);
        let child = Process {
            pid: forked.child.pid,
            parent: forked.parent.pid,
            comm: forked.child.comm,
            executable: parent.map(|parent| parent.executable.clone()).unwrap_or_default(),
            attribution: parent.and_then(|parent| parent.attribution.clone()),
            command: parent.and_then(|parent| parent.command.clone()),
            start: forked.start,
            image: parent.map_or(0, |parent| parent.image),
            image_since: at,
            born_in_service: service.is_some(),
            ..Process::default()
        };
        let holds = parent.map(|parent| parent.holds.clone()).unwrap_or_default();
        // A pid that comes again: what is known of the one before is of another process.
        if self.processes.get(child.pid).is_some() {
            self.forget(child.pid, at, None);
        }
        let pid = child.pid;
        self.processes.born(child, self.config.max_processes, &mut self.bounds);
        for id in holds {
            self.hold(pid, id);
        }
        if let Some(service) = service {
            self.join(pid, service, at);
            let what = StepKind::Started { task: forked.child, parent: forked.parent.pid };
            self.step_open(service, at, what);
            self.progress(service, at);
        }
    }

    pub(super) fn process_executed(&mut self, at: BootNs, executed: &Executed) {
        let task = executed.task;
        let Some(process) = self.processes.get(task.pid) else {
            let process = Process {
                pid: task.pid,
                comm: task.comm,
                start: executed.start,
                image_since: at,
                own_image: true,
                ..Process::default()
            };
            self.processes.born(process, self.config.max_processes, &mut self.bounds);
            return;
        };
        let (service, holds) = (process.service, !process.holds.is_empty());
        let master = self.is_master(process);
        if let Some(service) = service.filter(|_| master) {
            self.master_executed(service, at, task);
        }
        for id in &self.active {
            if let Some(restart) = self.restarts.get_mut(id) {
                restart.ended(task.pid, at, None);
            }
        }
        if let Some(process) = self.processes.get_mut(task.pid) {
            process.comm = task.comm;
            process.image_since = at;
            process.own_image = true;
            process.image = 0;
            process.executable.clear();
            // Service managers and runtimes move a process between its birth and its program's.
            process.attribution = None;
            process.command = None;
        }
        if let Some(service) = service {
            self.join(task.pid, service, at);
            self.step_open(service, at, StepKind::Executed { task, file: executed.file.clone() });
            self.progress(service, at);
        }
        if service.is_some() || holds {
            self.request(Request::Describe { pid: task.pid });
            self.request(Request::Scan { pid: task.pid });
        }
    }

    pub(super) fn process_scanned(&mut self, at: BootNs, scanned: &Scanned) {
        if !scanned.found || self.processes.get(scanned.pid).is_none() {
            return;
        }
        let mut held = BTreeSet::new();
        for HeldListener { key, cookie, .. } in &scanned.listeners {
            let id = self.listeners.find_held(scanned.pid, *cookie, key).or_else(|| {
                let service = self.service_at(key);
                self.add_socket(service, key, 0, *cookie, 0, at, 0)
            });
            if let Some(socket) = id.and_then(|id| self.listeners.socket_mut(id)).filter(|_| *cookie != 0) {
                socket.cookie = *cookie;
            }
            held.extend(id);
        }
        let before = self.processes.get(scanned.pid).map(|process| process.holds.clone()).unwrap_or_default();
        for id in before.difference(&held) {
            self.let_go(scanned.pid, *id);
        }
        for id in &held {
            self.hold(scanned.pid, *id);
        }
        let Some(process) = self.processes.get(scanned.pid) else { return };
        let service = process.service;
        let own = service.map(|service| self.services.canonical(service));
        let of_own = held.iter().any(|id| self.service_of_socket(*id) == own);
        // Its listeners tell where a program of its own belongs, or its children where it has none.
        let leaves = !of_own && process.born_in_service && process.own_image;
        if let Some(own) = own.filter(|_| leaves && held.is_empty() && !self.has_children(process)) {
            self.leave(scanned.pid, own);
            self.progress(own, at);
            return;
        }
        if let Some((own, other)) =
            own.zip(held.first().and_then(|id| self.service_of_socket(*id))).filter(|_| leaves)
        {
            let family = self.family(scanned.pid);
            family.iter().for_each(|pid| self.leave(*pid, own));
            self.join_family(&family, other, at);
            self.progress(own, at);
            return;
        }
        // A look may be answered when the restart in which the program was replaced is over.
        let upgrade = process.own_image
            && process.born_in_service
            && !held.is_empty()
            && service.is_none_or(|service| !self.was_restarting(service, process.image_since));
        let task = process.task();
        if service.is_none()
            && scanned.pid != Task::INIT
            && !process.keeper
            && let Some(service) = held.first().and_then(|id| self.service_of_socket(*id))
        {
            self.taken_over(service, at, task, *held.first().unwrap_or(&0));
        } else if let Some(service) = service.filter(|_| upgrade)
            && self.current(service).is_none()
        {
            self.begin(service, at, Cause::Exec { at, task });
            self.join(task.pid, service, at);
        }
    }

    pub(super) fn process_exited(&mut self, at: BootNs, exited: &Exited) {
        let exit = Exit { at, status: exited.status, signal: exited.signal };
        self.forget(exited.task.pid, at, Some(exit));
    }

    pub(super) fn oom_victim(&mut self, pid: u32) {
        if let Some(process) = self.processes.get_mut(pid) {
            process.oom = true;
        }
    }

    /// Makes a process a member of a service, and of the restart that goes on there.
    pub(super) fn join(&mut self, pid: u32, service: ServiceId, at: BootNs) {
        let mut service = self.services.canonical(service);
        let Some(known) = self.processes.get(pid).map(|process| process.service) else { return };
        if let Some(other) = known
            && self.services.canonical(other) != service
        {
            service = self.merge(other, service);
        }
        if let Some(process) = self.processes.get_mut(pid) {
            process.service = Some(service);
        }
        if let Some(entry) = self.services.get_mut(service) {
            entry.members.insert(pid);
        }
        if known.is_none() {
            self.request(Request::Member { pid, on: true });
        }
        self.name_service(service);
        let Some(process) = self.processes.get(pid) else { return };
        let master = self.is_master(process);
        if let Some(id) = self.current(service)
            && let Some(restart) = self.restarts.get_mut(&id)
        {
            restart.join(process, master, at, &self.config, &mut self.bounds);
        }
    }

    pub(super) fn leave(&mut self, pid: u32, service: ServiceId) {
        if let Some(process) = self.processes.get_mut(pid) {
            process.service = None;
        }
        if let Some(entry) = self.services.get_mut(service) {
            entry.members.remove(&pid);
        }
        self.request(Request::Member { pid, on: false });
        if let Some(restart) = self.current_mut(service) {
            restart.leave(pid);
        }
    }

    /// Ceases to watch the connections of a process that is no more. The kernel closes them only after it has told of
    /// its end.
    fn unwatch_later(&mut self, pid: u32) {
        if self.unwatched.len() >= self.config.max_dead
            && let Some((_, first)) = self.unwatched.pop_front()
        {
            self.request(Request::Member { pid: first, on: false });
        }
        self.unwatched.push_back((self.now, pid));
    }

    /// Ceases to watch those whose connections must be closed by now, unless another process has the number.
    pub(super) fn unwatch(&mut self) {
        while let Some((since, pid)) = self.unwatched.front().copied()
            && self.now.saturating_sub(since) > self.config.settle
        {
            self.unwatched.pop_front();
            if self.processes.get(pid).is_none_or(|process| process.service.is_none()) {
                self.request(Request::Member { pid, on: false });
            }
        }
    }

    /// A process is no more: it ended, or (without `exit`) its end was missed.
    fn forget(&mut self, pid: u32, at: BootNs, exit: Option<Exit>) {
        let Some(process) = self.processes.get(pid) else { return };
        let task = process.task();
        let holds: Vec<SocketId> = process.holds.iter().copied().collect();
        let master = self.is_master(process);
        let service = process.service.map(|service| self.services.canonical(service));
        let mut on_path = false;
        for id in holds {
            // Its process remembers what it held until the sockets are closed.
            if let Some(socket) = self.listeners.socket_mut(id) {
                socket.holders.remove(&pid);
                if socket.holders.is_empty() {
                    socket.released = Some((at, task));
                }
                on_path |= socket.key.local.path().is_some();
            }
        }
        if on_path {
            // No probe tells whether that closes it.
            self.request(Request::LookAtPaths);
        }
        let end = exit.unwrap_or(Exit { at, status: 0, signal: 0 });
        self.processes.ended(pid, end, self.config.max_dead);
        let Some(service) = service else { return };
        self.unwatch_later(pid);
        if let Some(entry) = self.services.get_mut(service) {
            entry.members.remove(&pid);
        }
        if exit.is_some() {
            self.member_exited(service, at, task, master, end);
        }
    }

    /// Whether anybody of a service lives.
    pub(super) fn has_members(&self, service: ServiceId) -> bool {
        self.services.get(service).is_some_and(|service| !service.members.is_empty())
    }

    pub(super) fn merge(&mut self, a: ServiceId, b: ServiceId) -> ServiceId {
        let one = self.services.merge(a, b);
        if a != b && self.current(one).is_some() {
            self.report_all_or_count();
        }
        one
    }
}
