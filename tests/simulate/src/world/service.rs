//! Services: of what shape they are, how their processes come and go.

use super::client::{Plan, arrival};
use super::{Host, MS, NETNS, SECOND, US, ZERO};
use crate::case::Part;
use drain_observer::event::{BootNs, Endpoint, ListenerKey, Task};
use fastrand::Rng;

/// How a service is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One process.
    Single,
    /// One process, whose place another one may share.
    Shared,
    /// A master that listens, and workers that accept.
    Prefork,
    /// A master, and workers each with listeners of their own.
    OwnListeners,
}

/// How a server goes about leaving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// A master tells its workers by signals, otherwise by a pipe.
    pub(super) by_signal: bool,
    /// It closes its listeners when it is told to go, otherwise when it ends.
    closes_at_once: bool,
    /// It closes idle connections when it is told to go.
    pub(super) closes_idle: bool,
}

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) shape: Shape,
    pub(super) style: Style,
    pub(super) places: Vec<ListenerKey>,
    pub(super) parent: u32,
    pub(super) master: u32,
    pub(super) workers: Vec<u32>,
    /// How many workers it has.
    pub(super) size: usize,
    pub(super) program: String,
    next_pid: u32,
}

impl Service {
    pub(super) fn pids(&self) -> Vec<u32> {
        std::iter::once(self.master).chain(self.workers.iter().copied()).collect()
    }

    pub(super) fn pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }
}

impl Host {
    /// A service that is there from the beginning, what happens to it, and its clients.
    pub(super) fn make_service(&mut self, number: u16) {
        let mut random = self.case.random(&[1, number.into()]);
        let shape = [
            Shape::Single,
            Shape::Single,
            Shape::Shared,
            Shape::Prefork,
            Shape::Prefork,
            Shape::OwnListeners,
        ][random.usize(0..6)];
        let index = self.services.len();
        let base = 10_000 * (u32::from(number) + 1);
        let forks = matches!(shape, Shape::Prefork | Shape::OwnListeners);
        let size = if forks { random.usize(2..5) } else { 0 };
        let parent = if random.bool() { Task::INIT } else { 100 + u32::from(number) };
        let program = format!("server{number}");
        if parent != Task::INIT {
            self.processes.add(parent, Task::INIT, "runsv", parent);
        }
        let place = |place: u16| ListenerKey {
            netns: NETNS,
            local: Endpoint { address: [0, 0, 0, 0].into(), port: 8_000 + number * 10 + place }.into(),
        };
        let places = (0..random.u16(1..=2)).map(place).collect();
        let style =
            Style { by_signal: random.bool(), closes_at_once: random.bool(), closes_idle: random.bool() };
        let workers: Vec<u32> = (base + 1..).take(size).collect();
        let next_pid = base + 50;
        self.services.push(Service {
            shape,
            style,
            places,
            parent,
            master: base,
            workers: workers.clone(),
            size,
            program: program.clone(),
            next_pid,
        });
        self.processes.add(base, parent, &program, base);
        for worker in &workers {
            self.processes.add(*worker, base, &program, base);
        }
        self.listen_at_the_beginning(index);
        self.plan(index, number, &mut random);
    }

    fn listen_at_the_beginning(&mut self, index: usize) {
        let service = &self.services[index];
        let (places, shape) = (service.places.clone(), service.shape);
        let (master, workers) = (service.master, service.workers.clone());
        for key in places {
            if shape == Shape::OwnListeners {
                for worker in &workers {
                    self.make_socket(*worker, key);
                }
                continue;
            }
            let socket = self.make_socket(master, key);
            for worker in &workers {
                self.hold(*worker, socket);
            }
        }
        let accepting = if workers.is_empty() { vec![master] } else { workers };
        for pid in accepting {
            self.processes.set(pid, true, false);
        }
    }

    /// What happens to a service one after the other, and the clients around it.
    fn plan(&mut self, index: usize, number: u16, random: &mut Rng) {
        let mut at = ZERO + random.u64(8_000..90_000) * MS;
        let mut client = 0;
        let places = self.services[index].places.len();
        let count = random.u16(1..=4);
        for happening in 0..count {
            let mut own = self.case.random(&[2, number.into(), happening.into()]);
            let begin = at + own.u64(0..4_000) * MS;
            let last = happening + 1 == count;
            let way = self.choose(index, last, &mut own);
            for each in 0..random.u16(4..14) {
                client += 1;
                let mut random = self.case.random(&[3, number.into(), client.into()]);
                let plain = each < 2;
                let (plan, when) = if plain {
                    (Plan::plain(&mut random, places), begin + (22 + 8 * u64::from(each)) * SECOND)
                } else {
                    (Plan::any(&mut random, places), arrival(&mut random, begin))
                };
                self.make_client(index, (number, client), (plan, when), random);
            }
            if self.wants(Part::Restart(number, happening)) {
                self.at(begin, move |host| host.happen(index, way, own));
            }
            at += 45 * SECOND + way.takes_long();
        }
        self.until = self.until.max(at);
    }

    fn make_client(&mut self, index: usize, id: (u16, u16), (plan, when): (Plan, BootNs), random: Rng) {
        if !self.wants(Part::Client(id.0, id.1)) {
            return;
        }
        let address = [10, 1, u8::try_from(id.0).unwrap_or(255), 2].into();
        let peer = Endpoint { address, port: 20_000 + id.1 };
        self.at(when, move |host| host.connect(index, peer, plan, random));
    }

    /// A new generation is started beside or after the old one. Returns its master.
    pub(super) fn start(
        &mut self,
        index: usize,
        restart: Option<usize>,
        at: BootNs,
        random: &mut Rng,
    ) -> u32 {
        let master = self.services[index].pid();
        let (parent, program) = (self.services[index].parent, self.services[index].program.clone());
        let boot = random.u64(5..2_500) * MS;
        self.at(at, move |host| {
            host.fork(parent, master);
            host.belongs(restart, master);
        });
        self.at(at + random.u64(100..900) * US, move |host| host.exec(master, &program));
        let own = self.services[index].shape == Shape::OwnListeners;
        let listens = at + MS + boot;
        if !own {
            self.at(listens, move |host| host.listen_everywhere(index, master));
        }
        self.at(listens + MS, move |host| host.services[index].master = master);
        let begins = listens + random.u64(1..1_500) * MS;
        self.start_workers(index, restart, master, begins, random);
        master
    }

    /// A master starts its workers, or begins to accept where it has none.
    pub(super) fn start_workers(
        &mut self,
        index: usize,
        restart: Option<usize>,
        master: u32,
        at: BootNs,
        random: &mut Rng,
    ) {
        let (size, own) = (self.services[index].size, self.services[index].shape == Shape::OwnListeners);
        if size == 0 {
            self.at(at, move |host| host.begin_to_accept(master));
            return;
        }
        let mut workers = Vec::new();
        for number in 0..size as u64 {
            let worker = self.services[index].pid();
            workers.push(worker);
            let born = at + number * random.u64(50..20_000) * US;
            let ready = born + random.u64(1..400) * MS;
            self.at(born, move |host| {
                host.fork(master, worker);
                host.belongs(restart, worker);
            });
            self.at(ready, move |host| {
                if own {
                    host.listen_everywhere(index, worker);
                }
                host.begin_to_accept(worker);
            });
        }
        self.at(at, move |host| host.services[index].workers = workers);
    }

    pub(super) fn listen_everywhere(&mut self, index: usize, pid: u32) {
        for key in self.services[index].places.clone() {
            self.listen(pid, key);
        }
    }

    pub(super) fn begin_to_accept(&mut self, pid: u32) {
        if !self.processes.lives(pid) {
            return;
        }
        self.processes.set(pid, true, false);
        for socket in self.processes.held(pid) {
            for (number, _) in (0..).zip(&self.sockets[socket].queue.clone()) {
                self.at(self.now + number * 100 * US, move |host| host.accept(socket));
            }
        }
    }

    /// A process is told to go, and ends some time later.
    pub(super) fn retire(&mut self, index: usize, pid: u32, (told, ends): (BootNs, BootNs), status: u8) {
        let style = self.services[index].style;
        self.at(told, move |host| {
            host.stop(pid, style.closes_idle);
            if style.closes_at_once {
                for socket in host.processes.held(pid) {
                    host.let_go(pid, socket);
                }
            }
        });
        self.at(ends, move |host| host.exit(pid, status, 0));
    }

    /// A process takes no more connections.
    pub(super) fn stop(&mut self, pid: u32, closes_idle: bool) {
        if !self.processes.lives(pid) {
            return;
        }
        self.processes.set(pid, false, true);
        if closes_idle {
            self.close_idle_of(pid);
        }
    }

    /// A process is of the new generation of a restart.
    pub(super) fn belongs(&mut self, restart: Option<usize>, pid: u32) {
        if let Some(restart) = restart {
            self.restarts[restart].new.insert(pid, self.now);
        }
    }
}
