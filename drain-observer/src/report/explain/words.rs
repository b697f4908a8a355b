//! Events in words: what the kernel said, without a judgement.

use super::relative;
use crate::event::{
    BootNs, Connection, Event, Flushed, Kind, Lingered, Listener, Reset, ResetKind, SignalAction,
    SignalResult, TcpState, flag, signal_name,
};
use crate::report::words::{exited, plural, process};

/// When it happened, which may be before it was told.
pub(super) fn happened(event: &Event) -> BootNs {
    match &event.event {
        Kind::Connection(connection) => connection.closed_at,
        Kind::UnixEnded(ended) => ended.ended_at(event.at),
        Kind::Forked(forked) => forked.start,
        _ => event.at,
    }
}

/// What happened; times in it are relative to `base`.
pub(super) fn event(event: &Event, base: BootNs) -> String {
    match &event.event {
        Kind::Connection(connection) => self::connection(connection, base),
        Kind::Flushed(flushed) => self::flushed(flushed),
        Kind::Lingered(lingered) => self::lingered(lingered),
        Kind::Reset(reset) => self::reset(reset),
        Kind::UpstreamFailed(one) => format!(
            "{} had opened {} > {}, which ended with {} and without an answer to what was sent last",
            process(&one.by),
            one.local,
            one.peer,
            errno(one.errno)
        ),
        Kind::UnixEnded(ended) => super::unix::ended(ended, event.at, base),
        Kind::UnixRefused(refused) => super::unix::refused(refused),
        Kind::ListenerOpened(one) => {
            format!("{} began to listen at {} (queue limit {})", process(&one.by), one.key.local, one.limit)
        }
        Kind::ListenerClosed(one) => listener_closed(one),
        Kind::ListenerSeen(seen) => format!(
            "found listening: {}, {} of at most {} in its queue, held by {}",
            seen.key.local,
            seen.queue,
            seen.limit,
            pids(&seen.holders)
        ),
        Kind::Signal(signal) => {
            let sender = signal.sender.as_ref().map_or_else(|| "the kernel".to_owned(), process);
            let result = match signal.result {
                SignalResult::Queued => "waits for its receiver",
                SignalResult::Ignored => "dropped at once: its receiver ignores it",
                SignalResult::AlreadyPending => "dropped: the same was waiting already",
                SignalResult::Overflow => "dropped: too many were waiting",
            };
            let name = signal_name(signal.signal);
            format!("{sender} sent {name} to {}; it {result}", process(&signal.target))
        }
        Kind::SignalDelivered(delivered) => {
            let does = match delivered.action {
                SignalAction::Default => "the default action follows",
                SignalAction::Ignored => "it is ignored",
                SignalAction::Handler => "its handler runs",
            };
            format!("{} reached {}: {does}", signal_name(delivered.signal), process(&delivered.task))
        }
        Kind::Forked(forked) => {
            format!("{} was forked by {}", process(&forked.child), process(&forked.parent))
        }
        Kind::Executed(executed) => {
            format!("{} replaced its program with {}", process(&executed.task), executed.file)
        }
        Kind::Exited(one) => format!("{} {}", process(&one.task), exited(one.status, one.signal)),
        Kind::OomVictim(victim) => format!("the kernel chose pid {} to be killed for its memory", victim.pid),
        Kind::Lost(lost) => {
            format!("{} {} lost ({}): some of this may be missing", lost.count, lost.what, lost.reason)
        }
        Kind::Attached(_) => "the probes are in place".to_owned(),
        Kind::UnixOpened(one) => super::unix::opened(one, base),
        Kind::UnixClosed(one) => super::unix::closed(one, base),
        Kind::UnixWatched(one) => super::unix::watched(one),
        Kind::UnixHolderDied(one) => {
            format!("{} died with {} unix connections of its own", process(&one.task), one.connections)
        }
        Kind::Ended => "the observation ended".to_owned(),
        // No explanation has the rest, which nothing rests on.
        Kind::UnixListener(_) => "a client came to a unix listener".to_owned(),
        Kind::ProcessSeen(seen) => format!("{} (pid {}) was looked at", seen.comm, seen.pid),
        Kind::Scanned(scanned) => format!("pid {} was asked what it holds", scanned.pid),
        Kind::Surveyed(_) => "open connections were looked at".to_owned(),
        Kind::Counts(_) => "connections were counted".to_owned(),
        Kind::ClockSet(_) => "the wall clock was set".to_owned(),
        Kind::Tick => "time passed".to_owned(),
    }
}

fn connection(one: &Connection, base: BootNs) -> String {
    let mut parts = vec![format!(
        "{} > {} went from {} to {}, in the context of {}",
        one.peer,
        one.local,
        state(one.from),
        state(one.to),
        process(&one.by)
    )];
    let mut part = |wanted: bool, text: String| {
        if wanted {
            parts.push(text);
        }
    };
    let at = |moment: BootNs| format!("{:+.6}s", relative(moment, base));
    part(one.established_at.is_some(), format!("established {}", at(one.established_at.unwrap_or(0))));
    part(!one.has(flag::HAS_SOCKET | flag::DEAD), "no process had accepted it".to_owned());
    part(one.queue_at_arrival > 0, format!("{} in the accept queue before it", one.queue_at_arrival));
    part(
        true,
        format!(
            "{} {} received in {} {}",
            one.bytes_received,
            plural(one.bytes_received, "byte", "bytes"),
            one.segments_in,
            plural(one.segments_in.into(), "segment", "segments")
        ),
    );
    part(one.unread > 0, format!("{} of them never read", one.unread));
    part(true, format!("{} written in {} segments", one.bytes_written(), one.segments_out));
    part(one.unacked > 0, format!("{} of them not acknowledged", one.unacked));
    part(one.unsent > 0, format!("{} of them never sent", one.unsent));
    part(one.peer_fin_at.is_some(), format!("the peer had closed {}", at(one.peer_fin_at.unwrap_or(0))));
    part(one.written_after_fin > 0, format!("{} written after that", one.written_after_fin));
    part(one.ack_pending, "nothing was sent since the last bytes came".to_owned());
    part(one.errno != 0, errno(one.errno));
    parts.join("; ")
}

fn flushed(one: &Flushed) -> String {
    let ends = format!("{} > {}", one.peer, one.local);
    match one.unacked {
        0 => format!("{ends}: the last bytes arrived"),
        bytes => format!("{ends}: the last {bytes} bytes never arrived; {}", errno(one.errno)),
    }
}

fn lingered(one: &Lingered) -> String {
    format!(
        "{} > {}: {} {} came after {} had shut down the sending side, and got no answer",
        one.peer,
        one.local,
        one.received,
        plural(one.received.into(), "byte", "bytes"),
        process(&one.by)
    )
}

fn reset(one: &Reset) -> String {
    let why = match one.reason {
        ResetKind::Refused => "nobody listens there".to_owned(),
        ResetKind::LateData => format!("{} bytes came after it was closed", one.payload),
        ResetKind::UnknownToListener => "the present listener does not know its connection".to_owned(),
        ResetKind::NoSocket => format!("{} bytes for a connection that no socket knows", one.payload),
    };
    format!("the kernel answered {} > {} with a reset: {why}", one.peer, one.local)
}

fn listener_closed(one: &Listener) -> String {
    let drops = if one.drops > 0 { format!(", {} packets dropped there", one.drops) } else { String::new() };
    format!(
        "{} let go of the listening socket at {}, the last to hold it; {} in its queue{drops}",
        process(&one.by),
        one.key.local,
        one.queue
    )
}

fn errno(errno: u32) -> String {
    match errno {
        0 => "no error".to_owned(),
        32 => "error 32 (EPIPE)".to_owned(),
        103 => "error 103 (ECONNABORTED)".to_owned(),
        104 => "error 104 (ECONNRESET)".to_owned(),
        110 => "error 110 (ETIMEDOUT)".to_owned(),
        other => format!("error {other}"),
    }
}

fn state(state: TcpState) -> &'static str {
    match state {
        TcpState::Established => "ESTABLISHED",
        TcpState::SynSent => "SYN_SENT",
        TcpState::SynRecv => "SYN_RECV",
        TcpState::FinWait1 => "FIN_WAIT1",
        TcpState::FinWait2 => "FIN_WAIT2",
        TcpState::TimeWait => "TIME_WAIT",
        TcpState::Close => "CLOSE",
        TcpState::CloseWait => "CLOSE_WAIT",
        TcpState::LastAck => "LAST_ACK",
        TcpState::Listen => "LISTEN",
        TcpState::Closing => "CLOSING",
        TcpState::NewSynRecv => "NEW_SYN_RECV",
        TcpState::Other => "a state that this version does not know",
    }
}

pub(super) fn pids(pids: &[u32]) -> String {
    const MAX: usize = 8;
    if pids.is_empty() {
        return "nobody known".to_owned();
    }
    let named: Vec<String> = pids.iter().take(MAX).map(u32::to_string).collect();
    let more = pids.len().saturating_sub(MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("pid {}{more}", named.join(", "))
}
