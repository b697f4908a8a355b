//! A TCP connection: what the server's kernel knows of it, and what its client goes through.

use super::client::Plan;
use super::{Host, MS, NETNS, SOFTIRQ, jiffies};
use crate::truth;
use drain_observer::correlate::Outcome;
use drain_observer::event::{
    self, BootNs, Endpoint, Flushed, Kind, Reset, ResetKind, Standing, TcpState, flag,
};
use fastrand::Rng;

/// A delayed acknowledgement goes out after this.
const DELAYED_ACK: BootNs = 40 * MS;
/// Payload of a full segment, bytes.
const SEGMENT: u32 = 1_448;
/// What fits into the send buffer of a client that takes nothing, bytes.
pub(super) const SEND_BUFFER: u32 = 150_000;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) plan: Plan,
    pub(super) random: Rng,
    pub(super) service: usize,
    pub(super) socket: usize,
    pub(super) local: Endpoint,
    pub(super) peer: Endpoint,
    /// Who accepted it.
    pub(super) holder: Option<u32>,
    /// When.
    pub(super) accepted: Option<BootNs>,
    /// What the client did and got.
    pub(super) life: Life,
    tcp: Tcp,
}

/// What a client did and got.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) asked: u32,
    /// Requests that a process has read.
    pub(super) read: u32,
    /// Requests of which the whole response was written.
    pub(super) answered: u32,
    /// Of the present response there is a part.
    pub(super) begun: bool,
    /// The response waits for the client to take more.
    pub(super) blocked: bool,
    /// When the client closed its side.
    pub(super) left: Option<BootNs>,
    /// It waited for an answer then.
    pub(super) left_waiting: bool,
    /// When the connection ended at the server, and by whom.
    pub(super) ended: Option<(BootNs, Option<u32>)>,
    /// The server's kernel reset it.
    reset: bool,
    /// When the client comes to know.
    knows: BootNs,
    outcomes: Vec<Outcome>,
}

/// What `tcp_sock` knows.
#[derive(Debug, Default)]
struct Tcp {
    established: BootNs,
    depth: u32,
    received: u64,
    unread: u32,
    acked: u64,
    unacked: u32,
    /// When the last bytes were sent that may not be acknowledged yet.
    sent_at: BootNs,
    last_sent: u32,
    last_received: u32,
    received_at: BootNs,
    pingpong: u8,
    ack_pending: bool,
    pending: u32,
    packet_at: BootNs,
    last_segment: u32,
    segments_in: u32,
    segments_out: u32,
    corked: bool,
    fin: Option<(BootNs, Standing)>,
    after_fin: u32,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// A process closed it.
    ByProcess,
    /// Its listener was closed before anybody accepted it.
    Queued,
    /// The client reset it.
    ByClient,
}

impl Connection {
    pub(super) fn new(
        plan: Plan,
        random: Rng,
        (service, socket): (usize, usize),
        (local, peer): (Endpoint, Endpoint),
        (at, depth): (BootNs, u32),
    ) -> Self {
        let tcp = Tcp {
            established: at,
            depth,
            last_sent: jiffies(at),
            last_received: jiffies(at),
            packet_at: at,
            ..Tcp::default()
        };
        Self {
            plan,
            random,
            service,
            socket,
            local,
            peer,
            holder: None,
            accepted: None,
            life: Life::default(),
            tcp,
        }
    }

    /// What became of the client, if anything did.
    pub(super) fn truth(&self) -> Option<truth::Client> {
        let (ended, closer) = self.life.ended?;
        Some(truth::Client {
            peer: self.peer,
            local: self.local,
            service: self.service,
            outcomes: self.life.outcomes.clone(),
            established: Some(self.tcp.established),
            accepted: self.accepted,
            ended,
            closer,
            left: self.life.left,
        })
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.life.asked > self.life.answered
    }

    /// Time from one end to the other and back.
    pub(super) fn round_trip(&self) -> BootNs {
        self.plan.round_trip
    }

    /// A request comes in.
    pub(super) fn receive(&mut self, bytes: u32, at: BootNs) {
        self.settle(at);
        let tcp = &mut self.tcp;
        tcp.received += u64::from(bytes);
        tcp.unread += bytes;
        (tcp.received_at, tcp.last_received, tcp.last_segment) = (at, jiffies(at), bytes);
        tcp.segments_in += 1;
        if tcp.pingpong == 0 {
            (tcp.pending, tcp.ack_pending, tcp.packet_at) = (0, false, at);
        } else {
            tcp.pending += bytes;
            tcp.ack_pending = true;
        }
        self.life.asked += 1;
    }

    /// A process reads all that there is.
    pub(super) fn read(&mut self) {
        self.tcp.unread = 0;
        self.life.read = self.life.asked;
    }

    /// A process writes; `stays` = this much of it does not leave the send buffer.
    pub(super) fn write(&mut self, bytes: u32, stays: u32, corked: bool, at: BootNs) {
        self.settle(at);
        let tcp = &mut self.tcp;
        if at - tcp.received_at < DELAYED_ACK {
            tcp.pingpong = 1;
        }
        (tcp.pending, tcp.ack_pending, tcp.packet_at) = (0, false, at);
        (tcp.last_sent, tcp.sent_at, tcp.corked) = (jiffies(at), at, corked);
        tcp.unacked += bytes.max(stays);
        tcp.segments_out += bytes.div_ceil(SEGMENT);
        if tcp.fin.is_some() {
            tcp.after_fin += bytes;
        }
        self.life.blocked = stays > 0;
    }

    /// The client closes its side.
    pub(super) fn finish(&mut self, at: BootNs) {
        self.settle(at);
        self.tcp.last_segment = 0;
        let standing = self.standing(at);
        self.tcp.fin = Some((at, standing));
        self.life.left = Some(at);
        self.life.left_waiting = self.is_waiting();
    }

    /// Acknowledgements that have come and gone by now.
    fn settle(&mut self, at: BootNs) {
        let round_trip = self.round_trip();
        let tcp = &mut self.tcp;
        let due = tcp.received_at + DELAYED_ACK;
        if tcp.ack_pending && at >= due {
            (tcp.pending, tcp.ack_pending, tcp.pingpong, tcp.packet_at) = (0, false, 0, due);
        }
        let gone = self.life.left.is_some_and(|left| left <= tcp.sent_at);
        if tcp.unacked > 0 && !self.life.blocked && !gone && at >= tcp.sent_at + round_trip {
            tcp.acked += u64::from(tcp.unacked);
            tcp.unacked = 0;
        }
    }

    fn standing(&self, at: BootNs) -> Standing {
        let tcp = &self.tcp;
        Standing {
            pending: tcp.pending,
            packet_ms: Some(((at - tcp.packet_at) / MS) as u32),
            data_ticks: jiffies(at).wrapping_sub(tcp.last_sent),
            received_ticks: jiffies(at).wrapping_sub(tcp.last_received),
            last_segment: tcp.last_segment,
            pingpong: tcp.pingpong.into(),
        }
    }

    fn record(&self, by: event::Task, how: Close, at: BootNs) -> event::Connection {
        let tcp = &self.tcp;
        let from = if tcp.fin.is_some() { TcpState::CloseWait } else { TcpState::Established };
        let (to, errno) = match how {
            Close::ByClient => (TcpState::Close, if tcp.fin.is_some() { 32 } else { 104 }),
            Close::Queued => (TcpState::Close, 0),
            Close::ByProcess if tcp.unread > 0 => (TcpState::Close, 0),
            Close::ByProcess if tcp.fin.is_some() => (TcpState::LastAck, 0),
            Close::ByProcess => (TcpState::FinWait1, 0),
        };
        let mut flags = 0;
        let mut set = |bit: u32, on: bool| flags |= if on { bit } else { 0 };
        set(flag::HAS_SOCKET, self.holder.is_some());
        set(flag::NOSPACE, self.life.blocked);
        set(flag::CORKED, tcp.corked);
        set(flag::FLUSHING, to != TcpState::Close && tcp.unacked > 0);
        event::Connection {
            sk: self.sk(),
            cookie: 0,
            local: self.local,
            peer: self.peer,
            netns: NETNS,
            established_at: Some(tcp.established),
            accepted_at: None,
            closed_at: at,
            peer_fin_at: tcp.fin.map(|(at, _)| at),
            by,
            from,
            to,
            errno,
            bytes_received: tcp.received,
            bytes_acked: tcp.acked,
            unacked: tcp.unacked,
            unsent: 0,
            unread: tcp.unread,
            written_after_fin: tcp.after_fin,
            ack_pending: tcp.ack_pending,
            jiffies: jiffies(at),
            last_sent: tcp.last_sent,
            last_received: tcp.last_received,
            pingpong: tcp.pingpong,
            segments_in: tcp.segments_in,
            segments_out: tcp.segments_out,
            queue_at_arrival: tcp.depth,
            flags,
            standing: tcp.fin.map_or_else(|| self.standing(at), |(_, standing)| standing),
            last_acked: None,
        }
    }

    fn sk(&self) -> u64 {
        0xffff_8880_0000_0000 | u64::from(self.peer.port) << 8
    }

    /// What the client got out of it, with what else it may look like to a kernel that does not read what is sent.
    /// `leaving`: whoever closed it was to go, or gone.
    fn experience(&self, how: Close, leaving: bool) -> Vec<Outcome> {
        use Outcome::*;
        let Life { asked, read, answered, begun, blocked, left, left_waiting, .. } = self.life;
        let waiting = asked > answered;
        match how {
            Close::Queued if left.is_some() => vec![if left_waiting { GaveUp } else { ClientGone }],
            Close::Queued => vec![QueueReset],
            Close::ByClient if left_waiting => vec![GaveUp],
            Close::ByClient => vec![if waiting { GaveUp } else { ClientGone }],
            Close::ByProcess if left_waiting => vec![GaveUp],
            Close::ByProcess if left.is_some() && asked == 0 => vec![ClientGone],
            Close::ByProcess if waiting && blocked => vec![Truncated],
            // Who pauses between two writes looks like who is done.
            Close::ByProcess if waiting && begun => vec![Truncated, Served, Unknown],
            Close::ByProcess if waiting && read < asked => vec![UnreadReset],
            Close::ByProcess if waiting => vec![Unanswered],
            Close::ByProcess if asked == 0 => vec![IdleClosed],
            // Several segments may be a TLS handshake, a request and no answer; or the first part of a response.
            Close::ByProcess if leaving && self.tcp.segments_out > 1 => vec![Served, Unknown],
            Close::ByProcess => vec![Served],
        }
    }

    /// Whether the kernel counts it instead of telling of it.
    fn is_clean(&self, record: &event::Connection) -> bool {
        let answered = record.last_sent.wrapping_sub(record.last_received).cast_signed() > 0;
        let silence = record.jiffies.wrapping_sub(record.last_sent);
        let later = record.last_sent.wrapping_sub(record.last_received);
        let perhaps_tickets = later <= 4 && silence > 1 && (2..=4).contains(&record.segments_in);
        let orderly = record.errno == 0 && record.to != TcpState::Close && record.unacked == 0;
        let idle = record.bytes_received == 0 && record.bytes_written() == 0;
        let served = record.unread == 0 && record.bytes_received > 0 && answered && !perhaps_tickets;
        orderly && record.flags == flag::HAS_SOCKET && (idle || served && record.bytes_written() > 0)
    }
}

impl Host {
    /// A connection ends, in the context of a process or (if the client reset it) of any.
    pub(super) fn close(&mut self, id: usize, by: u32, how: Close) {
        if self.connections[id].life.ended.is_some() {
            return;
        }
        self.now += 1_000;
        let told = self.restarts.iter().any(|restart| restart.old.contains(&by));
        let (at, leaving) = (self.now, told || self.processes.leaves(by));
        let by_task = self.processes.task(by);
        let it = &mut self.connections[id];
        it.settle(at);
        // The probe's event comes next, and this is its time.
        let at = at + 2_000 + (self.told.len() as u64 % 5) * 700;
        let record = it.record(by_task, how, at);
        let clean = it.is_clean(&record);
        it.life.outcomes = it.experience(how, leaving);
        it.life.ended = Some((at, (how != Close::ByClient).then_some(by)));
        it.life.reset = record.to == TcpState::Close;
        it.life.knows = at + it.round_trip() / 2 + it.plan.slow_to_notice;
        let flushing = record.has(flag::FLUSHING);
        let round_trip = it.round_trip();
        let socket = it.socket;
        self.sockets[socket].queue.retain(|queued| *queued != id);
        self.tell_if_unclean(Kind::Connection(record), clean);
        if flushing {
            self.at(at + round_trip, move |host| host.flush(id));
        }
    }

    /// The fate of the last bytes of a closed connection.
    fn flush(&mut self, id: usize) {
        let it = &mut self.connections[id];
        let refused = it.life.left.is_some_and(|left| left <= it.tcp.sent_at) || it.plan.refuses_response;
        let (unacked, errno) = if refused { (it.tcp.unacked, 104) } else { (0, 0) };
        if refused && it.life.left.is_none() {
            // It may have been the end of a response that was cut off before.
            let served = it.life.outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Served);
            served.for_each(|outcome| *outcome = Outcome::ClientGone);
        }
        let closed_at = it.life.ended.map_or(0, |(at, _)| at);
        let (sk, local, peer, netns) = (it.sk(), it.local, it.peer, NETNS);
        self.tell(Kind::Flushed(Flushed { sk, closed_at, local, peer, netns, unacked, errno }));
    }

    /// A client sends a request on a connection that the server has ended, and does not know it yet.
    pub(super) fn too_late(&mut self, id: usize, payload: u32) {
        let it = &mut self.connections[id];
        if self.now >= it.life.knows || it.life.left.is_some() {
            return;
        }
        let listens = !self.sockets[it.socket].holders.is_empty();
        let reason = match (it.life.reset, listens) {
            (false, _) => ResetKind::LateData,
            (true, true) => ResetKind::UnknownToListener,
            (true, false) => ResetKind::NoSocket,
        };
        if !it.life.outcomes.first().is_some_and(|outcome| outcome.is_lost()) {
            it.life.outcomes = vec![Outcome::LateRequest];
        }
        let (local, peer) = (it.local, it.peer);
        self.tell(Kind::Reset(Reset { reason, local, peer, netns: NETNS, state: None, payload }));
    }

    /// The client resets a connection.
    pub(super) fn reset(&mut self, id: usize) {
        let it = &mut self.connections[id];
        if it.life.ended.is_none() && it.life.left.is_none() {
            it.life.left_waiting = it.is_waiting();
        }
        // Packets come in whoever runs.
        let by = if id.is_multiple_of(2) { SOFTIRQ } else { self.services[it.service].master };
        self.close(id, by, Close::ByClient);
    }

    /// All connections that a process has are closed.
    pub(super) fn close_connections_of(&mut self, pid: u32) {
        let open = |it: &&Connection| it.holder == Some(pid) && it.life.ended.is_none();
        let all: Vec<usize> =
            (0..self.connections.len()).filter(|id| open(&&self.connections[*id])).collect();
        for id in all {
            self.close(id, pid, Close::ByProcess);
        }
    }
}
