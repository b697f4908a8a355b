//! A made-up host: what its processes, sockets and clients do, one after the other, and what the probes would tell of
//! it. Nothing here knows of the correlator.

mod client;
mod connection;
mod process;
mod restart;
mod service;
mod socket;

use crate::case::{Case, Part};
use crate::truth::{self, Truth};
use connection::Connection;
use drain_observer::event::{
    Attached, BootNs, Comm, Event, Executed, Exited, Forked, Kind, ListenerSeen, ProcessSeen, Scanned, Task,
};
use process::Processes;
use service::Service;
use socket::Socket;
use std::collections::{BTreeMap, BTreeSet};

/// When a world begins.
pub const ZERO: BootNs = 1_000 * SECOND;
/// Ticks of TCP's clock a second.
pub const HZ: u32 = 250;
/// The network namespace of everything.
pub const NETNS: u32 = 4_026_531_840;

const US: BootNs = 1_000;
const MS: BootNs = 1_000_000;
const SECOND: BootNs = 1_000_000_000;
/// What jiffies say at the beginning: they wrap in each world.
const JIFFIES: u32 = 0xffff_f000;
/// Who restarts servers by hand.
const SHELL: u32 = 90;
/// In whose context packets come in.
const SOFTIRQ: u32 = 14;

/// A world, from its beginning to its end.
#[derive(Debug)]
pub struct World {
    /// What was there when the observer came, as it finds it.
    pub found: Vec<Event>,
    /// What the probes tell, in order of its happening.
    pub told: Vec<Told>,
    /// When a handshake was done, and at which port, in order of time.
    pub established: Vec<(BootNs, u16)>,
    /// When it ends.
    pub until: BootNs,
    /// What happened.
    pub truth: Truth,
    /// What it consists of.
    pub parts: BTreeSet<Part>,
    processes: Processes,
    sockets: Vec<Socket>,
}

/// What a probe tells.
#[derive(Clone, Debug)]
pub struct Told {
    /// It.
    pub event: Event,
    /// The kernel counts such a connection instead, unless each of the port is asked for.
    pub clean: bool,
}

impl World {
    /// The world of a case.
    pub fn of(case: &Case) -> Self {
        let mut host = Host::new(case);
        let found = host.found();
        host.run();
        host.into_world(found)
    }

    /// The same, at the end of which every process ends.
    pub fn to_its_end(case: &Case) -> Self {
        let mut host = Host::new(case);
        let found = host.found();
        host.run();
        for pid in host.processes.pids().collect::<Vec<_>>() {
            if ![Task::INIT, SHELL].contains(&pid) {
                host.exit(pid, 0, 0);
            }
        }
        host.until = host.now + SECOND;
        host.into_world(found)
    }

    /// What `/proc` says of a process at a time, if it is there.
    pub fn described(&self, pid: u32, at: BootNs) -> Option<ProcessSeen> {
        self.processes.described(pid, at)
    }

    /// What listeners a process has at a time.
    pub fn scanned(&self, pid: u32, at: BootNs) -> Scanned {
        self.processes.scanned(pid, at, &self.sockets)
    }
}

type Act = Box<dyn FnOnce(&mut Host)>;

/// A host while things happen on it.
struct Host {
    case: Case,
    now: BootNs,
    until: BootNs,
    agenda: BTreeMap<(BootNs, u64), Act>,
    next_act: u64,
    told: Vec<Told>,
    established: Vec<(BootNs, u16)>,
    processes: Processes,
    sockets: Vec<Socket>,
    connections: Vec<Connection>,
    services: Vec<Service>,
    restarts: Vec<truth::Restart>,
    refused: Vec<truth::Client>,
    parts: BTreeSet<Part>,
}

impl Host {
    fn new(case: &Case) -> Self {
        let mut host = Self {
            case: case.clone(),
            now: ZERO,
            until: ZERO,
            agenda: BTreeMap::new(),
            next_act: 0,
            told: Vec::new(),
            established: Vec::new(),
            processes: Processes::default(),
            sockets: Vec::new(),
            connections: Vec::new(),
            services: Vec::new(),
            restarts: Vec::new(),
            refused: Vec::new(),
            parts: BTreeSet::new(),
        };
        host.processes.add(Task::INIT, 0, "systemd", 1);
        host.processes.add(SHELL, Task::INIT, "bash", 2);
        let mut random = case.random(&[]);
        let services = random.u16(1..=4);
        for number in 0..services {
            if host.wants(Part::Service(number)) {
                host.make_service(number);
            }
        }
        for number in 0..random.u16(0..4) {
            if host.wants(Part::Bystander(number)) {
                host.make_bystander(number);
            }
        }
        host.until += 5 * SECOND;
        host
    }

    /// Whether a part is there; it is noted.
    fn wants(&mut self, part: Part) -> bool {
        let there = self.case.has(part);
        if there {
            self.parts.insert(part);
        }
        there
    }

    /// Does something later, or at once if that time is past.
    fn at(&mut self, at: BootNs, act: impl FnOnce(&mut Self) + 'static) {
        self.next_act += 1;
        self.agenda.insert((at, self.next_act), Box::new(act));
    }

    fn run(&mut self) {
        while let Some(((at, _), act)) = self.agenda.pop_first() {
            if at > self.until {
                break;
            }
            self.now = self.now.max(at);
            act(self);
        }
        self.now = self.now.max(self.until);
    }

    /// A probe tells something. That takes a moment.
    fn tell(&mut self, event: Kind) {
        self.tell_if_unclean(event, false);
    }

    fn tell_if_unclean(&mut self, event: Kind, clean: bool) {
        self.now += 2 * US + (self.told.len() as u64 % 5) * 700;
        self.told.push(Told { event: Event { at: self.now, event }, clean });
    }

    /// What the observer finds when it comes.
    fn found(&self) -> Vec<Event> {
        let seen = |pid| self.processes.described(pid, ZERO).map(Kind::ProcessSeen);
        let processes =
            self.processes.pids().filter(|pid| ![Task::INIT, SHELL].contains(pid)).filter_map(seen);
        let listeners = self.sockets.iter().map(|socket| {
            Kind::ListenerSeen(ListenerSeen {
                key: socket.key,
                cookie: socket.cookie,
                inode: socket.cookie + 1_000,
                queue: 0,
                limit: socket.limit,
                holders: socket.holders.iter().copied().collect(),
                unix: None,
            })
        });
        let attached = Kind::Attached(Attached { hooks: Vec::new(), notes: Vec::new() });
        let found = processes.chain(listeners).chain([attached]);
        found.map(|event| Event { at: ZERO, event }).collect()
    }

    fn into_world(mut self, found: Vec<Event>) -> World {
        let ended = self.connections.iter().filter_map(Connection::truth);
        let clients = ended.chain(std::mem::take(&mut self.refused)).collect();
        for restart in &mut self.restarts {
            let gone = |pid: &u32| self.processes.gone_since(*pid, restart.began);
            let leave = restart.old.iter().filter(|pid| Some(**pid) != restart.survivor);
            restart.old_gone = leave.map(gone).try_fold(0, |last, gone| Some(gone?.max(last)));
        }
        let ports = |service: &Service| service.places.iter().filter_map(|key| key.local.port()).collect();
        let services = self.services.iter().map(ports).collect();
        World {
            found,
            told: self.told,
            established: self.established,
            until: self.until,
            truth: Truth { restarts: self.restarts, clients, services },
            parts: self.parts,
            processes: self.processes,
            sockets: self.sockets,
        }
    }

    /// A process of no service, which starts others and gets signals.
    fn make_bystander(&mut self, number: u16) {
        let mut random = self.case.random(&[4, number.into()]);
        let pid = 5_000 + u32::from(number) * 10;
        self.processes.add(pid, Task::INIT, "cron", pid);
        for child in pid + 1..pid + random.u32(2..6) {
            let at = ZERO + random.u64(0..120) * SECOND;
            self.at(at, move |host| host.fork(pid, child));
            self.at(at + 300 * US, move |host| host.exec(child, "backup"));
            self.at(at + random.u64(1..9_000) * MS, move |host| host.exit(child, 0, 0));
            self.at(at + MS, move |host| host.signal(15, Some(SHELL), pid));
        }
    }

    fn fork(&mut self, parent: u32, child: u32) {
        if !self.processes.lives(parent) {
            return;
        }
        let start = self.now;
        self.processes.fork(parent, child, start);
        for socket in self.processes.held(parent) {
            self.hold(child, socket);
        }
        let (parent, child) = (self.processes.task(parent), self.processes.task(child));
        self.tell(Kind::Forked(Forked { parent, child, start }));
    }

    fn exec(&mut self, pid: u32, program: &str) {
        if !self.processes.lives(pid) {
            return;
        }
        self.now += US;
        self.processes.exec(pid, program, self.now);
        let (task, start) = (self.processes.task(pid), self.processes.start(pid));
        self.tell(Kind::Executed(Executed { task, start, file: format!("/usr/bin/{program}") }));
        // Whoever replaces its program keeps its listeners, not its connections.
        self.close_connections_of(pid);
    }

    /// A process ends; then the kernel closes what it had.
    fn exit(&mut self, pid: u32, status: u8, signal: u8) {
        if !self.processes.lives(pid) {
            return;
        }
        let (task, start) = (self.processes.task(pid), self.processes.start(pid));
        self.tell(Kind::Exited(Exited { task, start, status, signal }));
        let parent = self.processes.end(pid, self.now, signal != 0);
        let held = self.processes.held(pid);
        let listeners_first = pid.is_multiple_of(3);
        if !listeners_first {
            self.close_connections_of(pid);
        }
        for socket in held {
            self.let_go(pid, socket);
        }
        self.close_connections_of(pid);
        if self.processes.lives(parent) {
            self.signal(17, Some(pid), parent);
        }
    }
}

/// Jiffies at a time.
fn jiffies(at: BootNs) -> u32 {
    let ticks = at.saturating_sub(ZERO) / (SECOND / u64::from(HZ));
    JIFFIES.wrapping_add((ticks & u64::from(u32::MAX)) as u32)
}

fn comm(name: &str) -> Comm {
    Comm::new(name.as_bytes())
}
