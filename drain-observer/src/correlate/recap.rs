//! What is known now, as events: with them a journal can go on in a new file that can be read without the old one.

use super::Correlator;
use super::listener::{Socket, UnixIdentity};
use super::process::Process;
use crate::event::{
    Attached, BootNs, Counts, Event, Kind, ListenerSeen, ProcessSeen, Task, UnixBind, UnixListener,
    UnixWatched,
};
use std::collections::BTreeSet;

impl Correlator {
    /// The listening sockets, the processes of services and their relatives, and what the kernel has counted so far, as
    /// if they were found at the start of an observation at `at`. What goes on in restarts is not among it: there
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
        let events = sockets.chain(bound).chain(processes).chain(counts).chain(watched).chain(attached);
        events.map(|event| Event { at, event }).collect()
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
        unit: process.unit.clone(),
        container: process.container.clone(),
        netns: 0,
        inner_pid: process.inner_pid,
    })
}
