//! Ways in which servers are restarted, or otherwise meet their end.

use super::service::Shape;
use super::{Host, MS, SECOND, SHELL, US};
use crate::truth::{Cause, End, Restart};
use drain_observer::correlate::RestartKind;
use drain_observer::event::{BootNs, SignalResult, Task};
use fastrand::Rng;

const HUP: u32 = 1;
const INT: u32 = 2;
const QUIT: u32 = 3;
const KILL: u32 = 9;
const USR1: u32 = 10;
const SEGV: u32 = 11;
const USR2: u32 = 12;
const TERM: u32 = 15;

/// What happens to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Stopped, then started.
    Replace,
    /// The same, with the stop asked for more than once.
    AskedAgain,
    /// Killed, all of it at once, then started.
    Kill,
    /// It takes too long to stop and is killed.
    Force,
    /// It dies of a fault, or its master does.
    Crash,
    /// The master starts new workers and lets the old ones go.
    Reload,
    /// The program is replaced in place.
    Reexec,
    /// A new master is started by the old one, which then goes.
    Upgrade,
    /// Another process listens at the same place, then the old one goes.
    Takeover,
    /// A signal to which nothing happens.
    Ignored,
    /// A signal that a handler takes, which opens log files anew.
    Reopen,
    /// One worker dies and is replaced: no restart.
    WorkerDies,
    /// Stopped for good.
    Stop,
}

impl Way {
    /// How much longer than usual it is until the next thing may happen.
    pub(super) fn takes_long(self) -> BootNs {
        if matches!(self, Self::Ignored | Self::Reopen) { 70 * SECOND } else { 0 }
    }
}

/// What a restart is called here, and may be called.
struct Kind(&'static str, &'static [RestartKind]);

const REPLACE: Kind = Kind("replace", &[RestartKind::Replace]);

impl Host {
    /// One of the ways in which a service of its shape goes.
    pub(super) fn choose(&self, index: usize, last: bool, random: &mut Rng) -> Way {
        use Way::*;
        let ways: &[Way] = match self.services[index].shape {
            // What comes after a signal is put down to it, so nothing does.
            Shape::Single | Shape::Prefork if last && random.u32(0..8) == 0 => &[Reopen],
            _ if last && random.u32(0..8) == 0 => &[Stop],
            Shape::Single => &[Replace, Replace, AskedAgain, Kill, Force, Crash, Reexec, Upgrade, Ignored],
            Shape::Shared => &[Takeover, Takeover, Takeover, Replace, Kill],
            Shape::Prefork => &[
                Replace, Replace, AskedAgain, Kill, Crash, Reload, Reload, Reexec, Upgrade, Ignored,
                WorkerDies,
            ],
            Shape::OwnListeners => &[Replace, AskedAgain, Reload, Reload, Kill, WorkerDies],
        };
        ways[random.usize(0..ways.len())]
    }

    /// It happens now.
    pub(super) fn happen(&mut self, index: usize, way: Way, mut random: Rng) {
        let random = &mut random;
        if !self.processes.lives(self.services[index].master) {
            return;
        }
        match way {
            Way::Replace | Way::AskedAgain => self.replace(index, way == Way::AskedAgain, random),
            Way::Stop => self.stop_for_good(index, random),
            Way::Kill => self.kill(index, random),
            Way::Force => self.force(index, random),
            Way::Crash => self.crash(index, random),
            Way::Reload => self.reload(index, random),
            Way::Reexec => self.reexec(index, random),
            Way::Upgrade => self.upgrade(index, random),
            Way::Takeover => self.take_over(index, random),
            Way::Ignored | Way::Reopen => self.ignore(index, way == Way::Ignored, random),
            Way::WorkerDies => self.worker_dies(index, random),
        }
    }

    fn replace(&mut self, index: usize, again: bool, random: &mut Rng) {
        let signal = [TERM, TERM, INT, QUIT][random.usize(0..4)];
        let restart = self.order(index, REPLACE, signal, random);
        let gone = self.retire_all(index, true, random);
        if again {
            let sender = self.sender(index, random);
            let master = self.services[index].master;
            let first = self.restarts[restart].cause;
            let sender = if let Cause::Signal { sender, .. } = first { sender } else { sender };
            for _ in 0..random.u32(1..3) {
                let at = self.now + random.u64(1..4_000) * MS;
                self.at(at.min(gone), move |host| host.signal(signal, Some(sender), master));
            }
        }
        let at = gone + random.u64(1..2_000) * MS;
        self.start(index, Some(restart), at, random);
    }

    fn stop_for_good(&mut self, index: usize, random: &mut Rng) {
        let restart = self.order(index, Kind("stop", &[RestartKind::Stop]), TERM, random);
        self.restarts[restart].end = End::Down;
        self.retire_all(index, true, random);
    }

    fn kill(&mut self, index: usize, random: &mut Rng) {
        let sender = self.sender(index, random);
        let pids = self.services[index].pids();
        let target = pids[0];
        let cause = Cause::Signal { signal: KILL, sender, target };
        let restart = self.begin(index, REPLACE, cause);
        for pid in &pids {
            self.signal(KILL, Some(sender), *pid);
        }
        // Each ends when it runs next.
        let mut at = self.now;
        for pid in pids {
            at += random.u64(20..900) * US;
            self.at(at, move |host| host.exit(pid, 0, 9));
        }
        self.start(index, Some(restart), at + random.u64(1..2_000) * MS, random);
    }

    fn force(&mut self, index: usize, random: &mut Rng) {
        let restart = self.order(index, REPLACE, TERM, random);
        let (master, closes_idle) = (self.services[index].master, random.bool());
        let sender = match self.restarts[restart].cause {
            Cause::Signal { sender, .. } => sender,
            Cause::Exit { .. } => SHELL,
        };
        self.at(self.now + MS, move |host| host.stop(master, closes_idle));
        let at = self.now + random.u64(1_000..7_000) * MS;
        self.at(at, move |host| host.signal(KILL, Some(sender), master));
        self.at(at + 300 * US, move |host| host.exit(master, 0, 9));
        self.start(index, Some(restart), at + random.u64(2..1_500) * MS, random);
    }

    fn crash(&mut self, index: usize, random: &mut Rng) {
        let pid = self.services[index].master;
        let forks = self.services[index].size > 0;
        let (status, signal) = if forks { (1, 0) } else { (0, SEGV as u8) };
        let cause = Cause::Exit { pid, status, signal };
        let restart = self.begin(index, Kind("crash", &[RestartKind::Crash]), cause);
        if signal != 0 {
            self.send(SEGV, None, pid, SignalResult::Queued);
        }
        let workers = self.services[index].workers.clone();
        self.exit(pid, status, signal);
        let mut gone = self.now;
        for worker in workers {
            let told = self.now + random.u64(1..20) * MS;
            let ends = told + random.u64(5..3_000) * MS;
            self.retire(index, worker, (told, ends), 0);
            gone = gone.max(ends);
        }
        self.start(index, Some(restart), gone + random.u64(1..2_000) * MS, random);
    }

    fn reload(&mut self, index: usize, random: &mut Rng) {
        let restart = self.order(index, Kind("reload", &[RestartKind::Reload]), HUP, random);
        let master = self.services[index].master;
        let old = self.services[index].workers.clone();
        let first = random.bool();
        let starts = self.now + random.u64(1..800) * MS;
        let last = starts + SECOND;
        let told = if first { last } else { self.now + 2 * MS };
        let gone = self.retire_workers(index, old, told, random);
        let starts = if first { starts } else { gone.min(starts) };
        self.start_workers(index, Some(restart), master, starts, random);
        self.restarts[restart].survivor = Some(master);
    }

    fn reexec(&mut self, index: usize, random: &mut Rng) {
        let restart = self.order(index, Kind("reexec", &[RestartKind::Reexec]), USR2, random);
        let master = self.services[index].master;
        let workers = self.services[index].workers.clone();
        let style = self.services[index].style;
        let mut at = self.now + random.u64(2..3_000) * MS;
        if workers.is_empty() {
            self.at(self.now + MS, move |host| host.stop(master, style.closes_idle));
        } else {
            at = at.max(self.retire_workers(index, workers, self.now + 2 * MS, random) + MS);
        }
        let program = self.services[index].program.clone();
        self.at(at, move |host| {
            host.exec(master, &program);
            host.belongs(Some(restart), master);
        });
        let begins = at + random.u64(5..6_000) * MS;
        self.start_workers(index, Some(restart), master, begins, random);
    }

    fn upgrade(&mut self, index: usize, random: &mut Rng) {
        let restart = self.order(index, Kind("upgrade", &[RestartKind::Upgrade]), USR2, random);
        let (old, workers) = (self.services[index].master, self.services[index].workers.clone());
        let new = self.services[index].pid();
        let program = self.services[index].program.clone();
        let forks = self.now + random.u64(1..30) * MS;
        self.at(forks, move |host| {
            host.fork(old, new);
            host.belongs(Some(restart), new);
        });
        self.at(forks + random.u64(100..2_000) * US, move |host| host.exec(new, &program));
        let begins = forks + random.u64(5..2_500) * MS;
        self.start_workers(index, Some(restart), new, begins, random);
        let ready = begins + random.u64(600..3_000) * MS;
        let sender = if random.bool() { new } else { self.sender(index, random) };
        self.at(ready, move |host| host.signal(QUIT, Some(sender), old));
        let mut gone = ready + MS;
        if !workers.is_empty() {
            gone = self.retire_workers(index, workers, ready + MS, random);
        }
        let ends = gone + random.u64(1..3_000) * MS;
        self.retire(index, old, (ready + 2 * MS, ends), 0);
        self.at(ready, move |host| host.services[index].master = new);
    }

    fn take_over(&mut self, index: usize, random: &mut Rng) {
        let (old, sender) = (self.services[index].master, self.sender(index, random));
        let cause = Cause::Signal { signal: TERM, sender, target: old };
        let restart = self.begin(index, Kind("takeover", &[RestartKind::Takeover]), cause);
        let new = self.start(index, Some(restart), self.now + MS, random);
        // It is the successor's listening that makes it one.
        let told = self.now + random.u64(4_200..8_000) * MS;
        self.at(told, move |host| {
            host.restarts[restart].told = host.now;
            host.signal(TERM, Some(sender), old);
        });
        self.retire(index, old, (told + MS, told + random.u64(3..6_000) * MS), 0);
        self.at(told, move |host| host.services[index].master = new);
    }

    fn ignore(&mut self, index: usize, ignored: bool, random: &mut Rng) {
        let (master, sender) = (self.services[index].master, self.sender(index, random));
        let signal = if ignored { HUP } else { USR1 };
        let cause = Cause::Signal { signal, sender, target: master };
        let restart = self.begin(index, Kind("ignored", &[RestartKind::Unknown]), cause);
        self.restarts[restart].end = End::Nothing;
        if ignored {
            self.send(signal, Some(sender), master, SignalResult::Ignored);
        } else {
            self.signal(signal, Some(sender), master);
        }
    }

    fn worker_dies(&mut self, index: usize, random: &mut Rng) {
        let (master, mut workers) = (self.services[index].master, self.services[index].workers.clone());
        let place = random.usize(0..workers.len());
        let worker = workers[place];
        if random.bool() {
            self.signal(KILL, Some(SHELL), worker);
            self.exit(worker, 0, 9);
        } else {
            self.send(SEGV, None, worker, SignalResult::Queued);
            self.exit(worker, 0, 11);
        }
        let new = self.services[index].pid();
        workers[place] = new;
        let own = self.services[index].shape == Shape::OwnListeners;
        self.at(self.now + random.u64(1..200) * MS, move |host| {
            host.fork(master, new);
            if own {
                host.listen_everywhere(index, new);
            }
            host.begin_to_accept(new);
            host.services[index].workers = workers;
        });
    }

    /// A restart begins now.
    fn begin(&mut self, index: usize, Kind(way, kinds): Kind, cause: Cause) -> usize {
        let old = self.services[index].pids().into_iter().filter(|pid| self.processes.lives(*pid)).collect();
        self.restarts.push(Restart {
            way,
            service: index,
            kinds,
            cause,
            old,
            new: Default::default(),
            began: self.now,
            told: self.now,
            survivor: None,
            old_gone: None,
            first_served: None,
            end: End::Replaced,
        });
        self.restarts.len() - 1
    }

    /// A restart begins with a signal to the master.
    fn order(&mut self, index: usize, kind: Kind, signal: u32, random: &mut Rng) -> usize {
        let (target, sender) = (self.services[index].master, self.sender(index, random));
        let restart = self.begin(index, kind, Cause::Signal { signal, sender, target });
        self.signal(signal, Some(sender), target);
        restart
    }

    fn sender(&self, index: usize, random: &mut Rng) -> u32 {
        let parent = self.services[index].parent;
        if random.bool() { SHELL } else { parent.max(Task::INIT) }
    }

    /// Everybody is told to go. Returns when the last of them is gone.
    fn retire_all(&mut self, index: usize, master_too: bool, random: &mut Rng) -> BootNs {
        let (master, workers) = (self.services[index].master, self.services[index].workers.clone());
        let told = self.now + random.u64(1..15) * MS;
        if workers.is_empty() {
            let ends = told + drain(random);
            self.retire(index, master, (told, ends), 0);
            return ends + MS;
        }
        let gone = self.retire_workers(index, workers, told + MS, random);
        if !master_too {
            return gone;
        }
        let first = random.u32(0..6) == 0;
        let ends = if first { told + (gone - told) / 2 } else { gone + random.u64(1..50) * MS };
        self.retire(index, master, (told, ends), 0);
        gone.max(ends) + MS
    }

    /// Workers are told to go, from a time on. Returns when the last of them is gone.
    fn retire_workers(&mut self, index: usize, workers: Vec<u32>, at: BootNs, random: &mut Rng) -> BootNs {
        let (by_signal, twice) = (self.services[index].style.by_signal, random.u32(0..4) == 0);
        let signal = if random.bool() { TERM } else { QUIT };
        let master = self.services[index].master;
        let mut gone = at;
        for (number, worker) in workers.into_iter().enumerate() {
            let told = at + number as u64 * 100 * US;
            if by_signal {
                self.at(told, move |host| host.signal(signal, Some(master), worker));
                if twice {
                    self.at(told + MS, move |host| host.signal(signal, Some(master), worker));
                }
            }
            let ends = told + MS + drain(random);
            self.retire(index, worker, (told + MS, ends), 0);
            gone = gone.max(ends);
        }
        gone
    }
}

/// How long a process goes on with what it has.
fn drain(random: &mut Rng) -> BootNs {
    match random.u32(0..10) {
        0..4 => random.u64(1..100) * MS,
        4..8 => random.u64(100..2_500) * MS,
        _ => random.u64(2_500..9_000) * MS,
    }
}
