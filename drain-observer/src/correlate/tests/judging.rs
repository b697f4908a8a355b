//! `judge` against the order in which the kernel's numbers are to be read, written down once more, plainly.

use super::random::connection;
use crate::correlate::Outcome::{
    ClientGone, GaveUp, IdleClosed, KilledByAdmin, QueueReset, Served, TimedOut, Truncated, Unanswered,
    Unknown, UnreadReset,
};
use crate::correlate::{Outcome, judge, judge::Closer};
use crate::event::{Connection, TcpState, flag};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_connection_is_judged_in_the_kernels_order(
        connection in connection(),
        now in any::<u32>(),
        closer in proptest::sample::select(vec![Closer::Serving, Closer::Draining, Closer::Killed]),
    ) {
        let mut connection = connection;
        // Nothing unread was never received; jiffies wrap.
        connection.unread = connection.unread.min(u32::try_from(connection.bytes_received).unwrap_or(u32::MAX));
        connection.jiffies = now;
        connection.last_sent = now.wrapping_sub(connection.last_sent);
        connection.last_received = now.wrapping_sub(connection.last_received);
        let judged = judge(&connection, closer, 250);
        prop_assert_eq!(judged.outcome, table(&connection, closer), "{:?}", judged.evidence);
        prop_assert!(!judged.evidence.is_empty());
        prop_assert_eq!(judged.closed_by_process, connection.errno == 0);
        if judged.reused == Some(true) {
            prop_assert!(connection.bytes_acked + u64::from(connection.unacked) > 0);
        }
    }
}

fn table(it: &Connection, closer: Closer) -> Outcome {
    let accepted = it.has(flag::HAS_SOCKET);
    let client_first = it.from == TcpState::CloseWait;
    let by = |server: Outcome, client: Outcome| if client_first { client } else { server };
    let received = it.bytes_received > 0;
    let written = it.bytes_acked > 0 || it.unacked > 0;
    let reset = it.to == TcpState::Close;
    // The sending side was shut alone: what is unread can still be read.
    let unread = it.unread > 0 && (reset || !written);
    if !accepted && !it.has(flag::DEAD) && it.errno == 0 && reset {
        return match (it.has(flag::MPTCP), it.unread > 0) {
            (true, _) => Unknown,
            (false, true) => by(QueueReset, GaveUp),
            (false, false) => by(QueueReset, ClientGone),
        };
    }
    match it.errno {
        0 => {}
        103 => return KilledByAdmin,
        32 | 104 if it.written_after_fin > 0 => return GaveUp,
        32 | 104 if !received => return ClientGone,
        32 | 104 if unread || !written => return GaveUp,
        32 | 104 if it.has(flag::NO_TIMES) => return Unknown,
        32 | 104 => return if later_request(it) { GaveUp } else { ClientGone },
        _ => return TimedOut,
    }
    if it.has(flag::MPTCP) && !accepted {
        return Unknown;
    }
    if !received && !written {
        return by(IdleClosed, ClientGone);
    }
    if unread {
        return by(UnreadReset, GaveUp);
    }
    if !written {
        return by(Unanswered, GaveUp);
    }
    if it.unacked > 0 && it.has(flag::NOSPACE) {
        return Truncated;
    }
    if !received {
        return IdleClosed;
    }
    if it.has(flag::NO_TIMES) {
        return Unknown;
    }
    if later_request(it) {
        return by(Unanswered, GaveUp);
    }
    if it.unacked > 0 && reset || closer == Closer::Killed && it.has(flag::CORKED) {
        return Truncated;
    }
    let silent = it.jiffies.wrapping_sub(it.last_sent);
    let wrote_for = it.last_sent.wrapping_sub(it.last_received);
    let maybe_cut = match closer {
        Closer::Serving => false,
        Closer::Draining => it.unacked > 65_536,
        Closer::Killed => it.segments_out > 1,
    };
    if maybe_cut && silent < wrote_for { Unknown } else { Served }
}

/// Whether something was received after the last thing sent, for all that the clock's ticks tell.
fn later_request(it: &Connection) -> bool {
    let after = it.last_received.wrapping_sub(it.last_sent) as i32;
    // What was written and not yet sent is later than any time of sending.
    let waits = it.ack_pending || it.standing.pending > 0 && it.written_after_fin == 0;
    it.unsent == 0 && (after > 0 || after == 0 && (waits || it.pingpong == 0 && it.standing.pingpong == 0))
}
