//! Turns the bytes of one record into an [`Event`]. The bytes are not trusted: lengths are checked, numbers
//! become types by looking them up, and arithmetic wraps or saturates.

mod plain;
mod transfer;
pub(crate) mod unix;

#[cfg(test)]
mod tests;

use drain_observer_ebpf::record;

use crate::event::{
    Comm, Connection, Endpoint, Event, Executed, Exited, Flushed, Forked, Kind, Lingered, Listener,
    ListenerKey, OomVictim, Reset, ResetKind, SignalAction, SignalDelivered, SignalGenerated, SignalResult,
    Standing, Task, TcpState, UpstreamFailed,
};
use plain::{header, read};
use transfer::Transfer;

/// Decodes one record of the ring buffer.
pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    let header = header(bytes)?;
    let event = match header.kind {
        record::CONNECTION => Kind::Connection(connection(&read(bytes)?)),
        record::FLUSHED => Kind::Flushed(flushed(&read(bytes)?)),
        record::LINGERED => Kind::Lingered(lingered(&read(bytes)?)),
        record::LISTENER_OPENED => Kind::ListenerOpened(listener(&read(bytes)?)),
        record::LISTENER_CLOSED => Kind::ListenerClosed(listener(&read(bytes)?)),
        record::RESET => Kind::Reset(reset(&read(bytes)?)?),
        record::SIGNAL_GENERATED => Kind::Signal(signal(&read(bytes)?)?),
        record::SIGNAL_DELIVERED => Kind::SignalDelivered(delivered(&read(bytes)?)?),
        record::FORKED => Kind::Forked(forked(&read(bytes)?)),
        record::EXECUTED => Kind::Executed(executed(&read(bytes)?)),
        record::EXITED => Kind::Exited(exited(&read(bytes)?)),
        record::UNIX_LISTENER => Kind::UnixListener(unix::listener(&read(bytes)?)?),
        record::UNIX_ENDED => Kind::UnixEnded(unix::ended(&read(bytes)?)?),
        record::UNIX_HOLDER_DIED => Kind::UnixHolderDied(unix::holder_died(&read(bytes)?)),
        record::UNIX_REFUSED => Kind::UnixRefused(unix::refused(&read(bytes)?)?),
        record::UPSTREAM => Kind::UpstreamFailed(upstream(&read(bytes)?)),
        record::OOM_VICTIM => {
            let victim: record::OomVictim = read(bytes)?;
            Kind::OomVictim(OomVictim { pid: victim.tgid })
        }
        kind => return Err(DecodeError::UnknownKind(kind)),
    };
    Ok(Event { at: header.boot_ns, event })
}

/// Why a record could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter or longer than its kind's layout.
    #[error("record of kind {kind} has {found} bytes instead of {expected}: probes and observer differ")]
    Length {
        /// [`record::Header::kind`], 0 where not even that was there.
        kind: u16,
        /// Bytes there are, or that the record claims to have.
        found: usize,
        /// Bytes of the layout.
        expected: usize,
    },
    /// No record has this kind.
    #[error("record of unknown kind {0}: probes and observer differ")]
    UnknownKind(u16),
    /// A number that stands for nothing.
    #[error("record with {field} = {value}, which stands for nothing: probes and observer differ")]
    UnknownValue {
        /// The record's field.
        field: &'static str,
        /// What it held.
        value: u32,
    },
}

fn connection(raw: &record::Connection) -> Connection {
    let transfer = Transfer::of(raw);
    Connection {
        sk: raw.sk,
        cookie: raw.cookie,
        local: local(&raw.tuple),
        peer: peer(&raw.tuple),
        netns: raw.tuple.netns,
        established_at: time(raw.established_ns),
        accepted_at: time(raw.accepted_ns),
        closed_at: raw.closed_ns,
        peer_fin_at: time(raw.peer_fin_ns),
        by: task(&raw.task),
        from: TcpState::from_kernel(raw.old_state.into()),
        to: TcpState::from_kernel(raw.new_state.into()),
        errno: raw.err,
        bytes_received: transfer.bytes_received,
        bytes_acked: raw.bytes_acked,
        unacked: transfer.unacked,
        unread: transfer.unread,
        written_after_fin: transfer.written_after_fin,
        ack_pending: transfer.ack_pending,
        unsent: transfer.unsent,
        jiffies: raw.jiffies,
        last_sent: raw.lsndtime,
        last_received: raw.lrcvtime,
        pingpong: raw.pingpong,
        segments_in: raw.data_segs_in,
        segments_out: raw.data_segs_out,
        queue_at_arrival: raw.queue_at_arrival,
        flags: raw.flags,
        standing: standing(&raw.standing),
        // Held back, it is of later than the rest.
        last_acked: (raw.flags & record::HELD == 0).then_some(raw.rcv_tstamp),
    }
}

fn standing(raw: &record::Standing) -> Standing {
    Standing {
        pending: raw.pending,
        packet_ms: (raw.packet_ms != u32::MAX).then_some(raw.packet_ms),
        data_ticks: raw.data_ticks,
        received_ticks: raw.received_ticks,
        last_segment: raw.last_segment,
        pingpong: raw.pingpong,
    }
}

fn lingered(raw: &record::Lingered) -> Lingered {
    Lingered {
        sk: raw.sk,
        closed_at: raw.closed_ns,
        local: local(&raw.tuple),
        peer: peer(&raw.tuple),
        netns: raw.tuple.netns,
        by: task(&raw.task),
        received: raw.received,
        quiet: raw.quiet,
        unacked: raw.unacked,
    }
}

fn upstream(raw: &record::Upstream) -> UpstreamFailed {
    UpstreamFailed {
        by: task(&raw.task),
        netns: raw.tuple.netns,
        local: local(&raw.tuple),
        peer: peer(&raw.tuple),
        errno: raw.err,
    }
}

fn flushed(raw: &record::Flushed) -> Flushed {
    Flushed {
        sk: raw.sk,
        closed_at: raw.closed_ns,
        local: local(&raw.tuple),
        peer: peer(&raw.tuple),
        netns: raw.tuple.netns,
        unacked: raw.unacked,
        errno: raw.err,
    }
}

fn listener(raw: &record::Listener) -> Listener {
    Listener {
        sk: raw.sk,
        cookie: raw.cookie,
        key: ListenerKey { netns: raw.tuple.netns, local: local(&raw.tuple).into() },
        by: task(&raw.task),
        queue: raw.queue,
        limit: raw.limit,
        drops: raw.drops,
    }
}

fn reset(raw: &record::Reset) -> Result<Reset, DecodeError> {
    let reason = match raw.what {
        record::RESET_REFUSED => ResetKind::Refused,
        record::RESET_LATE_DATA => ResetKind::LateData,
        record::RESET_UNKNOWN_TO_LISTENER => ResetKind::UnknownToListener,
        record::RESET_NO_SOCKET => ResetKind::NoSocket,
        value => return Err(DecodeError::UnknownValue { field: "reset.what", value }),
    };
    Ok(Reset {
        reason,
        local: local(&raw.tuple),
        peer: peer(&raw.tuple),
        netns: raw.tuple.netns,
        state: (raw.sk_state != 0).then(|| TcpState::from_kernel(raw.sk_state)),
        payload: raw.payload,
    })
}

fn signal(raw: &record::SignalGenerated) -> Result<SignalGenerated, DecodeError> {
    let result = match raw.result {
        0 => SignalResult::Queued,
        1 => SignalResult::Ignored,
        2 => SignalResult::AlreadyPending,
        // The second: queued, but without its siginfo.
        3 | 4 => SignalResult::Overflow,
        value => return Err(DecodeError::UnknownValue { field: "signal.result", value }),
    };
    Ok(SignalGenerated {
        signal: raw.signal,
        sender: (raw.from_kernel == 0).then(|| task(&raw.sender)),
        target: task(&raw.target),
        result,
        group: raw.group != 0,
    })
}

fn delivered(raw: &record::SignalDelivered) -> Result<SignalDelivered, DecodeError> {
    let action = match raw.action {
        0 => SignalAction::Default,
        1 => SignalAction::Ignored,
        2 => SignalAction::Handler,
        value => return Err(DecodeError::UnknownValue { field: "signal.action", value }),
    };
    Ok(SignalDelivered { signal: raw.signal, task: task(&raw.task), action })
}

fn forked(raw: &record::Forked) -> Forked {
    Forked { parent: task(&raw.parent), child: task(&raw.child), start: raw.start_ns }
}

fn executed(raw: &record::Executed) -> Executed {
    let end = raw.filename.iter().position(|&byte| byte == 0).unwrap_or(raw.filename.len());
    let file = String::from_utf8_lossy(raw.filename.get(..end).unwrap_or_default()).into_owned();
    Executed { task: task(&raw.task), start: raw.start_ns, file }
}

fn exited(raw: &record::Exited) -> Exited {
    // wait(2): status in the second byte; below it the signal, and in its top bit whether a core was dumped.
    let [low, status, ..] = raw.code.to_le_bytes();
    Exited { task: task(&raw.task), start: raw.start_ns, status, signal: low & 0x7f }
}

fn task(raw: &record::Task) -> Task {
    Task { pid: raw.tgid, comm: Comm::new(&raw.comm) }
}

fn local(tuple: &record::Tuple) -> Endpoint {
    Endpoint::from_kernel(tuple.local, tuple.local_port)
}

fn peer(tuple: &record::Tuple) -> Endpoint {
    Endpoint::from_kernel(tuple.peer, tuple.peer_port)
}

fn time(boot_ns: u64) -> Option<u64> {
    (boot_ns != 0).then_some(boot_ns)
}
