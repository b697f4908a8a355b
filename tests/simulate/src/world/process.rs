//! Processes, what becomes of them, and what they were at any time: whoever looks, looks late.

use super::socket::Socket;
use super::{Host, MS, NETNS, SECOND, SHELL, SOFTIRQ, ZERO, comm};
use drain_observer::event::{
    BootNs, HeldListener, Kind, ProcessSeen, Scanned, SignalAction, SignalDelivered, SignalGenerated,
    SignalResult, Task,
};
use std::collections::BTreeMap;

/// The processes that there are, and were.
#[derive(Debug, Default)]
pub(super) struct Processes {
    all: BTreeMap<u32, Process>,
    images: u64,
}

#[derive(Debug)]
struct Process {
    parent: u32,
    start: BootNs,
    images: Vec<Image>,
    ended: Option<BootNs>,
    killed: bool,
    /// Listening sockets, and from when until when.
    holds: Vec<(usize, BootNs, Option<BootNs>)>,
    /// It takes connections.
    accepting: bool,
    /// It is to go.
    leaving: bool,
}

/// A program that a process ran, since when.
#[derive(Clone, Debug)]
struct Image {
    since: BootNs,
    number: u64,
    program: String,
}

impl Process {
    fn image_at(&self, at: BootNs) -> &Image {
        let since = self.images.iter().rev().find(|image| image.since <= at);
        since.unwrap_or(&self.images[0])
    }
}

impl Processes {
    /// A process that was there before, running a program; processes of one run of it share its number.
    pub(super) fn add(&mut self, pid: u32, parent: u32, program: &str, run: u32) {
        let start = ZERO - 100 * SECOND;
        let image = Image { since: start, number: run.into(), program: program.to_owned() };
        self.images = self.images.max(u64::from(run));
        self.all.insert(pid, Process::new(parent, start, image));
    }

    pub(super) fn fork(&mut self, parent: u32, child: u32, at: BootNs) {
        let Some(image) = self.all.get(&parent).map(|it| it.image_at(at).clone()) else { return };
        self.all.insert(child, Process::new(parent, at, Image { since: at, ..image }));
    }

    pub(super) fn exec(&mut self, pid: u32, program: &str, at: BootNs) {
        self.images += 1;
        let image = Image { since: at, number: self.images + 1_000_000, program: program.to_owned() };
        let Some(process) = self.all.get_mut(&pid) else { return };
        process.images.push(image);
        (process.accepting, process.leaving) = (false, false);
    }

    /// A process ends. Returns its parent.
    pub(super) fn end(&mut self, pid: u32, at: BootNs, killed: bool) -> u32 {
        let Some(process) = self.all.get_mut(&pid) else { return 0 };
        process.ended = Some(at);
        process.killed = killed;
        process.accepting = false;
        process.parent
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.all.keys().copied()
    }

    pub(super) fn lives(&self, pid: u32) -> bool {
        self.all.get(&pid).is_some_and(|process| process.ended.is_none())
    }

    /// Whether a process that is to go, or has gone, may have cut something off.
    pub(super) fn leaves(&self, pid: u32) -> bool {
        self.all.get(&pid).is_some_and(|process| process.leaving || process.ended.is_some())
    }

    pub(super) fn start(&self, pid: u32) -> BootNs {
        self.all.get(&pid).map_or(0, |process| process.start)
    }

    pub(super) fn task(&self, pid: u32) -> Task {
        let name = match pid {
            SOFTIRQ => "ksoftirqd/0",
            Task::INIT => "systemd",
            _ => {
                self.all.get(&pid).and_then(|it| it.images.last()).map_or("", |image| image.program.as_str())
            }
        };
        Task { pid, comm: comm(name) }
    }

    pub(super) fn accepts(&self, pid: u32) -> bool {
        self.all.get(&pid).is_some_and(|process| process.accepting)
    }

    pub(super) fn set(&mut self, pid: u32, accepting: bool, leaving: bool) {
        if let Some(process) = self.all.get_mut(&pid) {
            (process.accepting, process.leaving) = (accepting, leaving);
        }
    }

    /// The listening sockets that a process has.
    pub(super) fn held(&self, pid: u32) -> Vec<usize> {
        let process = self.all.get(&pid).into_iter();
        process.flat_map(|it| &it.holds).filter(|(.., to)| to.is_none()).map(|(socket, ..)| *socket).collect()
    }

    pub(super) fn hold(&mut self, pid: u32, socket: usize, at: BootNs) {
        if let Some(process) = self.all.get_mut(&pid) {
            process.holds.push((socket, at, None));
        }
    }

    pub(super) fn let_go(&mut self, pid: u32, socket: usize, at: BootNs) {
        let holds = self.all.get_mut(&pid).map(|process| &mut process.holds);
        let holds = holds.into_iter().flatten().filter(|(held, _, to)| *held == socket && to.is_none());
        holds.for_each(|(.., to)| *to = Some(at));
    }

    /// When a process was no longer what it was at a time: it ended, or runs another program.
    pub(super) fn gone_since(&self, pid: u32, at: BootNs) -> Option<BootNs> {
        let process = self.all.get(&pid)?;
        let image = process.images.iter().map(|image| image.since).find(|since| *since > at);
        image.or(process.ended)
    }

    pub(super) fn described(&self, pid: u32, at: BootNs) -> Option<ProcessSeen> {
        let process = self.there(pid, at)?;
        let image = process.image_at(at);
        let parent = self.there(process.parent, at);
        let tick = 10 * MS;
        Some(ProcessSeen {
            pid,
            parent: parent.map_or(Task::INIT, |_| process.parent),
            start: process.start / tick * tick,
            image: image.number,
            same_command: parent.is_some_and(|parent| parent.image_at(at).program == image.program),
            comm: comm(&image.program),
            executable: format!("/usr/bin/{}", image.program),
            netns: NETNS,
            ..ProcessSeen::default()
        })
    }

    pub(super) fn scanned(&self, pid: u32, at: BootNs, sockets: &[Socket]) -> Scanned {
        let Some(process) = self.there(pid, at) else {
            return Scanned { pid, found: false, listeners: Vec::new() };
        };
        let held = process.holds.iter().filter(|(_, from, to)| *from <= at && to.is_none_or(|to| at < to));
        let seen = |(socket, ..): &(usize, BootNs, Option<BootNs>)| {
            let socket = &sockets[*socket];
            HeldListener { key: socket.key, cookie: socket.cookie }
        };
        Scanned { pid, found: true, listeners: held.map(seen).collect() }
    }

    fn there(&self, pid: u32, at: BootNs) -> Option<&Process> {
        let there = |it: &&Process| it.start <= at && it.ended.is_none_or(|ended| at < ended);
        self.all.get(&pid).filter(there)
    }
}

impl Process {
    fn new(parent: u32, start: BootNs, image: Image) -> Self {
        Self {
            parent,
            start,
            images: vec![image],
            ended: None,
            killed: false,
            holds: Vec::new(),
            accepting: false,
            leaving: false,
        }
    }
}

impl Host {
    /// A signal is sent; a handler may take it.
    pub(super) fn signal(&mut self, signal: u32, sender: Option<u32>, target: u32) {
        self.send(signal, sender, target, SignalResult::Queued);
        let handled = matches!(signal, 1 | 2 | 3 | 10 | 12 | 15) && target != SHELL;
        if handled && self.processes.lives(target) {
            let action = SignalAction::Handler;
            self.tell(Kind::SignalDelivered(SignalDelivered {
                signal,
                task: self.processes.task(target),
                action,
            }));
        }
    }

    /// A signal is sent, with this effect at once.
    pub(super) fn send(&mut self, signal: u32, sender: Option<u32>, target: u32, result: SignalResult) {
        if !self.processes.lives(target) {
            return;
        }
        let (sender, target) = (sender.map(|pid| self.processes.task(pid)), self.processes.task(target));
        self.tell(Kind::Signal(SignalGenerated { signal, sender, target, result, group: true }));
    }
}
