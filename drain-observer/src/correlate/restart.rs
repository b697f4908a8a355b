//! One restart, from its first sign to its end: the generations, the signals, the times.

use super::facts::{
    Cause, MemberFact, Outcome, RestartFact, RestartId, RestartKind, ServiceId, SignalFact, Step, StepKind,
    Times, Verdict,
};
use super::limits::{Bounds, Config};
use super::load::Curve;
use super::process::{Exit, Process, Processes};
use super::silence::Silence;
use super::upstream::ProxyLosses;
use super::verdict;
use crate::event::{BootNs, Task};
use std::collections::BTreeMap;

/// Losses no further apart than this are one step of a timeline.
const ONE_GO: BootNs = 1_000_000_000;
/// So long after an exec, what it closes may be told.
const UNDER_EXEC: BootNs = 10_000_000;
/// Kinds of losses (by outcome and process) that may go on side by side and still be one step each.
const LOSSES_AT_ONCE: usize = 16;

/// A process in one of the generations.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) fact: MemberFact,
    /// When it was first known to belong to the service.
    pub(crate) joined: BootNs,
}

/// A restart under way, or ended.
#[derive(Clone, Debug)]
pub(crate) struct Restart {
    pub(crate) id: RestartId,
    pub(crate) service: ServiceId,
    pub(crate) started: BootNs,
    pub(crate) ended: Option<BootNs>,
    pub(crate) cause: Cause,
    pub(crate) times: Times,
    pub(crate) old: Vec<Member>,
    pub(crate) new: Vec<Member>,
    pub(crate) signals: Vec<SignalFact>,
    pub(crate) counts: BTreeMap<Outcome, u64>,
    pub(crate) outgoing_lost: u64,
    pub(crate) raced: u64,
    /// What services that are its clients lost.
    pub(crate) proxies: BTreeMap<ServiceId, ProxyLosses>,
    pub(crate) events_lost: u64,
    /// Of these, about processes, signals and listeners: who is there can't be concluded from what was seen.
    pub(crate) lives_lost: u64,
    /// Such events were lost before it began: some of its old generation may have been gone by then.
    pub(crate) members_unsure: bool,
    pub(crate) silence: Silence,
    pub(crate) curve: Curve,
    /// When connections were last found in an accept queue.
    pub(crate) waiting_at: Option<BootNs>,
    /// A master told its own workers to go.
    pub(crate) told_workers: bool,
    /// A listening socket was opened by a process of the old generation.
    pub(crate) relistened: bool,
    /// Why its losses were not seen, or not all, when it began.
    pub(crate) unwatched: Option<&'static str>,
    /// A listener has no socket at the moment.
    pub(crate) unlistened: bool,
    /// A newer restart has taken over what was left to watch.
    pub(crate) superseded: bool,
    /// Its kind and whether anything came of it, as they were when it ended: what happens later is not its doing.
    settled: Option<(RestartKind, bool)>,
    steps: Vec<Step>,
    steps_dropped: u64,
}

impl Restart {
    /// For how long, up to `now`, the new generation has been in place with nobody known to wait for it. `None` = it
    /// is not in place.
    pub(crate) fn unasked_for(&self, now: BootNs) -> Option<BootNs> {
        let in_place = self.times.old_gone?.max(self.times.listening?);
        Some(now.saturating_sub(in_place.max(self.waiting_at.unwrap_or(0))))
    }

    /// A restart that begins now, with the service's processes as its old generation.
    pub(crate) fn begin(id: RestartId, service: ServiceId, at: BootNs, cause: Cause) -> Self {
        let signal = match &cause {
            Cause::Signal(signal) => Some(signal.at),
            _ => None,
        };
        Self {
            id,
            service,
            started: at,
            ended: None,
            cause,
            times: Times { signal, ..Times::default() },
            old: Vec::new(),
            new: Vec::new(),
            signals: Vec::new(),
            counts: BTreeMap::new(),
            outgoing_lost: 0,
            raced: 0,
            proxies: BTreeMap::new(),
            events_lost: 0,
            lives_lost: 0,
            members_unsure: false,
            silence: Silence::default(),
            curve: Curve::default(),
            waiting_at: None,
            told_workers: false,
            unwatched: None,
            relistened: false,
            unlistened: false,
            superseded: false,
            settled: None,
            steps: Vec::new(),
            steps_dropped: 0,
        }
    }

    /// Whether a process is of the old generation: its program was there before the restart began.
    pub(crate) fn is_old(&self, process: &Process) -> bool {
        let same = |member: &Member| {
            member.fact.pid == process.pid && member.fact.image_since == process.image_since
        };
        process.image_since <= self.started || self.old.iter().any(same)
    }

    /// Whether a connection that a process closed at `at` had been its old program's: what is not to outlive an exec is
    /// closed just after that is told, before the new program runs.
    pub(crate) fn was_old_program(&self, process: &Process, at: BootNs, established: Option<BootNs>) -> bool {
        let replaced = |member: &Member| {
            member.fact.pid == process.pid && member.fact.ended == Some(process.image_since)
        };
        at < process.image_since.saturating_add(UNDER_EXEC)
            && established.is_none_or(|established| established < process.image_since)
            && self.old.iter().any(replaced)
    }

    /// A master told a worker to go. If it was born after the restart was asked for, but before the master knew, it
    /// is of the old generation all the same.
    pub(crate) fn told_to_go(&mut self, worker: u32, config: &Config, bounds: &mut Bounds) {
        let is = |member: &Member| member.fact.pid == worker && member.fact.ended.is_none();
        let Some(place) = self.new.iter().position(is) else { return };
        if self.old.len() >= config.max_members {
            bounds.hit("generation_members");
            return;
        }
        let member = self.new.remove(place);
        self.old.push(member);
        self.times.new_started = self.new.iter().map(|member| member.fact.image_since).min();
        let served = |step: &Step| matches!(&step.what, StepKind::FirstServed { task } if task.pid == worker);
        if self.steps.iter().any(served) {
            self.steps.retain(|step| !served(step));
            self.times.first_served = None;
        }
    }

    /// It was thought to be over, and was not. `exited` tells when a process ended, if it did.
    pub(crate) fn reopen(&mut self, exited: impl Fn(&MemberFact) -> Option<BootNs>) {
        self.ended = None;
        self.settled = None;
        for member in self.old.iter_mut().filter(|member| member.fact.ended.is_none()) {
            member.fact.ended = exited(&member.fact);
        }
    }

    /// It is over.
    pub(crate) fn end(&mut self, at: BootNs) {
        self.settled = Some((self.kind(), self.has_effect()));
        self.ended = Some(at);
    }

    /// Adds a process to the generation that it belongs to.
    pub(crate) fn join(
        &mut self,
        process: &Process,
        master: bool,
        at: BootNs,
        config: &Config,
        bounds: &mut Bounds,
    ) {
        self.add(process, self.is_old(process), master, at, config, bounds);
    }

    /// Adds a process to one of the generations.
    pub(crate) fn add(
        &mut self,
        process: &Process,
        old: bool,
        master: bool,
        at: BootNs,
        config: &Config,
        bounds: &mut Bounds,
    ) {
        let generation = if old { &mut self.old } else { &mut self.new };
        let same = |member: &&mut Member| member.fact.pid == process.pid && member.fact.ended.is_none();
        if let Some(known) = generation.iter_mut().find(same) {
            known.fact.comm = process.comm;
            known.fact.image_since = process.image_since;
            known.fact.executable.clone_from(&process.executable);
            known.fact.command.clone_from(&process.command);
            known.fact.attribution.clone_from(&process.attribution);
            known.fact.master = master;
            return;
        }
        if generation.len() >= config.max_members {
            bounds.hit("generation_members");
            return;
        }
        generation.push(Member { fact: member_fact(process, master), joined: at });
        if !old {
            self.times.new_started.get_or_insert(process.image_since.max(self.started));
        }
    }

    /// A process left the service without ending: it was only a helper.
    pub(crate) fn leave(&mut self, pid: u32) {
        let stays = |member: &Member| member.fact.pid != pid || member.fact.ended.is_some();
        self.old.retain(stays);
        self.new.retain(stays);
        self.times.new_started = self.new.iter().map(|member| member.fact.image_since).min();
    }

    /// A process's description became known, and with it that of the children which run its program.
    pub(crate) fn describe(&mut self, processes: &Processes) {
        let members = self.old.iter_mut().chain(&mut self.new);
        for member in members.filter(|member| member.fact.ended.is_none()) {
            let same = |process: &&Process| [0, process.start].contains(&member.fact.start);
            if let Some(process) = processes.get(member.fact.pid).filter(same) {
                member.fact.executable.clone_from(&process.executable);
                member.fact.command.clone_from(&process.command);
                member.fact.attribution.clone_from(&process.attribution);
                member.fact.inner_pid = process.inner_pid;
                member.fact.comm = process.comm;
            }
        }
    }

    /// A process ended, or (without `exit`) replaced its program, by which one of the old generation becomes one
    /// of the new. What becomes of the new generation after the restart is not the restart's.
    pub(crate) fn ended(&mut self, pid: u32, at: BootNs, exit: Option<Exit>) {
        let new = if self.ended.is_none() && exit.is_some() { self.new.as_mut_slice() } else { &mut [] };
        for member in self.old.iter_mut().chain(new) {
            if member.fact.pid == pid && member.fact.ended.is_none() {
                member.fact.ended = Some(at);
                member.fact.exit = exit.map(|exit| (exit.status, exit.signal));
            }
        }
    }

    /// Adds a signal, or counts it as a repeat.
    pub(crate) fn signal(&mut self, fact: &SignalFact, config: &Config, bounds: &mut Bounds) {
        let same = |known: &&mut SignalFact| {
            known.signal == fact.signal
                && known.target.pid == fact.target.pid
                && known.sender.map(|task| task.comm) == fact.sender.map(|task| task.comm)
                && known.internal == fact.internal
        };
        if let Some(known) = self.signals.iter_mut().find(same) {
            known.repeats += 1;
            known.last_at = fact.at;
            return;
        }
        if self.signals.len() >= config.max_signals {
            bounds.hit("signals");
            return;
        }
        self.signals.push(fact.clone());
    }

    /// Adds a step to the timeline. Losses of one kind by one process in one go are one step.
    pub(crate) fn step(&mut self, at: BootNs, what: StepKind, config: &Config) -> bool {
        if matches!(what, StepKind::Lost { .. }) {
            let go =
                self.steps.iter_mut().rev().take_while(|step| matches!(step.what, StepKind::Lost { .. }));
            let same = |step: &&mut Step| step.what == what && at.saturating_sub(step.at) < ONE_GO;
            if let Some(step) = go.take(LOSSES_AT_ONCE).find(same) {
                step.count += 1;
                return false;
            }
        }
        if self.steps.len() >= config.max_steps {
            self.steps_dropped += 1;
            return false;
        }
        self.steps.push(Step { at, what, count: 1 });
        true
    }

    /// The last step of the timeline.
    pub(crate) fn last_step(&self) -> Option<&Step> {
        self.steps.last()
    }

    /// Counts a connection for the restart and for the process that had it.
    pub(crate) fn count(&mut self, outcome: Outcome, process: Option<Task>) {
        *self.counts.entry(outcome).or_default() += 1;
        if let Some(member) = process.and_then(|task| self.member_mut(task.pid)) {
            member.fact.connections += 1;
            member.fact.accepted += u32::from(outcome != Outcome::QueueReset);
            member.fact.lost += u32::from(outcome.is_lost());
        }
    }

    /// An outcome that was counted has turned out to be another.
    pub(crate) fn recount(&mut self, was: Outcome, is: Outcome, process: Option<Task>) {
        if let Some(count) = self.counts.get_mut(&was) {
            *count = count.saturating_sub(1);
        }
        self.counts.retain(|_, count| *count > 0);
        *self.counts.entry(is).or_default() += 1;
        if let Some(member) = process.and_then(|task| self.member_mut(task.pid)) {
            member.fact.lost =
                member.fact.lost + u32::from(is.is_lost()) - u32::from(was.is_lost()).min(member.fact.lost);
        }
    }

    /// A connection that was counted turns out not to be its own.
    pub(crate) fn uncount(&mut self, was: Outcome, process: Option<Task>) {
        if let Some(count) = self.counts.get_mut(&was) {
            *count = count.saturating_sub(1);
        }
        self.counts.retain(|_, count| *count > 0);
        if let Some(member) = process.and_then(|task| self.member_mut(task.pid)) {
            member.fact.connections = member.fact.connections.saturating_sub(1);
            member.fact.accepted = member.fact.accepted.saturating_sub(u32::from(was != Outcome::QueueReset));
        }
    }

    /// Number of connections lost.
    pub(crate) fn lost(&self) -> u64 {
        self.counts.iter().filter(|(outcome, _)| outcome.is_lost()).map(|(_, count)| count).sum()
    }

    /// Processes of the old generation that are still there and should not be: all but a master that
    /// survives a reload.
    pub(crate) fn old_left(&self) -> usize {
        let reload = self.kind() == RestartKind::Reload;
        self.old
            .iter()
            .filter(|member| member.fact.ended.is_none() && !(reload && member.fact.master))
            .count()
    }

    /// Processes of the new generation that live.
    pub(crate) fn new_living(&self) -> usize {
        self.new.iter().filter(|member| member.fact.ended.is_none()).count()
    }

    /// Whether anything came of it.
    pub(crate) fn has_effect(&self) -> bool {
        if let Some((_, effect)) = self.settled {
            return effect;
        }
        self.kind() != RestartKind::Unknown
            || self.told_workers
            || self.relistened
            || self.times.listener_closed.is_some()
            || self.old.iter().any(|member| member.fact.master && member.fact.ended.is_some())
    }

    /// How it went about it, as far as it has come.
    pub(crate) fn kind(&self) -> RestartKind {
        if let Some((kind, _)) = self.settled {
            return kind;
        }
        let by_itself = match &self.cause {
            Cause::Exit { status, signal, oom, .. } => *oom || *signal != 0 || *status != 0,
            _ => false,
        };
        let old_master = |member: &&Member| member.fact.master;
        let surviving = self.old.iter().filter(old_master).any(|member| member.fact.ended.is_none());
        let reexeced = self.old.iter().filter(old_master).any(|old| {
            old.fact.ended.is_some()
                && self.new.iter().any(|new| new.fact.pid == old.fact.pid && new.fact.start == old.fact.start)
        });
        if by_itself && !surviving {
            return RestartKind::Crash;
        }
        if reexeced {
            return RestartKind::Reexec;
        }
        if let Some(new_master) = self.new.iter().find(|member| member.fact.master) {
            if self.old.iter().any(|old| old.fact.pid == new_master.fact.parent) {
                return RestartKind::Upgrade;
            }
            let overlap =
                self.old.iter().any(|old| old.fact.ended.is_none_or(|ended| ended > new_master.joined));
            // Who sent the old one away ran beside it; with nothing opened anew, it had been handed the listener.
            let sender = match &self.cause {
                Cause::Signal(signal) => signal.sender,
                _ => None,
            };
            let opened = |step: &Step| matches!(step.what, StepKind::ListenerOpened { .. });
            let handed_over = sender.is_some_and(|sender| sender.pid == new_master.fact.pid)
                && !self.steps.iter().any(opened);
            // A place that nobody listened at in between was not taken over, whoever is still there to drain.
            let taken_over = (overlap && !self.silence.was_interrupted()) || handed_over;
            return if taken_over { RestartKind::Takeover } else { RestartKind::Replace };
        }
        if !surviving {
            return if self.old.is_empty() { RestartKind::Unknown } else { RestartKind::Stop };
        }
        let old_workers = self.old.iter().filter(|member| !member.fact.master);
        let old_workers_gone = old_workers.clone().all(|member| member.fact.ended.is_some());
        // One that was started and ended again did not replace anybody.
        let new_workers =
            self.new.iter().filter(|member| !member.fact.master && member.fact.ended.is_none()).count();
        let replaced = new_workers > 0
            && (self.told_workers || new_workers >= old_workers.count().max(1) || old_workers_gone);
        if replaced || self.relistened { RestartKind::Reload } else { RestartKind::Unknown }
    }

    /// The restart as a fact, as of `now`. `incomplete` = why no conclusion may be drawn from absence.
    pub(crate) fn fact(
        &self,
        now: BootNs,
        ended_watching: bool,
        incomplete: Option<&str>,
        config: &Config,
    ) -> RestartFact {
        let (verdict, reason): (Verdict, String) = verdict::of(self, now, ended_watching, incomplete, config);
        let mut timeline = self.steps.clone();
        // A step's own time can lie a little before that of the event that told of it.
        timeline.sort_by_key(|step| step.at);
        let old: Vec<MemberFact> = self.old.iter().map(|member| member.fact.clone()).collect();
        RestartFact {
            id: self.id,
            service: self.service,
            kind: self.kind(),
            verdict,
            reason,
            started: self.started,
            ended: self.ended,
            cause: self.cause.clone(),
            times: self.times(),
            counts: self.counts.clone(),
            silence: self.silence.facts(self.started, &old, now),
            old,
            new: self.new.iter().map(|member| member.fact.clone()).collect(),
            signals: self.signals.clone(),
            timeline,
            steps_dropped: self.steps_dropped,
            outgoing_lost: self.outgoing_lost,
            raced: self.raced,
            proxies: Vec::new(),
            events_lost: self.events_lost,
            findings: Vec::new(),
            curve: self.curve.points().to_vec(),
        }
    }

    /// Its milestones. When somebody listens again may be known better than it was at the time.
    fn times(&self) -> Times {
        let found = self.silence.listened_again();
        let listening = self.times.listening.map(|at| found.map_or(at, |found| found.min(at)));
        Times { listening, ..self.times }
    }

    fn member_mut(&mut self, pid: u32) -> Option<&mut Member> {
        self.new.iter_mut().chain(&mut self.old).find(|member| member.fact.pid == pid)
    }
}

/// A process as a member of a generation.
pub(crate) fn member_fact(process: &Process, master: bool) -> MemberFact {
    MemberFact {
        pid: process.pid,
        inner_pid: process.inner_pid,
        comm: process.comm,
        executable: process.executable.clone(),
        command: process.command.clone(),
        attribution: process.attribution.clone(),
        parent: process.parent,
        start: process.start,
        image_since: process.image_since,
        master,
        ended: process.exited.map(|exit| exit.at),
        exit: process.exited.map(|exit| (exit.status, exit.signal)),
        connections: 0,
        accepted: 0,
        lost: 0,
    }
}
