//! A made-up observation of a busy host: services that serve connections and are restarted now and then, among
//! processes that come and go. The same story each time.

use drain_observer::event::{
    Attached, BootNs, Comm, Connection, CountedBy, Counts, Endpoint, Event, Executed, Exited, Flushed,
    Forked, Kind, Listener, ListenerKey, ListenerSeen, ProcessSeen, SignalAction, SignalDelivered,
    SignalGenerated, SignalResult, Standing, Task, TcpState, flag,
};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

const NETNS: u32 = 4_026_531_840;
const SECOND: BootNs = 1_000_000_000;
const BEGIN: BootNs = 1_000 * SECOND;
/// Between two events, so that there are some 100,000 a second.
const STEP: BootNs = 10_000;
/// A tick of TCP's clock.
const JIFFY: BootNs = 4_000_000;
/// Ticks of TCP's clock a second.
pub(crate) const HZ: u32 = 250;
const FIRST_PORT: u16 = 8_000;
const SHELL: u32 = 900;
/// Events between two restarts.
const RESTART_EVERY: u64 = 50_000;

/// The story, event by event, without end.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    services: Vec<Service>,
    now: BootNs,
    told: u64,
    next_pid: u32,
    restarts: usize,
    restart_at: u64,
    /// Of xorshift.
    random: u64,
    queue: VecDeque<Kind>,
    counted_at: BootNs,
}

#[derive(Debug, Clone)]
struct Service {
    port: u16,
    master: u32,
    workers: [u32; 2],
    established: u64,
}

impl Story {
    /// Of so many services, 1..=50,000.
    pub(crate) fn of(services: u16) -> Self {
        let service = |number: u16| {
            let master = 1_000 + u32::from(number) * 3;
            Service { port: FIRST_PORT + number, master, workers: [master + 1, master + 2], established: 0 }
        };
        let services: Vec<Service> = (0..services.max(1)).map(service).collect();
        let next_pid = 1_000 + u32::try_from(services.len()).unwrap_or(0) * 3;
        let mut story = Self {
            services,
            now: BEGIN,
            told: 0,
            next_pid,
            restarts: 0,
            restart_at: RESTART_EVERY,
            random: 0x9e37_79b9_7f4a_7c15,
            queue: VecDeque::new(),
            counted_at: BEGIN,
        };
        story.begin();
        story
    }

    /// Time of the event of this number, from 1 on.
    pub(crate) fn time_of(event: u64) -> BootNs {
        BEGIN + event * STEP
    }

    fn begin(&mut self) {
        for service in &self.services {
            for pid in service.pids() {
                let parent = if pid == service.master { 1 } else { service.master };
                self.queue.push_back(Kind::ProcessSeen(ProcessSeen {
                    pid,
                    parent,
                    start: BEGIN - SECOND,
                    image: service.master.into(),
                    same_command: parent != 1,
                    comm: name(service.port),
                    executable: format!("/usr/bin/{}", name(service.port)),
                    netns: NETNS,
                    ..ProcessSeen::default()
                }));
            }
            self.queue.push_back(Kind::ListenerSeen(ListenerSeen {
                key: service.key(),
                cookie: service.port.into(),
                inode: u64::from(service.port) + 100_000,
                queue: 0,
                limit: 128,
                holders: service.pids().to_vec(),
                unix: None,
            }));
        }
        self.queue.push_back(Kind::Attached(Attached { hooks: Vec::new(), notes: Vec::new() }));
    }

    /// A random number below `limit`, which is small.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) % limit.max(1)
    }

    fn go_on(&mut self) {
        if self.now - self.counted_at >= SECOND {
            self.counted_at = self.now;
            self.count();
        } else if self.told >= self.restart_at {
            self.restart_at += RESTART_EVERY;
            let number = self.restarts % self.services.len();
            self.restarts += 1;
            self.restart(number);
        } else if self.below(50) == 0 {
            self.bystander();
        } else {
            self.connection();
        }
    }

    /// A connection with one request, of which the response was under way when it was closed.
    fn connection(&mut self) {
        let number = self.below(self.services.len() as u64) as usize;
        let (worker, client, port) = (self.below(2) as usize, self.below(1 << 14) as u32, self.below(28_000));
        let service = &mut self.services[number];
        service.established += 1;
        let task = Task { pid: service.workers[worker], comm: name(service.port) };
        let peer = Endpoint {
            address: IpAddr::V4(Ipv4Addr::from_bits(0x0a01_0000 + client)),
            port: 32_768 + u16::try_from(port).unwrap_or(0),
        };
        let connection = served(service.local(), peer, task, self.now);
        let flushed = Flushed {
            sk: connection.sk,
            closed_at: self.now,
            local: connection.local,
            peer,
            netns: NETNS,
            unacked: 0,
            errno: 0,
        };
        self.queue.extend([Kind::Connection(connection), Kind::Flushed(flushed)]);
    }

    /// A process that has nothing to do with any service.
    fn bystander(&mut self) {
        let (shell, child) = (Task { pid: SHELL, comm: Comm::new(b"sh") }, self.pid());
        let start = self.now;
        let before = Task { pid: child, comm: shell.comm };
        let after = Task { pid: child, comm: Comm::new(b"true") };
        self.queue.extend([
            Kind::Forked(Forked { parent: shell, child: before, start }),
            Kind::Executed(Executed { task: after, start, file: "/bin/true".into() }),
            Kind::Exited(Exited { task: after, start, status: 0, signal: 0 }),
            Kind::Signal(signal(17, after, shell)),
        ]);
    }

    /// Stop, then start: the master is told to, its workers leave, another takes their place.
    fn restart(&mut self, number: usize) {
        let (master, first, second) = (self.pid(), self.pid(), self.pid());
        let service = &mut self.services[number];
        let old = service.clone();
        (service.master, service.workers) = (master, [first, second]);
        let (start, comm, shell) = (self.now, name(old.port), Task { pid: SHELL, comm: Comm::new(b"sh") });
        let task = |pid| Task { pid, comm };
        let listener = |pid| Listener {
            sk: u64::from(old.port),
            cookie: 0,
            key: old.key(),
            by: task(pid),
            queue: 0,
            limit: 128,
            drops: 0,
        };
        self.queue.push_back(Kind::Signal(signal(15, shell, task(old.master))));
        self.queue.push_back(Kind::SignalDelivered(SignalDelivered {
            signal: 15,
            task: task(old.master),
            action: SignalAction::Handler,
        }));
        for worker in old.workers {
            self.queue.push_back(Kind::Signal(signal(15, task(old.master), task(worker))));
        }
        let gone =
            |pid| Kind::Exited(Exited { task: task(pid), start: BEGIN - SECOND, status: 0, signal: 0 });
        self.queue.extend(old.workers.map(gone));
        self.queue.push_back(Kind::ListenerClosed(listener(old.master)));
        self.queue.push_back(gone(old.master));
        self.queue.push_back(Kind::Forked(Forked { parent: shell, child: task(master), start }));
        let file = format!("/usr/bin/{}", name(old.port));
        self.queue.push_back(Kind::Executed(Executed { task: task(master), start, file }));
        self.queue.push_back(Kind::ListenerOpened(listener(master)));
        for child in [first, second] {
            self.queue.push_back(Kind::Forked(Forked { parent: task(master), child: task(child), start }));
        }
    }

    fn count(&mut self) {
        let counts = self.services.iter().map(|service| {
            Kind::Counts(Counts {
                of: CountedBy::Port { netns: NETNS, port: service.port },
                established: service.established,
                served: 0,
                idle_closed: 0,
            })
        });
        self.queue.extend(counts);
        self.queue.push_back(Kind::Tick);
    }

    fn pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }
}

impl Iterator for Story {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.queue.is_empty() {
            self.go_on();
        }
        self.told += 1;
        self.now += STEP;
        let event = self.queue.pop_front()?;
        Some(Event { at: self.now, event })
    }
}

impl Service {
    fn pids(&self) -> [u32; 3] {
        [self.master, self.workers[0], self.workers[1]]
    }

    fn local(&self) -> Endpoint {
        Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: self.port }
    }

    fn key(&self) -> ListenerKey {
        ListenerKey { netns: NETNS, local: self.local().into() }
    }
}

/// A service, and connections that were reset in its accept queue, one after the other: each is kept for the report.
pub(crate) fn lost_connections() -> impl Iterator<Item = Event> {
    let local = Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: FIRST_PORT };
    let task = Task { pid: 1_000, comm: name(FIRST_PORT) };
    let lost = (0_u32..).map(move |number| {
        let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a01_0000 + number / 16_384));
        let port = 32_768 + u16::try_from(number % 16_384).unwrap_or(0);
        let at = BEGIN + u64::from(number) * STEP;
        let connection = Connection {
            from: TcpState::Established,
            to: TcpState::Close,
            flags: 0,
            unread: 80,
            unacked: 0,
            ..served(local, Endpoint { address, port }, task, at)
        };
        Event { at, event: Kind::Connection(connection) }
    });
    Story::of(1).take(5).chain(lost)
}

fn served(local: Endpoint, peer: Endpoint, by: Task, at: BootNs) -> Connection {
    let jiffies = u32::try_from((at / JIFFY) & u64::from(u32::MAX)).unwrap_or(0);
    Connection {
        sk: 0xffff_8880_0000_0000 + at,
        cookie: 0,
        local,
        peer,
        netns: NETNS,
        established_at: Some(at - 2 * JIFFY),
        accepted_at: None,
        closed_at: at,
        peer_fin_at: None,
        by,
        from: TcpState::Established,
        to: TcpState::FinWait1,
        errno: 0,
        bytes_received: 80,
        bytes_acked: 0,
        unacked: 120,
        unsent: 0,
        unread: 0,
        written_after_fin: 0,
        ack_pending: false,
        jiffies,
        last_sent: jiffies,
        last_received: jiffies.wrapping_sub(1),
        pingpong: 1,
        segments_in: 1,
        segments_out: 1,
        queue_at_arrival: 0,
        flags: flag::HAS_SOCKET | flag::FLUSHING,
        standing: Standing::default(),
        last_acked: Some(jiffies),
    }
}

fn signal(signal: u32, sender: Task, target: Task) -> SignalGenerated {
    SignalGenerated { signal, sender: Some(sender), target, result: SignalResult::Queued, group: true }
}

fn name(port: u16) -> Comm {
    Comm::new(format!("server{port}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use drain_observer::correlate::{Config, Correlator, Verdict};

    #[test]
    fn it_is_the_same_story_each_time_and_has_restarts_without_losses() {
        let events: Vec<Event> = Story::of(3).take(200_000).collect();
        assert!(Story::of(3).take(200_000).eq(events.iter().cloned()));

        let mut correlator = Correlator::new(Config { hz: HZ, ..Config::default() });
        events.iter().for_each(|event| correlator.handle(event));
        let end = events.last().expect("there are some").at;
        let snapshot = correlator.snapshot(end);
        let verdicts: Vec<Verdict> = snapshot.restarts.iter().map(|restart| restart.verdict).collect();
        assert!(verdicts.len() >= 2, "{verdicts:?}");
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Clean), "{verdicts:?}");
    }

    #[test]
    fn lost_connections_are_lost() {
        let mut correlator = Correlator::new(Config { hz: HZ, ..Config::default() });
        lost_connections().take(105).for_each(|event| correlator.handle(&event));
        let snapshot = correlator.snapshot(BEGIN + SECOND);
        assert_eq!(
            snapshot.connections.iter().filter(|connection| connection.outcome.is_lost()).count(),
            100
        );
    }
}
