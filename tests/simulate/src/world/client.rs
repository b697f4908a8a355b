//! Clients, and the servers' ends of what they want.

use super::connection::{Close, Connection, SEND_BUFFER};
use super::{Host, MS, NETNS, SECOND, US};
use crate::truth;
use drain_observer::correlate::Outcome;
use drain_observer::event::{BootNs, Endpoint, Kind, Reset, ResetKind};
use fastrand::Rng;

/// What a client wants and how it is served.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Which of the service's places it goes to.
    pub(super) place: usize,
    /// How many requests it has, one after the other.
    requests: u32,
    /// From the handshake to the first request, and from a response to the next or the end.
    first: BootNs,
    think: BootNs,
    /// Sizes, bytes.
    request: u32,
    response: u32,
    /// How long a request waits for the process that has the connection, and then for its response.
    read_after: BootNs,
    takes: BootNs,
    last: Last,
    /// How long it waits for an answer.
    patience: Option<BootNs>,
    leaves_by_reset: bool,
    /// It leaves only when it is told to.
    stays: bool,
    /// The server closes after each response, or after so long without a request.
    closes: bool,
    idle_timeout: Option<BootNs>,
    pub(super) round_trip: BootNs,
    /// How long it takes the client to see that the server has closed.
    pub(super) slow_to_notice: BootNs,
    /// The client is gone when the last bytes of the response come.
    pub(super) refuses_response: bool,
}

/// How the last request is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// As all others.
    Whole,
    /// It takes so long.
    Slow(BootNs),
    /// It is read so late.
    Unread(BootNs),
    /// Not at all.
    Never,
    /// The server closes without an answer.
    Dropped,
    /// In two parts with a pause between.
    Halves(BootNs, bool),
    /// The client does not take it all for so long.
    Blocked(BootNs),
}

impl Plan {
    /// Some client's, of a service with so many places.
    pub(super) fn any(random: &mut Rng, places: usize) -> Self {
        let chance = |random: &mut Rng, percent: u32| random.u32(0..100) < percent;
        let long = random.u64(50..9_000) * MS;
        let last = match random.u32(0..100) {
            0..58 => Last::Whole,
            58..72 => Last::Slow(long),
            72..79 => Last::Unread(long),
            79..83 => Last::Never,
            83..85 => Last::Dropped,
            85..93 => Last::Halves(long / 2, random.bool()),
            _ => Last::Blocked(long),
        };
        let closes = chance(random, 40);
        Self {
            place: random.usize(0..places),
            requests: [0, 1, 1, 1, 1, 2, 2, 3, 6][random.usize(0..9)],
            first: if chance(random, 80) { random.u64(50..2_000) * US } else { random.u64(1..4_000) * MS },
            think: if chance(random, 60) { random.u64(100..20_000) * US } else { random.u64(10..6_000) * MS },
            request: random.u32(60..900),
            response: [120, 800, 5_000, 40_000][random.usize(0..4)],
            read_after: random.u64(30..400) * US,
            takes: random.u64(200..30_000) * US,
            last,
            patience: chance(random, 25).then(|| random.u64(20..8_000) * MS),
            leaves_by_reset: chance(random, 30),
            stays: chance(random, 25),
            closes,
            idle_timeout: chance(random, 20).then(|| random.u64(500..6_000) * MS),
            round_trip: random.u64(100..3_000) * US,
            slow_to_notice: if chance(random, 40) { random.u64(1..90) * MS } else { 0 },
            refuses_response: closes && chance(random, 4),
        }
    }

    /// Of a client that asks once and is answered at once.
    pub(super) fn plain(random: &mut Rng, places: usize) -> Self {
        Self {
            requests: 1,
            first: MS,
            takes: 20 * MS,
            last: Last::Whole,
            patience: None,
            stays: false,
            refuses_response: false,
            ..Self::any(random, places)
        }
    }
}

impl Host {
    /// A client connects, if it can.
    pub(super) fn connect(&mut self, service: usize, peer: Endpoint, plan: Plan, mut random: Rng) {
        let key = self.services[service].places[plan.place];
        let Some(port) = key.local.port() else { return };
        let local = Endpoint { address: [10, 0, 0, 1].into(), port };
        let sockets = self.listening(key);
        if sockets.is_empty() {
            let reason = ResetKind::Refused;
            self.tell(Kind::Reset(Reset { reason, local, peer, netns: NETNS, state: None, payload: 0 }));
            let ended = self.now;
            self.refused.push(truth::Client {
                peer,
                local,
                service,
                outcomes: vec![Outcome::Refused],
                established: None,
                accepted: None,
                ended,
                closer: None,
                left: None,
            });
            return;
        }
        let socket = sockets[random.usize(0..sockets.len())];
        let (at, depth) = (self.now, self.sockets[socket].queue.len() as u32);
        self.established.push((at, port));
        let id = self.connections.len();
        let (first, think, requests, stays) = (plan.first, plan.think, plan.requests, plan.stays);
        let accept = at + random.u64(20..200) * US;
        let way = (service, socket);
        self.connections.push(Connection::new(plan, random, way, (local, peer), (at, depth)));
        self.sockets[socket].queue.push_back(id);
        self.at(accept, move |host| host.accept(socket));
        if requests > 0 {
            self.at(at + first, move |host| host.ask(id));
        } else if !stays {
            self.at(at + think, move |host| host.leave(id));
        }
    }

    /// Some process that accepts from a socket takes the first connection of its queue.
    pub(super) fn accept(&mut self, socket: usize) {
        let ready = self.sockets[socket].holders.iter().copied().filter(|pid| self.processes.accepts(*pid));
        let ready: Vec<u32> = ready.collect();
        if ready.is_empty() {
            return;
        }
        let Some(id) = self.sockets[socket].queue.pop_front() else { return };
        let it = &mut self.connections[id];
        it.holder = Some(ready[it.random.usize(0..ready.len())]);
        it.accepted = Some(self.now);
        if it.is_waiting() {
            self.read_soon(id);
        } else if it.life.left.is_some() {
            self.close_soon(id);
        }
    }

    fn ask(&mut self, id: usize) {
        let it = &mut self.connections[id];
        let bytes = it.plan.request;
        if it.life.ended.is_some() {
            self.too_late(id, bytes);
            return;
        }
        if it.life.left.is_some() {
            return;
        }
        it.receive(bytes, self.now);
        let (asked, patience) = (it.life.asked, it.plan.patience);
        if it.holder.is_some() {
            self.read_soon(id);
        }
        if let Some(patience) = patience {
            self.at(self.now + patience, move |host| host.give_up(id, asked));
        }
    }

    fn read_soon(&mut self, id: usize) {
        let it = &self.connections[id];
        let after = match it.plan.last {
            Last::Unread(after) if it.life.asked == it.plan.requests => after,
            _ => it.plan.read_after,
        };
        self.at(self.now + after, move |host| host.read(id));
    }

    fn read(&mut self, id: usize) {
        let it = &mut self.connections[id];
        if it.life.ended.is_some() {
            return;
        }
        it.read();
        let (takes, last) = (it.plan.takes, it.plan.last);
        let after = match last {
            _ if it.life.asked < it.plan.requests => takes,
            Last::Slow(takes) => takes,
            Last::Never => return,
            Last::Dropped => {
                self.at(self.now + takes, move |host| host.close_by_holder(id));
                return;
            }
            _ => takes,
        };
        self.at(self.now + after, move |host| host.answer(id));
    }

    fn answer(&mut self, id: usize) {
        let now = self.now;
        let it = &mut self.connections[id];
        if it.life.ended.is_some() {
            return;
        }
        let bytes = it.plan.response;
        match it.plan.last {
            Last::Halves(pause, corked) if it.life.asked == it.plan.requests => {
                it.write(bytes / 2, 0, corked, now);
                it.life.begun = true;
                self.at(now + pause, move |host| host.write_rest(id, bytes / 2));
            }
            Last::Blocked(time) if it.life.asked == it.plan.requests && it.life.left.is_none() => {
                it.write(SEND_BUFFER, SEND_BUFFER, false, now);
                it.life.begun = true;
                self.at(now + time, move |host| host.write_rest(id, 500));
            }
            _ => self.write_rest(id, bytes),
        }
    }

    /// The last bytes of a response are written.
    fn write_rest(&mut self, id: usize, bytes: u32) {
        let now = self.now;
        let it = &mut self.connections[id];
        if it.life.ended.is_some() {
            return;
        }
        it.write(bytes, 0, false, now);
        it.life.begun = false;
        it.life.answered = it.life.asked;
        let (plan, asked, left) = (it.plan.clone(), it.life.asked, it.life.left.is_some());
        let Some(holder) = it.holder else { return };
        self.served(id, holder);
        if left {
            // Nobody is there to take it.
            self.at(now + plan.round_trip, move |host| host.reset(id));
        }
        if plan.closes || self.processes.leaves(holder) {
            self.close(id, holder, Close::ByProcess);
            if asked < plan.requests {
                self.at(now + plan.think, move |host| host.ask(id));
            }
        } else if left {
            self.close_soon(id);
        } else if asked < plan.requests {
            self.at(now + plan.think, move |host| host.ask(id));
        } else if !plan.stays {
            self.at(now + plan.think, move |host| host.leave(id));
        }
        if let Some(timeout) = plan.idle_timeout {
            self.at(now + timeout, move |host| host.close_idle(id, asked));
        }
    }

    fn close_soon(&mut self, id: usize) {
        let after = self.connections[id].plan.read_after;
        self.at(self.now + after, move |host| host.close_by_holder(id));
    }

    fn close_by_holder(&mut self, id: usize) {
        if let Some(holder) = self.connections[id].holder {
            self.close(id, holder, Close::ByProcess);
        }
    }

    fn close_idle(&mut self, id: usize, asked: u32) {
        let it = &self.connections[id];
        if it.life.asked == asked && !it.is_waiting() && it.life.left.is_none() {
            self.close_by_holder(id);
        }
    }

    /// A process closes what nobody waits for.
    pub(super) fn close_idle_of(&mut self, pid: u32) {
        let idle = |it: &Connection| it.holder == Some(pid) && it.life.ended.is_none() && !it.is_waiting();
        let idle: Vec<usize> =
            (0..self.connections.len()).filter(|id| idle(&self.connections[*id])).collect();
        for id in idle {
            self.close(id, pid, Close::ByProcess);
        }
    }

    fn give_up(&mut self, id: usize, asked: u32) {
        let it = &self.connections[id];
        if it.is_waiting() && it.life.asked == asked && !it.life.begun {
            self.leave(id);
        }
    }

    fn leave(&mut self, id: usize) {
        let it = &mut self.connections[id];
        if it.life.ended.is_some() || it.life.left.is_some() {
            return;
        }
        if it.plan.leaves_by_reset {
            self.reset(id);
            return;
        }
        it.finish(self.now);
        if it.holder.is_some() && !it.is_waiting() {
            self.close_soon(id);
        }
    }

    /// A process has answered somebody: the first of a new generation to do so completes a restart.
    fn served(&mut self, id: usize, by: u32) {
        let service = self.connections[id].service;
        let (now, processes) = (self.now, &self.processes);
        let restarts =
            self.restarts.iter_mut().filter(|it| it.service == service && it.new.contains_key(&by));
        for restart in restarts {
            let again = restart.old.contains(&by) && processes.gone_since(by, restart.began).is_none();
            if restart.first_served.is_none() && !again {
                restart.first_served = Some(now);
            }
        }
    }
}

/// When clients come, around what happens to their service at a time.
pub(super) fn arrival(random: &mut Rng, at: BootNs) -> BootNs {
    let near = random.u32(0..100) < 70;
    if near { at + random.u64(0..3_000) * MS } else { at - 4 * SECOND + random.u64(0..18_000) * MS }
}
