//! What happens to connections, and to which service, restart, process and signal it is put down.

use super::connections::Ends;
use super::facts::{Cause, ConnectionFact, Outcome, RestartId, ServiceId, SignalFact, StepKind};
use super::judge::{Closer, Judgement, judge};
use super::process::Process;
use super::restart::Restart;
use super::silence::{Arrival, Taken};
use super::{Correlator, Note, Request, tls};
use crate::event::{BootNs, Connection, ListenerKey, Task, TcpState, flag};

/// The end of a connection, as much of it as tells which restart it falls to.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) at: BootNs,
    /// When the handshake was done, where known.
    pub(super) established: Option<BootNs>,
    pub(super) outcome: Outcome,
}

/// A connection's way through its listener, as far as it is known.
pub(super) struct Course {
    /// When the handshake was done.
    pub(super) established: Option<BootNs>,
    /// When it was accepted, where the kernel tells.
    pub(super) accepted_at: Option<BootNs>,
    /// When its last request had been answered, if it was.
    pub(super) responded: Option<BootNs>,
    /// A process accepted it.
    pub(super) taken: bool,
    /// Depth of the accept queue when it arrived; 0 where unknown.
    pub(super) depth: u32,
}

/// Parent of the kernel's threads.
const KTHREADD: u32 = 2;
/// This soon after a restart was asked for, a process may be leaving though nothing else shows it yet.
const HASTE: BootNs = 2_000_000_000;
/// What happens at an exec is told within this.
const MOMENT: BootNs = 1_000_000;
/// So long after its listener closed, a handshake may still be found without one.
const UNDER_CLOSE: BootNs = 10_000_000;

impl Correlator {
    pub(super) fn connection_ended(&mut self, at: BootNs, connection: &Connection) {
        if connection.has(flag::ACTIVE) {
            self.outgoing_ended(connection);
            return;
        }
        let Some((key, listener)) = self.listeners.serving(connection.netns, &connection.local) else {
            return;
        };
        let closing = listener
            .last_closed
            .is_some_and(|closed| connection.closed_at.saturating_sub(closed) < UNDER_CLOSE);
        if is_doubled(connection) && !closing {
            return;
        }
        let (service, limit) = (self.services.canonical(listener.service), listener.limit);
        let (socket, plain) = (listener.sockets.first().copied(), listener.plain);
        let closer = self.closer(connection.by, connection.closed_at, service);
        let mut judged = judge(connection, closer, self.config.hz);
        self.listen_for_tls(key, plain, connection, closer, &mut judged);
        let process = judged.closed_by_process.then_some(connection.by);
        let accepted = connection.has(flag::HAS_SOCKET);
        if let Some(task) = process.filter(|_| accepted) {
            self.served_by(service, at, task, socket);
        }
        let closed_at = connection.closed_at;
        let end = End { at: closed_at, established: connection.established_at, outcome: judged.outcome };
        let restart = self.restart_of(service, process, end);
        let mut fact = ConnectionFact {
            outcome: judged.outcome,
            evidence: judged.evidence,
            local: connection.local.into(),
            peer: connection.peer.into(),
            netns: connection.netns,
            established_at: connection.established_at,
            ended_at: closed_at,
            service: Some(service),
            restart,
            process,
            cause: None,
            bytes_received: Some(connection.bytes_received),
            bytes_written: Some(connection.bytes_written()),
            reused: judged.reused,
            client: None,
            outgoing: false,
        };
        let course = Course {
            established: connection.established_at,
            accepted_at: connection.accepted_at,
            responded: answered(connection).then(|| last_sent(connection, self.config.hz)),
            taken: accepted,
            depth: connection.queue_at_arrival,
        };
        // Whether it was accepted is not known of one whose socket is gone.
        let gone = connection.has(flag::DEAD) && !accepted;
        let established = course.established.filter(|_| !gone);
        self.note_course(at, service, key, limit, &Course { established, ..course }, &fact);
        if fact.outcome == Outcome::Served
            && let Some((task, responded)) = process.zip(course.responded)
        {
            fact.evidence.extend(self.perhaps_an_error(task, responded));
        }
        self.add(at, fact);
        self.progress(service, at);
    }

    /// A process has closed a connection that it had accepted: it serves, whoever it is. But for a thread of the
    /// kernel, which closes what a dead process had under way in io_uring.
    pub(super) fn served_by(&mut self, service: ServiceId, at: BootNs, task: Task, socket: Option<u32>) {
        let Some(process) = self.processes.get_mut(task.pid) else {
            // Dead already: the kernel closes after the exit. Or unknown, and gone before it could be described.
            if self.processes.find(task.pid).is_some() {
                return;
            }
            if task.comm.as_str().starts_with("kworker/") {
                return;
            }
            let touched = self.processes.touch(task, self.config.max_processes, &mut self.bounds).is_some();
            if touched {
                // It was there before the observer: that it serves is no news but to us.
                self.join(task.pid, service, at);
                self.request(Request::Describe { pid: task.pid });
                self.request(Request::Scan { pid: task.pid });
            }
            return;
        };
        if process.parent == KTHREADD {
            return;
        }
        process.accepted = true;
        process.keeper = false;
        if process.service.is_none() {
            self.taken_over(service, at, task, socket.unwrap_or(u32::MAX));
            self.request(Request::Describe { pid: task.pid });
            self.request(Request::Scan { pid: task.pid });
        }
    }

    /// Learns from a connection that its service does without TLS, or else what that may hide of this one's end.
    fn listen_for_tls(
        &mut self,
        key: ListenerKey,
        plain: bool,
        connection: &Connection,
        closer: Closer,
        judged: &mut Judgement,
    ) {
        if judged.outcome != Outcome::Served {
            return;
        }
        let learned = !plain && tls::does_without(connection);
        if learned {
            self.listeners.mark_plain(&key);
        }
        if closer != Closer::Serving
            && !plain
            && !learned
            && tls::perhaps_tickets_only(connection, self.config.hz)
        {
            judged.outcome = Outcome::Unknown;
            judged.evidence = vec![
                "a process that was to go closed it; by their sizes and order what went before may be a response, \
                 or the end of a TLS handshake, after which the first request got none"
                    .into(),
            ];
        }
    }

    pub(super) fn closer(&self, by: Task, at: BootNs, service: ServiceId) -> Closer {
        let Some(process) = self.processes.find(by.pid) else { return Closer::Serving };
        if process.exited.is_some_and(|exit| exit.signal != 0) {
            return Closer::Killed;
        }
        let draining = self.current(service).and_then(|id| self.restarts.get(&id)).is_some_and(|restart| {
            (restart.is_old(process) || restart.was_old_program(process, at, None))
                && (restart.has_effect() || at.saturating_sub(restart.started) < HASTE)
        });
        if draining { Closer::Draining } else { Closer::Serving }
    }

    fn outgoing_ended(&mut self, connection: &Connection) {
        let Some(process) = self.processes.find(connection.by.pid) else { return };
        let Some(service) = process.service else { return };
        let end = End { at: connection.closed_at, established: None, outcome: Outcome::Truncated };
        if let Some(id) = self.restart_of(service, Some(connection.by), end)
            && let Some(restart) = self.restarts.get_mut(&id)
        {
            restart.outgoing_lost += 1;
            // After an orderly close they may still arrive; but nobody is left to send what was to follow, and to see
            // the answer, where the process was killed.
            let killed = process.exited.is_some_and(|exit| exit.signal != 0);
            if !killed && connection.has(flag::FLUSHING) && self.outgoing.len() < self.config.max_recent {
                let ends = Ends::new(connection.netns, connection.local, connection.peer);
                self.outgoing.insert(ends, (connection.closed_at, id));
            }
        }
    }

    /// The restart that a connection falls to. A process's own losses go to the restart that it is the old
    /// generation of, unless it was the restart that its client had waited for; what no process had, to the one that
    /// goes on.
    pub(super) fn restart_of(
        &self,
        service: ServiceId,
        process: Option<Task>,
        end: End,
    ) -> Option<RestartId> {
        let End { at, outcome, .. } = end;
        let service = self.services.canonical(service);
        let settle = self.config.settle;
        let mut candidates = self
            .active()
            .filter(|restart| self.services.canonical(restart.service) == service)
            .filter(|restart| {
                // Clocks of CPUs, and of event and closing, differ a little.
                at.saturating_add(1_000_000) >= restart.started
                    && restart.ended.is_none_or(|ended| at <= ended.saturating_add(settle))
            });
        let Some(process) = process.and_then(|task| self.processes.find(task.pid)) else {
            return candidates.next().map(|restart| restart.id);
        };
        candidates
            .find(|restart| is_of(restart, process, end) || (restart.ended.is_none() && !outcome.is_lost()))
            .map(|restart| restart.id)
    }

    /// What a connection's end tells about the restart that goes on, or went on just now.
    pub(super) fn note_course(
        &mut self,
        at: BootNs,
        service: ServiceId,
        key: ListenerKey,
        limit: u32,
        course: &Course,
        fact: &ConnectionFact,
    ) {
        let current = fact.restart.or_else(|| self.current(service));
        if let (Some(id), true) = (current, course.taken) {
            self.note_service_times(id, course, fact);
        }
        // The first answer ends a restart; those who waited with its client are answered a moment later.
        let current = fact.restart.or_else(|| self.current(service));
        if let Some(id) = current.or_else(|| self.settling(service, at)) {
            self.note_arrival(id, key, limit, course, fact);
        }
    }

    /// A client found nobody that listened.
    pub(super) fn note_refused(&mut self, restart: Option<RestartId>, key: ListenerKey, outcome: Outcome) {
        if let Some(restart) = restart.and_then(|id| self.restarts.get_mut(&id))
            && outcome == Outcome::Refused
        {
            restart.silence.refused(key);
        }
    }

    /// What an accepted connection's end tells about when each generation last accepted, answered, first served.
    fn note_service_times(&mut self, id: RestartId, course: &Course, fact: &ConnectionFact) {
        let Some(process) = fact.process.and_then(|task| self.processes.find(task.pid)) else { return };
        let Some(restart) = self.restarts.get_mut(&id) else { return };
        if had_by_old(restart, process, course, fact) {
            let times = &mut restart.times;
            times.last_accept = times.last_accept.max(course.accepted_at.or(course.established));
            times.last_response = times.last_response.max(course.responded);
            return;
        }
        let Some(responded) = course.responded.filter(|_| !fact.outcome.is_lost()) else { return };
        let responded = responded.max(process.image_since);
        let first = restart.times.first_served.is_none_or(|known| responded < known);
        let step = restart.times.first_served.is_none();
        if first {
            restart.times.first_served = Some(responded);
        }
        let task = process.task();
        if step {
            self.step(id, responded, StepKind::FirstServed { task });
        }
    }

    /// What a connection's end tells about how long the accept queue was left alone.
    fn note_arrival(
        &mut self,
        id: RestartId,
        key: ListenerKey,
        limit: u32,
        course: &Course,
        fact: &ConnectionFact,
    ) {
        let (Some(established), Some(restart)) = (course.established, self.restarts.get_mut(&id)) else {
            return;
        };
        let responded = course.responded;
        let fate = if course.taken {
            let Some(process) = fact.process.and_then(|task| self.processes.find(task.pid)) else { return };
            if had_by_old(restart, process, course, fact) {
                Taken::Old { responded }
            } else {
                let responded = responded.map(|at| at.max(process.image_since));
                let gave_up = fact.outcome == Outcome::GaveUp;
                Taken::New { began: process.image_since, responded, gave_up }
            }
        } else {
            Taken::Nobody { ended: fact.ended_at, outcome: fact.outcome }
        };
        let arrival = Arrival { established, accepted: course.accepted_at, depth: course.depth, fate };
        let started = restart.started;
        restart.silence.arrived(key, arrival, limit, started);
    }

    pub(super) fn add(&mut self, at: BootNs, mut fact: ConnectionFact) {
        if fact.outcome.is_lost() {
            fact.cause = self.cause_of(&fact).map(Box::new);
            fact.client = fact.client.or_else(|| self.client_of(&fact));
            self.upstream_lost(&fact);
        }
        if let Some(service) = fact.service.and_then(|service| self.services.get_mut(service)) {
            *service.counts.entry(fact.outcome).or_default() += 1;
            if fact.outcome.is_lost() && fact.restart.is_none() {
                *service.lost_outside.entry(fact.outcome).or_default() += 1;
            }
        }
        if let Some(restart) = fact.restart.and_then(|id| self.restarts.get_mut(&id)) {
            restart.count(fact.outcome, fact.process);
            restart.raced += u64::from(raced(fact.outcome, fact.reused));
        }
        if fact.outcome.is_lost() {
            self.tell_lost(at, &fact);
        }
        self.connections.add(fact, &self.config, &mut self.bounds);
    }

    pub(super) fn tell_lost(&mut self, at: BootNs, fact: &ConnectionFact) {
        if let Some(id) = fact.restart {
            self.step(id, at, StepKind::Lost { outcome: fact.outcome, task: fact.process });
        }
        self.note(Note::Lost(Box::new(fact.clone())));
    }

    /// What began a loss: the restart's cause, or what its process was last told, or how it ended.
    pub(super) fn cause_of(&self, fact: &ConnectionFact) -> Option<Cause> {
        if let Some(restart) = fact.restart.and_then(|id| self.restarts.get(&id)) {
            return Some(restart.cause.clone());
        }
        let process = self.processes.find(fact.process?.pid)?;
        let told = process
            .last_signal
            .as_ref()
            .filter(|signal| fact.ended_at.saturating_sub(signal.last_at) <= self.config.blame);
        if let Some(signal) = told.filter(|_| !process.died_by_itself()) {
            return Some(Cause::Signal(SignalFact::clone(signal)));
        }
        let exit = process.exited?;
        Some(Cause::Exit {
            at: exit.at,
            task: process.task(),
            status: exit.status,
            signal: exit.signal,
            oom: process.oom,
        })
    }
}

/// Whether an accepted connection was the old generation's, or that program's which a process has replaced since.
fn had_by_old(restart: &Restart, process: &Process, course: &Course, fact: &ConnectionFact) -> bool {
    // Only the new program can have answered after the exec, but for the length of a moment.
    let answered_since = course.responded.is_some_and(|at| at > process.image_since.saturating_add(MOMENT));
    restart.is_old(process)
        || !answered_since && restart.was_old_program(process, fact.ended_at, course.established)
}

/// Whether what a process had lost falls to a restart.
pub(super) fn is_of(restart: &Restart, process: &Process, end: End) -> bool {
    let End { at, established, outcome } = end;
    let shared = matches!(outcome, Outcome::QueueReset);
    // Whoever finds it gone: it came when nobody of the new generation had answered anybody yet.
    let waited_for = || {
        let served = restart.times.first_served.unwrap_or(BootNs::MAX);
        outcome == Outcome::GaveUp
            && restart.has_effect()
            && established.is_some_and(|established| established < served)
    };
    shared || restart.is_old(process) || restart.was_old_program(process, at, established) || waited_for()
}

/// Whether a client asked once more just as the server closed an idle connection.
fn raced(outcome: Outcome, reused: Option<bool>) -> bool {
    outcome == Outcome::LateRequest || (outcome == Outcome::UnreadReset && reused == Some(true))
}

/// Whether this may be but the second socket made of one handshake, whose last packet came twice at once: the kernel
/// closes it (inet_ehash_nolisten), the first goes on. It also looks like this where the listener was closed while the
/// handshake's last packet was on its way (inet_csk_reqsk_queue_add), and then the client is reset.
fn is_doubled(connection: &Connection) -> bool {
    connection.from == TcpState::SynRecv
        && connection.to == TcpState::Close
        && connection.established_at.is_none()
        && connection.bytes_received == 0
        && connection.errno == 0
}

fn answered(connection: &Connection) -> bool {
    connection.bytes_written() > 0 && connection.bytes_received > 0 && !connection.has(flag::NO_TIMES)
}

/// When a connection's last data was sent.
fn last_sent(connection: &Connection, hz: u32) -> BootNs {
    let ticks = u64::from(connection.jiffies.wrapping_sub(connection.last_sent));
    connection.closed_at.saturating_sub(ticks.saturating_mul(1_000_000_000 / u64::from(hz.max(1))))
}
