//! What `tcp_sock` says of a connection in each situation that a restart meets it in.

use super::words::{NETNS, Words, Wrong, ZERO, nanoseconds, time};
use crate::event::{BootNs, Connection, Endpoint, Standing, Task, TcpState, flag};

/// Ticks a second.
const TICK: BootNs = 4_000_000;
/// What jiffies say at the scenario's zero: so that they wrap within most scenarios.
const JIFFIES: u32 = 0xffff_ff00;

/// Reads `SITUATION [NAME=VALUE ..] [by PID]` (the `by` is the caller's) as the connection that ends at `at`.
pub(super) fn connection(
    words: &mut Words<'_>,
    at: BootNs,
    local: Endpoint,
    peer: Endpoint,
    by: Task,
) -> Result<Connection, Wrong> {
    let situation = words.next("a situation")?;
    let mut ended = one_request_answered(at, local, peer, by);
    apply(&mut ended, situation)?;
    ended.standing.pingpong = ended.pingpong.into();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        words.optional();
        set(&mut ended, name, value)?;
    }
    ended.standing.data_ticks = ended.jiffies.wrapping_sub(ended.last_sent);
    ended.standing.received_ticks = ended.jiffies.wrapping_sub(ended.last_received);
    Ok(ended)
}

/// Jiffies at a time.
pub(super) fn jiffies(at: BootNs) -> u32 {
    let ticks = at.saturating_sub(ZERO) / TICK;
    JIFFIES.wrapping_add(ticks as u32)
}

/// Closed by its server after one request and its response.
pub(super) fn one_request_answered(at: BootNs, local: Endpoint, peer: Endpoint, by: Task) -> Connection {
    Connection {
        sk: 0xffff_8880_0000_0000 | u64::from(peer.port) << 8,
        cookie: 0,
        local,
        peer,
        netns: NETNS,
        established_at: Some(at.saturating_sub(500_000_000)),
        accepted_at: None,
        closed_at: at,
        peer_fin_at: None,
        by,
        from: TcpState::Established,
        to: TcpState::FinWait1,
        errno: 0,
        bytes_received: 80,
        bytes_acked: 120,
        unacked: 0,
        unsent: 0,
        unread: 0,
        written_after_fin: 0,
        ack_pending: false,
        jiffies: jiffies(at),
        last_sent: jiffies(at).wrapping_sub(10),
        last_received: jiffies(at).wrapping_sub(20),
        pingpong: 1,
        segments_in: 1,
        segments_out: 1,
        queue_at_arrival: 0,
        flags: flag::HAS_SOCKET,
        standing: Standing::default(),
        last_acked: None,
    }
}

fn apply(ended: &mut Connection, situation: &str) -> Result<(), Wrong> {
    // First the progress of the exchange, then how it ended.
    let (exchange, end) = match situation.split_once('/') {
        Some((exchange, end)) => (exchange, Some(end)),
        None => (situation, None),
    };
    match exchange {
        "served" => {}
        // A handshake, tickets, a request and its response.
        "tls" => {
            (ended.bytes_received, ended.bytes_acked) = (390, 1_475);
            (ended.segments_in, ended.segments_out) = (3, 4);
        }
        "idle" => nothing_sent(ended, 0),
        "speaks-first" => ended.bytes_received = 0,
        "unanswered" => nothing_sent(ended, 80),
        "unread" => {
            nothing_sent(ended, 80);
            ended.unread = 80;
            ended.to = TcpState::Close;
        }
        "later-unanswered" => second_request(ended),
        "later-unread" => {
            second_request(ended);
            ended.unread = 80;
            ended.to = TcpState::Close;
        }
        // The second request and the first response within one tick of the clock.
        "tie-unacknowledged" => {
            tie(ended);
            ended.ack_pending = true;
        }
        "tie-acknowledged" => {
            tie(ended);
            ended.pingpong = 0;
        }
        "tie-answered" => tie(ended),
        "flushing" => {
            ended.bytes_acked = 70;
            ended.unacked = 50;
            ended.flags |= flag::FLUSHING;
        }
        // Written at the last moment: nothing of it had been sent.
        "later-unsent" => {
            second_request(ended);
            ended.unacked = 50;
            ended.unsent = 50;
            ended.flags |= flag::FLUSHING;
        }
        "blocked" => {
            ended.unacked = 50_000;
            ended.segments_out = 400;
            ended.flags |= flag::FLUSHING | flag::NOSPACE;
        }
        "corked" => ended.flags |= flag::CORKED,
        // Still writing when it ended: wrote for longer than it has been silent.
        "writing" => {
            ended.last_received = ended.jiffies.wrapping_sub(200);
            ended.segments_out = 40;
        }
        "answered-late" => {
            ended.written_after_fin = 120;
            client_first(ended);
        }
        // Never accepted: no `struct socket`.
        "queued" | "queued-idle" => {
            nothing_sent(ended, if exchange == "queued" { 80 } else { 0 });
            ended.unread = u32::from(exchange == "queued") * 80;
            ended.last_sent = ended.last_received.wrapping_sub(30);
            ended.to = TcpState::Close;
            ended.flags = 0;
        }
        "mptcp" => {
            ended.flags = flag::MPTCP;
            ended.to = TcpState::Close;
        }
        "twin" => {
            ended.from = TcpState::SynRecv;
            ended.to = TcpState::Close;
            ended.established_at = None;
            ended.bytes_received = 0;
            ended.flags = 0;
        }
        // Opened by the server, to another one.
        "outgoing-flushing" => {
            ended.unacked = 5_000;
            ended.flags |= flag::ACTIVE | flag::FLUSHING;
        }
        "outgoing" => {
            ended.unacked = 5_000;
            ended.flags |= flag::ACTIVE;
            ended.to = TcpState::Close;
        }
        _ => return Err(format!("`{exchange}` is no situation")),
    }
    match end {
        None => {}
        Some("client-first") => client_first(ended),
        Some("linger0") => {
            ended.to = TcpState::Close;
            ended.flags |= flag::LINGER;
            ended.flags &= !flag::FLUSHING;
        }
        Some("reset") => by_network(ended, 104),
        Some("reset-after-fin") => {
            ended.from = TcpState::CloseWait;
            by_network(ended, 32);
        }
        Some("timeout") => by_network(ended, 110),
        Some("unreachable") => by_network(ended, 113),
        Some("admin") => by_network(ended, 103),
        Some(end) => return Err(format!("`{end}` is no way to end")),
    }
    Ok(())
}

fn nothing_sent(ended: &mut Connection, received: u64) {
    ended.bytes_received = received;
    ended.bytes_acked = 0;
    ended.segments_in = u32::from(received > 0);
    ended.segments_out = 0;
    ended.pingpong = 0;
    ended.last_sent = ended.last_received.wrapping_sub(30);
}

fn second_request(ended: &mut Connection) {
    ended.bytes_received = 160;
    ended.segments_in = 2;
    ended.last_sent = ended.last_received.wrapping_sub(30);
}

fn tie(ended: &mut Connection) {
    ended.bytes_received = 160;
    ended.segments_in = 2;
    ended.last_sent = ended.last_received;
}

fn client_first(ended: &mut Connection) {
    ended.from = TcpState::CloseWait;
    ended.peer_fin_at = Some(ended.closed_at.saturating_sub(100_000_000));
    if ended.to == TcpState::FinWait1 {
        ended.to = TcpState::LastAck;
    }
}

fn by_network(ended: &mut Connection, errno: u32) {
    ended.errno = errno;
    ended.to = TcpState::Close;
    ended.flags &= !flag::FLUSHING;
}

fn set(ended: &mut Connection, name: &str, value: &str) -> Result<(), Wrong> {
    let wrong = || format!("a number expected for {name}, `{value}` found");
    match name {
        "established" if value == "unknown" => ended.established_at = None,
        "established" => ended.established_at = Some(time(value)?),
        "accepted" => ended.accepted_at = Some(time(value)?),
        // Its report came later than its end.
        "closed" => {
            let moved = jiffies(time(value)?).wrapping_sub(ended.jiffies);
            ended.closed_at = time(value)?;
            ended.flags |= flag::HELD;
            for ticks in [&mut ended.jiffies, &mut ended.last_sent, &mut ended.last_received] {
                *ticks = ticks.wrapping_add(moved);
            }
        }
        "sent" => ended.last_sent = jiffies(time(value)?),
        "received" => ended.last_received = jiffies(time(value)?),
        "silent" => ended.last_sent = jiffies(ended.closed_at.saturating_sub(nanoseconds(value)?)),
        "depth" => ended.queue_at_arrival = value.parse().map_err(|_| wrong())?,
        "bytes" => ended.bytes_received = value.parse().map_err(|_| wrong())?,
        "written" => ended.bytes_acked = value.parse().map_err(|_| wrong())?,
        "unacked" => ended.unacked = value.parse().map_err(|_| wrong())?,
        "unread" => ended.unread = value.parse().map_err(|_| wrong())?,
        "pingpong" => {
            ended.pingpong = value.parse().map_err(|_| wrong())?;
            ended.standing.pingpong = ended.pingpong.into();
        }
        // After the client had closed its side.
        "pingpong-at-end" => ended.pingpong = value.parse().map_err(|_| wrong())?,
        "pending" => ended.standing.pending = value.parse().map_err(|_| wrong())?,
        "packet" => ended.standing.packet_ms = Some(value.parse().map_err(|_| wrong())?),
        "acked" => ended.last_acked = Some(jiffies(time(value)?)),
        "times" if value == "unknown" => ended.flags |= flag::NO_TIMES,
        _ => return Err(format!("`{name}={value}` is nothing that a connection has")),
    }
    Ok(())
}
