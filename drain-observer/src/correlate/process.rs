//! The processes of the host, as far as they can matter: the living, and those of services that
//! ended lately, because the kernel closes their sockets after their end.

use super::facts::{ServiceId, SignalFact};
use super::limits::Bounds;
use crate::event::{Attribution, BootNs, Comm, CommandLine, ProcessSeen, Task};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Number of a listening socket.
pub(crate) type SocketId = u32;

/// A process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) inner_pid: Option<u32>,
    pub(crate) parent: u32,
    pub(crate) comm: Comm,
    pub(crate) executable: String,
    /// What it belongs to; not known before its program is described.
    pub(crate) attribution: Option<Box<Attribution>>,
    pub(crate) command: Option<Box<CommandLine>>,
    pub(crate) start: BootNs,
    /// When its present program began: its last exec, or its birth.
    pub(crate) image_since: BootNs,
    /// What its program's run is known by; 0 where unknown.
    pub(crate) image: u64,
    /// Its parent was started with the same command line.
    pub(crate) same_command: bool,
    /// It has replaced its program since its birth (and while watched).
    pub(crate) own_image: bool,
    /// Its parent was of the same service when it was born.
    pub(crate) born_in_service: bool,
    /// It keeps a listener for others and does not serve itself.
    pub(crate) keeper: bool,
    /// It was seen to close a connection that it had accepted.
    pub(crate) accepted: bool,
    pub(crate) service: Option<ServiceId>,
    pub(crate) holds: BTreeSet<SocketId>,
    pub(crate) last_signal: Option<Box<SignalFact>>,
    pub(crate) oom: bool,
    pub(crate) exited: Option<Exit>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exit {
    pub(crate) at: BootNs,
    pub(crate) status: u8,
    pub(crate) signal: u8,
}

impl Process {
    /// The process as a name.
    pub(crate) fn task(&self) -> Task {
        Task { pid: self.pid, comm: self.comm }
    }

    /// Whether it is known which program it runs.
    fn is_described(&self) -> bool {
        self.image != 0 || !self.executable.is_empty()
    }

    /// Whether its end was a fault, or something that nobody asked for.
    pub(crate) fn died_by_itself(&self) -> bool {
        self.oom || self.exited.is_some_and(|exit| matches!(exit.signal, 4 | 5 | 6 | 7 | 8 | 11 | 31))
    }
}

/// All processes known.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    living: BTreeMap<u32, Process>,
    /// The living, with their parents, that were born of programs not described yet.
    undescribed: BTreeSet<(u32, u32)>,
    dead: BTreeMap<u32, Process>,
    dead_order: VecDeque<u32>,
}

impl Processes {
    /// A living process.
    pub(crate) fn get(&self, pid: u32) -> Option<&Process> {
        self.living.get(&pid)
    }

    /// A living process.
    pub(crate) fn get_mut(&mut self, pid: u32) -> Option<&mut Process> {
        self.living.get_mut(&pid)
    }

    /// A process that lives, or ended lately.
    pub(crate) fn find(&self, pid: u32) -> Option<&Process> {
        self.living.get(&pid).or_else(|| self.dead.get(&pid))
    }

    /// The living, by pid.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Process> {
        self.living.values()
    }

    /// A process that an event names: known, or made known by its name alone.
    pub(crate) fn touch(&mut self, task: Task, max: usize, bounds: &mut Bounds) -> Option<&mut Process> {
        if !self.living.contains_key(&task.pid) {
            if self.living.len() >= max {
                bounds.hit("processes");
                return None;
            }
            let process = Process { pid: task.pid, comm: task.comm, ..Process::default() };
            self.living.insert(task.pid, process);
        }
        self.living.get_mut(&task.pid)
    }

    /// A process was born.
    pub(crate) fn born(&mut self, process: Process, max: usize, bounds: &mut Bounds) {
        self.dead.remove(&process.pid);
        if self.living.len() >= max && !self.living.contains_key(&process.pid) {
            bounds.hit("processes");
            return;
        }
        let (parent, pid, is_described) = (process.parent, process.pid, process.is_described());
        if let Some(before) = self.living.insert(pid, process) {
            self.undescribed.remove(&(before.parent, pid));
        }
        if !is_described {
            self.undescribed.insert((parent, pid));
        }
    }

    /// `/proc` described a process. Fills in what the probes do not tell.
    pub(crate) fn describe(&mut self, seen: &ProcessSeen, max: usize, bounds: &mut Bounds) {
        let Some(process) = self.touch(Task { pid: seen.pid, comm: seen.comm }, max, bounds) else { return };
        if process.start == 0 {
            process.start = seen.start;
            process.image_since = process.image_since.max(seen.start);
        }
        process.comm = seen.comm;
        let parent = process.parent;
        if process.parent == 0 {
            process.parent = seen.parent;
        }
        process.executable.clone_from(&seen.executable);
        process.attribution = Some(Box::new(seen.attribution.clone()));
        process.command.clone_from(&seen.command);
        process.inner_pid = seen.inner_pid;
        process.image = seen.image;
        process.same_command = seen.same_command;
        let since = process.image_since;
        self.undescribed.remove(&(parent, seen.pid));
        self.describe_children(seen, since);
    }

    /// Whoever was forked by a program before that was described runs it, too.
    fn describe_children(&mut self, seen: &ProcessSeen, since: BootNs) {
        // Each is described once, so that this ends where parents go in a circle.
        let mut parents = if seen.executable.is_empty() { Vec::new() } else { vec![seen.pid] };
        while let Some(parent) = parents.pop() {
            let born: Vec<(u32, u32)> =
                self.undescribed.range((parent, 0)..=(parent, u32::MAX)).copied().collect();
            for (_, pid) in born {
                let Some(child) = self.living.get_mut(&pid) else { continue };
                let is_its = child.parent == parent && pid != parent && !child.own_image;
                if !is_its || child.is_described() || child.start == 0 || child.start < since {
                    continue;
                }
                self.undescribed.remove(&(parent, pid));
                child.image = seen.image;
                child.executable.clone_from(&seen.executable);
                child.attribution = Some(Box::new(seen.attribution.clone()));
                child.command.clone_from(&seen.command);
                parents.push(child.pid);
            }
        }
    }

    /// A process ended. Those of a service are remembered for a while.
    pub(crate) fn ended(&mut self, pid: u32, exit: Exit, max_dead: usize) {
        let Some(mut process) = self.living.remove(&pid) else { return };
        self.undescribed.remove(&(process.parent, pid));
        process.exited = Some(exit);
        if process.service.is_none() {
            return;
        }
        if self.dead.insert(pid, process).is_none() {
            self.dead_order.push_back(pid);
        }
        while self.dead_order.len() > max_dead {
            if let Some(oldest) = self.dead_order.pop_front() {
                self.dead.remove(&oldest);
            }
        }
    }
}
