//! When a restart begins, how it goes on, and when it is over.

use super::facts::{Cause, RestartId, RestartKind, ServiceId, SignalFact, StepKind};
use super::process::{Exit, Process, SocketId};
use super::restart::Restart;
use super::verdict;
use super::{Correlator, Note};
use crate::event::{BootNs, Hook, HookState, Task};

impl Correlator {
    /// The restart that goes on in a service: the newest.
    pub(super) fn current(&self, service: ServiceId) -> Option<RestartId> {
        let service = self.services.canonical(service);
        self.active()
            .find(|restart| restart.ended.is_none() && self.services.canonical(restart.service) == service)
            .map(|restart| restart.id)
    }

    /// The restart that goes on in a service.
    pub(super) fn current_mut(&mut self, service: ServiceId) -> Option<&mut Restart> {
        let id = self.current(service)?;
        self.restarts.get_mut(&id)
    }

    /// A restart of a service that ended a moment ago: what its old generation leaves behind is still its.
    pub(super) fn settling(&self, service: ServiceId, at: BootNs) -> Option<RestartId> {
        let service = self.services.canonical(service);
        let settle = self.config.settle;
        let settling = |restart: &&Restart| {
            self.services.canonical(restart.service) == service
                && restart.ended.is_some_and(|ended| at <= ended.saturating_add(settle))
        };
        self.active().find(settling).map(|restart| restart.id)
    }

    /// Whether a restart of a service that is over was going on at a time.
    pub(super) fn was_restarting(&self, service: ServiceId, at: BootNs) -> bool {
        let service = self.services.canonical(service);
        self.restarts.values().any(|restart| {
            self.services.canonical(restart.service) == service
                && restart.started <= at
                && restart.ended.is_some_and(|ended| at <= ended)
        })
    }

    /// Restarts to which something can still happen, the newest first.
    pub(super) fn active(&self) -> impl Iterator<Item = &Restart> {
        self.active.iter().rev().filter_map(|id| self.restarts.get(id))
    }

    /// Begins a restart: everybody who belongs to the service now is its old generation.
    pub(super) fn begin(&mut self, service: ServiceId, at: BootNs, cause: Cause) -> RestartId {
        let service = self.services.canonical(service);
        if let Some(id) = self.asked_long_before(service, at, &cause) {
            self.reopen(id, service, at);
            return id;
        }
        let id = RestartId(self.next_restart);
        self.next_restart += 1;
        let mut restart = Restart::begin(id, service, at, cause);
        restart.unwatched = self.unwatched(service);
        let lost = self.lost_before(&restart);
        (restart.events_lost, restart.lives_lost) = (lost.events, lost.lives);
        restart.members_unsure =
            self.lives_lost_at.is_some_and(|lost| at.saturating_sub(lost) <= self.config.blame);
        if let Some(entry) = self.services.get(service) {
            for process in entry.members.iter().filter_map(|pid| self.processes.get(*pid)) {
                let master = self.is_master(process);
                restart.add(process, true, master, at, &self.config, &mut self.bounds);
            }
        }
        self.restarts.insert(id, restart);
        self.take_in_signals(id, service);
        self.rest(at);
        self.active.push(id);
        while self.restarts.len() > self.config.max_restarts {
            let ended = self.restarts.values().find(|restart| restart.ended.is_some());
            let Some(oldest) = ended.map(|restart| restart.id) else { break };
            self.restarts.remove(&oldest);
            self.active.retain(|active| *active != oldest);
            self.bounds.hit("restarts");
        }
        self.report_all_or_count();
        self.ask_for_survey();
        self.note(Note::RestartBegan(id));
        id
    }

    /// Why a service's losses can't be seen.
    fn unwatched(&self, service: ServiceId) -> Option<&'static str> {
        let lacks = |hooks: &[Hook], names: [&str; 2]| {
            let missing = |name: &str| {
                let hook = hooks.iter().find(|hook| hook.name == name);
                hook.is_some_and(|hook| hook.state == HookState::Missing)
            };
            names.into_iter().all(missing)
        };
        let listeners = &self.services.get(service)?.listeners;
        if listeners.iter().any(|key| key.local.path().is_some()) {
            if !self.unix_watched {
                return Some("unix sockets were not watched when it began");
            }
            if lacks(&self.unix_hooks, ["unix_consume_skb", "unix_kfree_skb"]) {
                return Some(
                    "what unix sockets lose can't be seen here: the probes for it could not be attached",
                );
            }
        }
        let tcp = listeners.iter().any(|key| key.local.inet().is_some());
        (tcp && lacks(&self.hooks, ["tcp_send_reset", "kfree_skb"]))
            .then_some("refused connections can't be seen here: the probes for it could not be attached")
    }

    /// One kill(2) to a group, or one loop over processes, can reach the workers before the master.
    fn take_in_signals(&mut self, id: RestartId, service: ServiceId) {
        const AT_ONCE: BootNs = 100_000_000;
        let (Some(entry), Some(restart)) = (self.services.get(service), self.restarts.get_mut(&id)) else {
            return;
        };
        let Cause::Signal(first) = restart.cause.clone() else { return };
        let members = entry.members.iter().filter_map(|pid| self.processes.get(*pid));
        let together = |sent: &&SignalFact| {
            sent.target.pid != first.target.pid
                && sent.signal == first.signal
                && sent.sender.map(|task| task.pid) == first.sender.map(|task| task.pid)
                && sent.at <= first.at
                && first.at - sent.at <= AT_ONCE
        };
        for sent in members.filter_map(|process| process.last_signal.as_deref()).filter(together) {
            restart.signal(sent, &self.config, &mut self.bounds);
            restart.step(sent.at, StepKind::Signal(sent.clone()), &self.config);
        }
    }

    /// The restart that was thought to have come to nothing, if what happens now is what its signal asked for.
    fn asked_long_before(&self, service: ServiceId, at: BootNs, cause: &Cause) -> Option<RestartId> {
        let later = match cause {
            Cause::Signal(signal) => signal.at < at,
            Cause::ListenerClosed { .. } => true,
            Cause::Exit { .. } | Cause::Exec { .. } | Cause::ListenerOpened { .. } => false,
        };
        let newest =
            self.restarts.values().rev().find(|restart| self.services.canonical(restart.service) == service);
        let restart = newest.filter(|restart| later && restart.ended.is_some() && !restart.has_effect())?;
        let Cause::Signal(signal) = &restart.cause else { return None };
        let recent = at.saturating_sub(signal.last_at) <= self.config.blame;
        (recent && !signal.is_ignored()).then_some(restart.id)
    }

    fn reopen(&mut self, id: RestartId, service: ServiceId, at: BootNs) {
        let Some(restart) = self.restarts.get_mut(&id) else { return };
        let meanwhile = self.lost_lately.filter(|lost| restart.ended.is_some_and(|ended| lost.at >= ended));
        let meanwhile = meanwhile.unwrap_or_default();
        restart.events_lost = restart.events_lost.saturating_add(meanwhile.events);
        restart.lives_lost = restart.lives_lost.saturating_add(meanwhile.lives);
        restart.reopen(|member| match self.processes.find(member.pid) {
            Some(process) if process.start == member.start => {
                process.exited.map(|exit| exit.at).filter(|exited| *exited < at)
            }
            _ => Some(at),
        });
        if let Some(entry) = self.services.get(service) {
            for process in entry.members.iter().filter_map(|pid| self.processes.get(*pid)) {
                let master = self.is_master(process);
                if let Some(restart) = self.restarts.get_mut(&id) {
                    restart.add(process, true, master, at, &self.config, &mut self.bounds);
                }
            }
        }
        self.active.retain(|active| *active != id);
        self.active.push(id);
        self.report_all_or_count();
        self.note(Note::RestartBegan(id));
    }

    /// A signal that asks for a restart came to a master.
    pub(super) fn restart_asked(&mut self, service: ServiceId, at: BootNs, signal: &SignalFact) {
        if let Some(id) = self.current(service) {
            let another =
                self.restarts.get(&id).is_some_and(|restart| self.asks_for_another(restart, signal));
            if !another {
                self.turn_out(id, at, signal);
                return;
            }
            if let Some(restart) = self.restarts.get_mut(&id) {
                restart.superseded = true;
            }
            self.end(id, at);
        }
        self.begin(service, at, Cause::Signal(signal.clone()));
    }

    /// A successor came unasked; the signal that then sends the old generation away is what loses its connections.
    fn turn_out(&mut self, id: RestartId, at: BootNs, signal: &SignalFact) {
        let Some(restart) = self.restarts.get_mut(&id) else { return };
        let to_old = restart.old.iter().any(|member| member.fact.pid == signal.target.pid);
        if to_old && matches!(restart.cause, Cause::ListenerOpened { .. }) {
            restart.cause = Cause::Signal(signal.clone());
            restart.times.signal = Some(at);
            self.connections.set_cause_of(id, &Cause::Signal(signal.clone()));
        }
    }

    /// Whether a signal during a restart begins another one, rather than being a step of it: it goes to the
    /// new generation, or asks a surviving master for the same once more, well after the first time.
    fn asks_for_another(&self, restart: &Restart, signal: &SignalFact) -> bool {
        let target = signal.target.pid;
        let living = |pid: u32, generation: &[super::restart::Member]| {
            generation.iter().any(|member| member.fact.pid == pid && member.fact.ended.is_none())
        };
        if living(target, &restart.new) {
            return restart.times.listening.is_some() && restart.old_left() == 0
                || signal.at.saturating_sub(self.last_signal_at(restart)) > self.config.same_attempt;
        }
        if !living(target, &restart.old) {
            return false;
        }
        // Nothing came of the one before: what this one does is its own doing.
        let elapsed = signal.at.saturating_sub(restart.started);
        let other = matches!(&restart.cause, Cause::Signal(first) if first.signal != signal.signal);
        if other && verdict::swallowed(restart, elapsed, &self.config).is_some() {
            return true;
        }
        restart.kind() == RestartKind::Reload
            && signal.at.saturating_sub(self.last_signal_at(restart)) > self.config.same_attempt
    }

    fn last_signal_at(&self, restart: &Restart) -> BootNs {
        let to_masters = restart.signals.iter().filter(|signal| signal.to_master && !signal.internal);
        to_masters.map(|signal| signal.last_at).max().unwrap_or(restart.started)
    }

    /// A master replaced its program.
    pub(super) fn master_executed(&mut self, service: ServiceId, at: BootNs, task: Task) {
        if self.current(service).is_some() {
            return;
        }
        let cause = match self.recent_request(self.processes.get(task.pid), at) {
            Some(signal) => Cause::Signal(signal),
            None => Cause::Exec { at, task },
        };
        // What ran until now is the old generation, so it began before.
        self.begin(service, at.saturating_sub(1), cause);
    }

    /// A process of a service ended.
    pub(super) fn member_exited(
        &mut self,
        service: ServiceId,
        at: BootNs,
        task: Task,
        master: bool,
        exit: Exit,
    ) {
        let last = !self.has_members(service);
        let current = self.current(service);
        if current.is_none() {
            let orphan = self
                .processes
                .find(task.pid)
                .is_some_and(|process| process.born_in_service && !process.own_image);
            let leader = master && !orphan && (last || !self.went_to_background(service, task.pid, exit));
            let process = self.processes.find(task.pid);
            if leader || (last && self.settling(service, at).is_none()) {
                let cause = match self.recent_request(process, at) {
                    Some(signal) => Cause::Signal(signal),
                    None => Cause::Exit {
                        at,
                        task,
                        status: exit.status,
                        signal: exit.signal,
                        oom: process.is_some_and(|process| process.oom),
                    },
                };
                let id = self.begin(service, at.saturating_sub(1), cause);
                if let (Some(process), Some(restart)) =
                    (self.processes.find(task.pid), self.restarts.get_mut(&id))
                {
                    restart.join(process, master, at, &self.config, &mut self.bounds);
                }
            }
        }
        let mut old = false;
        for id in &self.active {
            let Some(restart) = self.restarts.get_mut(id) else { continue };
            old |= restart.ended.is_none() && restart.old.iter().any(|member| member.fact.pid == task.pid);
            restart.ended(task.pid, at, Some(exit));
        }
        self.step_open(service, at, StepKind::Exited { task, status: exit.status, signal: exit.signal, old });
        self.progress(service, at);
    }

    /// The signal to which a process's end or new program is put down: the last that asked for one.
    fn recent_request(&self, process: Option<&Process>, at: BootNs) -> Option<SignalFact> {
        let process = process.filter(|process| !process.died_by_itself())?;
        let signal = process.last_signal.as_deref()?;
        let recent = at.saturating_sub(signal.last_at) <= self.config.blame;
        (recent && !self.is_done(signal)).then(|| signal.clone())
    }

    /// Whether what a signal asked for has come about: what its receiver does after that is not the signal's doing.
    fn is_done(&self, signal: &SignalFact) -> bool {
        self.restarts.values().any(|restart| {
            let its = |cause: &SignalFact| {
                cause.target.pid == signal.target.pid
                    && cause.signal == signal.signal
                    && (signal.at..=signal.last_at).contains(&cause.at)
            };
            matches!(&restart.cause, Cause::Signal(cause) if its(cause))
                && restart.has_effect()
                && restart.ended.is_some_and(|ended| ended >= signal.last_at)
        })
    }

    /// A process that was not of the service holds its listener or has served from it. It comes with those that
    /// run the same program with it: the master that it was forked from, the workers forked from that.
    pub(super) fn taken_over(&mut self, service: ServiceId, at: BootNs, task: Task, socket: SocketId) {
        let family = self.family(task.pid);
        let successor = self.sent_the_old_away(task.pid, service);
        if let Some(process) = self.processes.get_mut(task.pid)
            && (process.image_since == 0 || successor)
        {
            process.image_since = at;
        }
        if self.current(service).is_none()
            && self.has_members(service)
            && !self.is_kin(task.pid, service)
            && let Some(listener) = self.listeners.socket(socket).map(|socket| socket.key)
        {
            let before = self.before_family(&family, at);
            self.begin(service, before, Cause::ListenerOpened { at, task, listener });
        }
        let first = family.first().and_then(|pid| self.processes.get(*pid));
        let (first, parent, since) =
            first.map_or((task, 0, at), |process| (process.task(), process.parent, process.image_since));
        self.step_open(
            service,
            if since == 0 { at } else { since },
            StepKind::Started { task: first, parent },
        );
        self.join_family(&family, service, at);
        self.progress(service, at);
    }

    /// Whether a process that is neither above nor below the service's began the restart that goes on, by a signal of its
    /// own: older than the restart, it is its new generation all the same.
    fn sent_the_old_away(&self, pid: u32, service: ServiceId) -> bool {
        let restart = self.current(service).and_then(|id| self.restarts.get(&id));
        let sender = restart.and_then(|restart| match &restart.cause {
            Cause::Signal(signal) => signal.sender,
            _ => None,
        });
        sender.is_some_and(|sender| sender.pid == pid) && !self.is_of_their_line(pid, service)
    }

    /// Adds a step to the timeline of the restart that goes on.
    pub(super) fn step_open(&mut self, service: ServiceId, at: BootNs, what: StepKind) {
        if let Some(id) = self.current(service).or_else(|| self.settling(service, at)) {
            self.step(id, at, what);
        }
    }

    pub(super) fn step(&mut self, id: RestartId, at: BootNs, what: StepKind) {
        let Some(restart) = self.restarts.get_mut(&id) else { return };
        if restart.step(at, what, &self.config)
            && let Some(step) = restart.last_step().cloned()
        {
            self.note(Note::Step(id, step));
        }
    }

    /// Something changed: is the old generation gone, is the new one in place, is it over?
    pub(super) fn progress(&mut self, service: ServiceId, at: BootNs) {
        let Some(id) = self.current(service) else { return };
        let listening = self.all_listening(service, id);
        let Some(restart) = self.restarts.get_mut(&id) else { return };
        let mut gone = false;
        if restart.old_left() == 0 && restart.has_effect() {
            gone = restart.times.old_gone.is_none();
            restart.times.old_gone.get_or_insert(at);
        } else {
            restart.times.old_gone = None;
        }
        if listening && restart.times.listening.is_none() && restart.has_effect() {
            restart.times.listening = Some(at);
            restart.unlistened = false;
        }
        let over = restart.times.old_gone.is_some()
            && restart.times.listening.is_some()
            && restart.times.first_served.is_some();
        if gone {
            self.step(id, at, StepKind::OldGone);
        }
        if over {
            self.end(id, at);
        }
    }

    /// Whether every listener of a service has a socket, and somebody new (or surviving) to hold it.
    fn all_listening(&self, service: ServiceId, id: RestartId) -> bool {
        let Some(restart) = self.restarts.get(&id) else { return false };
        let Some(entry) = self.services.get(service) else { return false };
        let sockets = entry.listeners.iter().all(|key| {
            self.listeners.get(key).is_some_and(|listener| !listener.sockets.is_empty())
                // A place that the new generation no longer serves does not hold it up for ever.
                || restart.times.first_served.is_some()
        });
        let anybody = restart.new_living() > 0 || (restart.relistened && self.has_members(service));
        sockets && anybody
    }

    fn end(&mut self, id: RestartId, at: BootNs) {
        let Some(restart) = self.restarts.get_mut(&id) else { return };
        restart.end(at);
        self.describe_again(id);
        self.note(Note::RestartEnded(id));
        self.report_all_or_count();
    }

    /// Puts aside the restarts to which nothing can happen any more.
    fn rest(&mut self, now: BootNs) {
        let settle = self.config.settle;
        let restarts = &self.restarts;
        self.active.retain(|id| {
            restarts.get(id).is_some_and(|restart| {
                let over = restart.ended.is_some_and(|ended| now > ended.saturating_add(settle));
                let residual = restart.superseded
                    && restart.has_effect()
                    && restart.old.iter().any(|member| member.fact.ended.is_none());
                !over || residual
            })
        });
    }

    /// Ends what has waited long enough.
    pub(super) fn deadlines(&mut self, now: BootNs) {
        self.rest(now);
        if !self.reported.is_empty() {
            self.report_all_or_count();
        }
        let config = &self.config;
        let over = |restart: &&Restart| {
            let elapsed = now.saturating_sub(restart.started);
            let unasked = restart.unasked_for(now).is_some_and(|unasked| unasked > config.unasked);
            // Nobody is going to take its place any more.
            let down = restart.times.old_gone.is_some() && restart.times.listening.is_none();
            let given_up = down && elapsed > config.forget_after;
            restart.ended.is_none()
                && (unasked || given_up || (!restart.has_effect() && elapsed > config.effect_within))
        };
        let mut over: Vec<RestartId> = self.active().filter(over).map(|restart| restart.id).collect();
        over.sort_unstable();
        for id in over {
            self.end(id, now);
        }
    }
}
