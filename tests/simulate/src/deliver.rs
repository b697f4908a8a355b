//! A world told to a correlator: as the observer does it, with ticks when they are due, looks that are answered late, and
//! a kernel that counts what is clean instead of telling of it.

use crate::world::{HZ, World};
use drain_observer::correlate::{Config, Correlator, Note, Request, Snapshot};
use drain_observer::event::{BootNs, CountedBy, Counts, Event, Kind, Lost};
use std::collections::{BTreeMap, BTreeSet};

/// What the observer counts is told so often.
const TALLY: BootNs = 1_000_000_000;

/// How a world is told.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Places in [`World::told`], in the order in which they come; those that do not are lost.
    pub order: Vec<usize>,
    /// What is told of losses, and when.
    pub lost: Vec<(BootNs, Lost)>,
    /// Connections of which the kernel did not keep when they began, because its map was full.
    pub unkept: BTreeSet<usize>,
    /// How long it takes to answer a look.
    pub look: BootNs,
}

/// What came of it.
#[derive(Debug)]
pub struct Played {
    /// The correlator's facts at the end.
    pub snapshot: Snapshot,
    /// Events told, ticks and answers included.
    pub events: u64,
    /// Connections that the kernel counted, by port: served, and closed without a byte.
    pub counted: BTreeMap<u16, (u64, u64)>,
    /// Client ports of these.
    pub counted_clients: BTreeSet<(u16, std::net::SocketAddr)>,
    /// Everything told, where that was asked for.
    pub journal: Vec<Event>,
}

impl Delivery {
    /// Everything, in order, with such looks.
    pub fn plain(world: &World, look: BootNs) -> Self {
        Self { order: (0..world.told.len()).collect(), look, ..Self::default() }
    }
}

/// Tells a world to a new correlator that keeps every connection.
pub fn play(world: &World, delivery: &Delivery, journal: bool) -> Played {
    let config = Config { hz: HZ, ..Config::keeping(true) };
    let mut player = Player::new(world, delivery, Correlator::new(config), 0);
    player.keeps_journal = journal;
    player.play();
    player.finish()
}

/// Tells a world to a correlator that knows others already, so much later than its own time.
pub fn play_on(world: &World, delivery: &Delivery, correlator: Correlator, later: BootNs) -> Correlator {
    let mut player = Player::new(world, delivery, correlator, later);
    player.play();
    player.correlator
}

struct Player<'a> {
    world: &'a World,
    delivery: &'a Delivery,
    correlator: Correlator,
    later: BootNs,
    now: BootNs,
    answers: BTreeMap<(BootNs, u64), Request>,
    next_answer: u64,
    /// Ports of which each connection is told.
    all_of: BTreeSet<u16>,
    established: usize,
    counts: BTreeMap<u16, [u64; 3]>,
    counted_clients: BTreeSet<(u16, std::net::SocketAddr)>,
    tallied: BootNs,
    events: u64,
    keeps_journal: bool,
    journal: Vec<Event>,
}

impl<'a> Player<'a> {
    fn new(world: &'a World, delivery: &'a Delivery, correlator: Correlator, later: BootNs) -> Self {
        Self {
            world,
            delivery,
            correlator,
            later,
            now: 0,
            answers: BTreeMap::new(),
            next_answer: 0,
            all_of: BTreeSet::new(),
            established: 0,
            counts: BTreeMap::new(),
            counted_clients: BTreeSet::new(),
            tallied: 0,
            events: 0,
            keeps_journal: false,
            journal: Vec::new(),
        }
    }

    fn play(&mut self) {
        for event in &self.world.found {
            self.handle(event.clone());
        }
        let mut lost = self.delivery.lost.iter().peekable();
        for index in &self.delivery.order {
            let told = &self.world.told[*index];
            while let Some((at, loss)) = lost.next_if(|(at, _)| *at <= told.event.at) {
                self.pass(*at);
                self.handle(Event { at: *at, event: Kind::Lost(loss.clone()) });
            }
            self.pass(told.event.at);
            self.tell(*index);
        }
        for (at, loss) in lost {
            self.pass(*at);
            self.handle(Event { at: *at, event: Kind::Lost(loss.clone()) });
        }
        self.pass(self.world.until);
        self.tally(self.world.until);
    }

    fn finish(mut self) -> Played {
        self.handle(Event { at: self.world.until, event: Kind::Ended });
        Played {
            snapshot: self.correlator.snapshot(self.world.until),
            events: self.events,
            counted: self.counts.iter().map(|(port, [_, served, idle])| (*port, (*served, *idle))).collect(),
            counted_clients: self.counted_clients,
            journal: self.journal,
        }
    }

    fn tell(&mut self, index: usize) {
        let told = &self.world.told[index];
        let mut event = told.event.clone();
        if let Kind::Connection(it) = &mut event.event {
            if told.clean && !self.all_of.contains(&it.local.port) {
                let counts = self.counts.entry(it.local.port).or_default();
                counts[if it.bytes_received > 0 { 1 } else { 2 }] += 1;
                self.counted_clients.insert((it.local.port, (it.peer.address, it.peer.port).into()));
                return;
            }
            if self.delivery.unkept.contains(&index) {
                it.established_at = None;
                it.peer_fin_at = None;
            }
        }
        self.handle(event);
    }

    /// Lets time pass: what is due by then comes first.
    fn pass(&mut self, until: BootNs) {
        loop {
            let tick = self.correlator.poll_timeout().map(|due| due.saturating_sub(self.later).max(self.now));
            let answer = self.answers.keys().next().map(|(due, _)| *due);
            let tally = Some(self.tallied + TALLY);
            let Some(due) = [tick, answer, tally].into_iter().flatten().min().filter(|due| *due < until)
            else {
                return;
            };
            if answer == Some(due) {
                if let Some((_, request)) = self.answers.pop_first() {
                    self.answer(due, &request);
                }
            } else if tick == Some(due) {
                self.handle(Event { at: due, event: Kind::Tick });
            } else {
                self.tally(due);
            }
        }
    }

    fn answer(&mut self, at: BootNs, request: &Request) {
        match request {
            Request::Describe { pid } => {
                if let Some(seen) = self.world.described(*pid, at) {
                    self.handle(Event { at, event: Kind::ProcessSeen(seen) });
                }
            }
            Request::Scan { pid } => {
                self.handle(Event { at, event: Kind::Scanned(self.world.scanned(*pid, at)) });
            }
            _ => {}
        }
    }

    /// The kernel's counters are looked at.
    fn tally(&mut self, at: BootNs) {
        self.tallied = at;
        let mut changed = BTreeSet::new();
        while let Some((_, port)) =
            self.world.established.get(self.established).filter(|(when, _)| *when <= at)
        {
            self.established += 1;
            self.counts.entry(*port).or_default()[0] += 1;
            changed.insert(*port);
        }
        for port in changed {
            self.tell_counts(at, port);
        }
        if at >= self.world.until {
            for port in self.counts.keys().copied().collect::<Vec<_>>() {
                self.tell_counts(at, port);
            }
        }
    }

    fn tell_counts(&mut self, at: BootNs, port: u16) {
        let [established, served, idle_closed] = self.counts.get(&port).copied().unwrap_or_default();
        let of = CountedBy::Port { netns: crate::world::NETNS, port };
        self.handle(Event { at, event: Kind::Counts(Counts { of, established, served, idle_closed }) });
    }

    fn handle(&mut self, event: Event) {
        self.now = self.now.max(event.at);
        self.events += 1;
        let event = if self.later == 0 { event } else { crate::soak::later(event, self.later) };
        self.correlator.handle(&event);
        if self.keeps_journal {
            self.journal.push(event);
        }
        while let Some(request) = self.correlator.poll_request() {
            match request {
                Request::EmitAll { port, on: true, .. } => drop(self.all_of.insert(port)),
                Request::EmitAll { port, on: false, .. } => drop(self.all_of.remove(&port)),
                Request::Describe { .. } | Request::Scan { .. } => {
                    self.next_answer += 1;
                    self.answers.insert((self.now + self.delivery.look, self.next_answer), request);
                }
                _ => {}
            }
        }
        while let Some(note) = self.correlator.poll_note() {
            // Somebody is told at once; what is told is checked at the end.
            drop::<Note>(note);
        }
    }
}
