//! Which of the observer's outcomes agree with which fate of a client.

use super::{Ending, Fate, Phase};

/// The lost outcomes by which a report may truthfully name this fate; none for a fate that is no loss.
///
/// The client cannot tell some of them apart: a connection reset while its request was outstanding may
/// have been queued, accepted but unread, or read.
pub fn agreeing_outcomes(fate: &Fate) -> &'static [&'static str] {
    let late = fate.rested && fate.last_request.is_some();
    match fate.ending {
        Ending::Served | Ending::ClientClosed | Ending::Failed(_) => &[],
        Ending::Refused => &["refused"],
        Ending::Reset(phase) => match phase {
            Phase::Connecting | Phase::BeforeRequest => &["queue_reset"],
            Phase::MidRequest | Phase::AwaitingResponse if late => {
                &["queue_reset", "unread_reset", "unanswered", "late_request"]
            }
            Phase::MidRequest | Phase::AwaitingResponse => &["queue_reset", "unread_reset", "unanswered"],
            Phase::MidResponse => &["truncated"],
            Phase::Idle => &[],
        },
        Ending::Eof(phase) => match phase {
            Phase::Connecting | Phase::BeforeRequest | Phase::Idle => &[],
            Phase::MidRequest | Phase::AwaitingResponse if late => &["unanswered", "late_request"],
            Phase::MidRequest | Phase::AwaitingResponse => &["unanswered"],
            Phase::MidResponse => &["truncated"],
        },
        Ending::Timeout(Phase::Connecting) => &["overflowed", "gave_up"],
        Ending::Timeout(Phase::MidResponse) => &["gave_up", "truncated"],
        Ending::Timeout(_) => &["gave_up"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::samples::fate;

    #[test]
    fn a_fate_agrees_with_some_outcome_exactly_when_it_is_a_loss() {
        use Phase::*;
        let mut endings = vec![Ending::Served, Ending::ClientClosed, Ending::Refused];
        for phase in [Connecting, BeforeRequest, MidRequest, AwaitingResponse, MidResponse, Idle] {
            endings.extend([Ending::Reset(phase), Ending::Eof(phase), Ending::Timeout(phase)]);
        }
        for ending in endings {
            // The server's end of stream cannot come before the handshake.
            if ending != Ending::Eof(Connecting) {
                assert_eq!(!agreeing_outcomes(&fate(1, ending, 1)).is_empty(), ending.lost(), "{ending:?}");
            }
        }
    }

    #[test]
    fn only_a_rested_connection_can_be_late() {
        let mut fate = fate(1, Ending::Reset(Phase::AwaitingResponse), 9);
        fate.last_request = Some(fate.ended);
        assert!(!agreeing_outcomes(&fate).contains(&"late_request"));
        fate.rested = true;
        assert!(agreeing_outcomes(&fate).contains(&"late_request"));
    }
}
