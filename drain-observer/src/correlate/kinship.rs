//! Which processes belong together: masters and workers, families that run one program, keepers of listeners.

use super::Correlator;
use super::facts::ServiceId;
use super::process::{Exit, Process};
use crate::event::{BootNs, Task};

/// Processes that one parent starts within this time are one generation's workers.
const TOGETHER: BootNs = 10_000_000_000;

impl Correlator {
    /// Which of the processes found at the start belong to a service though they hold no listener: the
    /// master above its workers, and what it runs beside them.
    pub(super) fn find_relatives(&mut self, at: BootNs) {
        let holders: Vec<u32> = self
            .processes
            .living()
            .filter(|process| !process.holds.is_empty())
            .map(|process| process.pid)
            .collect();
        for pid in holders {
            self.find_keepers(pid);
        }
        loop {
            let joins: Vec<(u32, ServiceId)> = self
                .processes
                .living()
                .filter_map(|process| {
                    let parent = self.processes.get(process.parent)?;
                    if !found_together(process, parent) {
                        return None;
                    }
                    match (process.service, parent.service) {
                        (Some(service), None) if parent.pid != Task::INIT && parent.holds.is_empty() => {
                            Some((parent.pid, service))
                        }
                        (None, Some(service)) => Some((process.pid, service)),
                        _ => None,
                    }
                })
                .collect();
            if joins.is_empty() {
                break;
            }
            for (pid, service) in joins {
                self.join(pid, service, at);
            }
        }
        let related: Vec<u32> = self
            .processes
            .living()
            .filter(|process| {
                process.service.is_some()
                    && self.processes.get(process.parent).is_some_and(|parent| {
                        parent.service == process.service && found_together(process, parent)
                    })
            })
            .map(|process| process.pid)
            .collect();
        for pid in related {
            if let Some(process) = self.processes.get_mut(pid) {
                process.born_in_service = true;
            }
        }
    }

    /// The processes that run one program together, the oldest first: found by forks without an exec between.
    pub(super) fn family(&self, pid: u32) -> Vec<u32> {
        const MAX_DEPTH: usize = 16;
        let mut root = pid;
        for _ in 0..MAX_DEPTH {
            let Some(process) = self.processes.get(root) else { break };
            match self.processes.get(process.parent) {
                Some(parent)
                    if parent.pid != Task::INIT && !parent.keeper && one_program(process, parent) =>
                {
                    root = parent.pid;
                }
                _ => break,
            }
        }
        let mut family = vec![root];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied().filter(|_| family.len() < self.config.max_members)
        {
            let children = self.processes.living().filter(|child| child.parent == parent && !child.own_image);
            family.extend(children.map(|child| child.pid).filter(|child| *child != parent));
            next += 1;
        }
        if !family.contains(&pid) {
            family.push(pid);
        }
        family
    }

    /// The last moment before a family began, as far as that is known, and not after `at`.
    pub(super) fn before_family(&self, family: &[u32], at: BootNs) -> BootNs {
        let since =
            family.iter().filter_map(|pid| self.processes.get(*pid)).map(|process| process.image_since);
        since.filter(|since| *since != 0).min().unwrap_or(at).min(at).saturating_sub(1)
    }

    /// Makes a family members of a service, and of the restart that goes on there.
    pub(super) fn join_family(&mut self, family: &[u32], service: ServiceId, at: BootNs) {
        for (index, pid) in family.iter().enumerate() {
            if let Some(process) = self.processes.get_mut(*pid).filter(|process| process.service.is_none()) {
                process.born_in_service = index > 0;
            }
            self.join(*pid, service, at);
        }
    }

    /// A process has ended. If it only put itself into the background, its one child is what it was.
    pub(super) fn went_to_background(&mut self, service: ServiceId, process: u32, exit: Exit) -> bool {
        let Some(gone) = self.processes.find(process) else { return false };
        if gone.accepted || gone.last_signal.is_some() || exit.status != 0 || exit.signal != 0 {
            return false;
        }
        let of_service = |child: &&Process| {
            child.service.is_some_and(|of| self.services.canonical(of) == self.services.canonical(service))
        };
        let children = self.processes.living().filter(|child| child.parent == process && !child.own_image);
        let heirs: Vec<u32> = children.filter(of_service).map(|child| child.pid).take(2).collect();
        let [heir] = heirs.as_slice() else { return false };
        if let Some(heir) = self.processes.get_mut(*heir) {
            heir.born_in_service = false;
        }
        true
    }

    /// Whether a process is a master, or a sole process: not the worker of another one of its service.
    pub(super) fn is_master(&self, process: &Process) -> bool {
        let parent = self.processes.get(process.parent).filter(|parent| parent.pid != process.pid);
        let worker = parent.is_some_and(|parent| {
            parent.service.is_some() && self.one_service(parent, process) && one_run(parent, process)
        });
        if self.is_executed_worker(process) {
            return false;
        }
        // A worker stays one when its master is gone.
        if process.born_in_service { process.own_image } else { !worker }
    }

    /// A worker with a program run of its own, as a runtime starts them that cannot fork: its master hands it what
    /// it accepts, or keeps several of its kind. A new master beside an old one holds the listener, and is alone.
    fn is_executed_worker(&self, process: &Process) -> bool {
        let of_service = |other: &Process| other.service.is_some() && self.one_service(other, process);
        let Some(parent) = self.processes.get(process.parent).filter(|parent| of_service(parent)) else {
            return false;
        };
        let apart = |child: &Process| child.own_image || !one_run(parent, child);
        let handed = process.accepted && process.holds.is_empty() && !parent.holds.is_empty();
        let brothers = || {
            let mut children = self.processes.living().filter(|child| child.parent == parent.pid);
            children.any(|child| child.pid != process.pid && of_service(child) && apart(child))
        };
        apart(process) && (handed || brothers())
    }

    /// Whether a process belongs to those of a service by birth: it is of their line, or they were started together by
    /// somebody else.
    pub(super) fn is_kin(&self, pid: u32, service: ServiceId) -> bool {
        let Some(process) = self.processes.get(pid) else { return false };
        let apart = |a: &String, b: &String| !a.is_empty() && !b.is_empty() && a != b;
        let brother = |member: &Process| {
            member.pid != pid
                && member.parent == process.parent
                && process.parent > Task::INIT
                && member.start.abs_diff(process.start) < TOGETHER
                && member.comm == process.comm
                && !apart(&member.executable, &process.executable)
        };
        self.is_of_their_line(pid, service) || self.members(service).any(brother)
    }

    /// Whether a process descends from one of a service, or one of a service from it.
    pub(super) fn is_of_their_line(&self, pid: u32, service: ServiceId) -> bool {
        let Some(process) = self.processes.get(pid) else { return false };
        let above = |below: &Process, above: u32| self.ancestors(below).any(|ancestor| ancestor == above);
        self.members(service).any(|member| above(process, member.pid) || above(member, pid))
    }

    pub(super) fn members(&self, service: ServiceId) -> impl Iterator<Item = &Process> {
        let members = self.services.get(service).map(|entry| &entry.members);
        members.into_iter().flatten().filter_map(|pid| self.processes.get(*pid))
    }

    fn ancestors(&self, process: &Process) -> impl Iterator<Item = u32> {
        const MAX_DEPTH: usize = 16;
        let parent = |pid: &u32| self.processes.get(*pid).map(|process| process.parent);
        std::iter::successors(Some(process.parent), parent).take(MAX_DEPTH).filter(|pid| *pid > Task::INIT)
    }

    pub(super) fn has_children(&self, process: &Process) -> bool {
        self.processes.living().any(|child| child.parent == process.pid && self.one_service(child, process))
    }

    fn one_service(&self, a: &Process, b: &Process) -> bool {
        let of = |process: &Process| process.service.map(|service| self.services.canonical(service));
        of(a) == of(b)
    }

    /// A process that only keeps a listener for others (socket activation) is not of the service. It shows
    /// when one of another program below it holds the same socket, and it never served itself.
    pub(super) fn find_keepers(&mut self, holder: u32) {
        let Some(process) = self.processes.get(holder) else { return };
        let mut keepers = Vec::new();
        let mut ancestor = self.processes.get(process.parent);
        let mut depth = 0;
        while let Some(above) = ancestor.filter(|above| above.pid != Task::INIT && depth < 16) {
            let shares = above.holds.intersection(&process.holds).next().is_some();
            let other = !above.executable.is_empty()
                && !process.executable.is_empty()
                && above.executable != process.executable;
            if shares && other && !above.accepted && above.service.is_some() {
                keepers.push((above.pid, above.service));
            }
            ancestor = self.processes.get(above.parent).filter(|next| next.pid != above.pid);
            depth += 1;
        }
        for (pid, service) in keepers {
            if let Some(process) = self.processes.get_mut(pid) {
                process.keeper = true;
            }
            if let Some(service) = service {
                self.leave(pid, service);
            }
        }
    }
}

/// Whether a child runs its parent's program, as its worker does.
fn one_program(child: &Process, parent: &Process) -> bool {
    if child.own_image {
        return false;
    }
    if child.executable.is_empty() || parent.executable.is_empty() {
        return child.comm == parent.comm || !parent.holds.is_empty();
    }
    child.executable == parent.executable
}

/// Whether two processes run one program together: forked, with no exec between. Where the run can't be told, the
/// same executable will do.
fn one_run(a: &Process, b: &Process) -> bool {
    match (a.image, b.image) {
        (0, _) | (_, 0) => !a.executable.is_empty() && a.executable == b.executable,
        (a, b) => a == b,
    }
}

/// Whether a parent and child that were found are of one kind: they run one program together, or did until the parent
/// executed it again, as haproxy's master does at its start and at every reload.
fn found_together(child: &Process, parent: &Process) -> bool {
    let again = child.same_command && !child.executable.is_empty() && child.executable == parent.executable;
    one_run(child, parent) || again
}
