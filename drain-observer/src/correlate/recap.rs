//! What is known now, as events: with them a journal can go on in a new file that can be read without the old one.

use super::listener::{Socket, UnixIdentity};
use super::process::Process;
use super::{Correlator, LOST_BEFORE, Weight, weight};
use crate::event::{
    Attached, BootNs, Counts, Event, Kind, ListenerSeen, Lost, ProcessSeen, Task, UnixBind, UnixListener,
    UnixWatched,
};
use std::collections::BTreeSet;

impl Correlator {
    /// The listening sockets, the processes of services and their relatives, and what the kernel has counted so far, as
    /// if they were found at the start of an observation at `at`; and what was lost so lately that what happens next is in
    /// doubt, as if it were lost then. What goes on in restarts is not among it: there
    /// should be none open.
    pub fn recap(&self, at: BootNs) -> Vec<Event> {
        let living = |pid: &&u32| self.processes.get(**pid).is_some();
        let sockets = self.listeners.sockets().map(|socket| {
            let UnixIdentity { inode, name, file_inode, .. } = socket.unix;
            Kind::ListenerSeen(ListenerSeen {
                key: socket.key,
                cookie: socket.cookie,
                inode,
                queue: socket.queue,
                limit: socket.limit,
                holders: socket.holders.iter().filter(living).copied().collect(),
                unix: (inode != 0).then_some(UnixBind { name, file_inode }),
            })
        });
        let bound = self.listeners.sockets().filter(|socket| socket.unix.binding != 0).map(bound);
        let processes = self.worth_knowing();
        let processes = processes.into_iter().filter_map(|pid| self.processes.get(pid)).map(seen);
        let counts = self.listeners.all_counted().map(|(of, counted)| {
            Kind::Counts(Counts {
                of,
                established: counted.established,
                served: counted.served,
                idle_closed: counted.idle_closed,
            })
        });
        let attached = Attached { hooks: self.hooks.clone(), notes: self.start_notes.clone() };
        let attached = std::iter::once(Kind::Attached(attached));
        let watched = UnixWatched { on: self.unix_watched, hooks: self.unix_hooks.clone() };
        let watched = self.unix_watched.then_some(Kind::UnixWatched(watched));
        let lost = self.lost_before_now(at).into_iter().map(Kind::Lost);
        let events =
            sockets.chain(bound).chain(processes).chain(counts).chain(watched).chain(lost).chain(attached);
        events.map(|event| Event { at, event }).collect()
    }

    fn lost_before_now(&self, at: BootNs) -> Vec<Lost> {
        let lately = self.lost_lately.filter(|lost| at.saturating_sub(lost.at) <= self.config.deadline);
        let lately = lately.unwrap_or_default();
        let doubted = self.lives_lost_at.is_some_and(|lost| at.saturating_sub(lost) <= self.config.blame);
        // Of those longer ago only how many they were in all is known.
        let lives = if lately.lives > 0 || !doubted { lately.lives } else { self.lives_lost() };
        let others = lately.events.saturating_sub(lately.lives);
        let lost = |(what, count): (&str, u64)| Lost { what: what.into(), reason: LOST_BEFORE.into(), count };
        [("process", lives), ("connection", others)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(lost)
            .collect()
    }

    /// How many events about processes, signals and listeners were lost in all.
    fn lives_lost(&self) -> u64 {
        let lives = self.lost.iter().filter(|((what, _), _)| matches!(weight(what), Weight::Lives));
        lives.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Members of services, their ancestors and their children.
    fn worth_knowing(&self) -> BTreeSet<u32> {
        let members = self.processes.living().filter(|process| process.service.is_some());
        let members: BTreeSet<u32> = members.map(|process| process.pid).collect();
        let mut known = BTreeSet::new();
        for pid in &members {
            let mut pid = *pid;
            // Ends where somebody has been before, so also in a circle.
            while known.insert(pid)
                && let Some(process) = self.processes.get(pid)
            {
                pid = process.parent;
            }
        }
        let children = self.processes.living().filter(|process| members.contains(&process.parent));
        known.extend(children.map(|process| process.pid));
        known
    }
}

/// What the probes know a unix socket by.
fn bound(socket: &Socket) -> Kind {
    let UnixIdentity { inode, binding, name, file_inode } = socket.unix;
    Kind::UnixListener(UnixListener {
        sk: socket.sk,
        binding,
        netns: socket.key.netns,
        path: name.or(socket.key.local.path().copied()),
        inode,
        file_inode,
        client: Task::default(),
        queue: socket.queue.min(socket.limit),
        limit: socket.limit,
    })
}

fn seen(process: &Process) -> Kind {
    Kind::ProcessSeen(ProcessSeen {
        pid: process.pid,
        parent: process.parent,
        start: process.start,
        image: process.image,
        // Whoever was forked and replaced nothing runs what its parent runs.
        same_command: process.same_command || (process.born_in_service && !process.own_image),
        comm: process.comm,
        executable: process.executable.clone(),
        attribution: process.attribution.as_deref().cloned().unwrap_or_default(),
        command: process.command.clone(),
        netns: 0,
        inner_pid: process.inner_pid,
    })
}
