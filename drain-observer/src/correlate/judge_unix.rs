//! What became of a connection to a unix listener, from what each side wrote and read, and how its end was seen. There
//! are no segments and no timers: what one side writes the other has, and whoever closes with something unread resets
//! the other. Pure.

use super::facts::Outcome;
use super::judge::{Closer, Judgement};
use crate::event::{BootNs, UnixEnd, UnixEnded};

/// How it stood at a place where a client was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody listened.
    Nobody,
    /// Somebody listened, and the accept queue was full.
    Full,
    /// Somebody listened, and the queue was not seen full.
    Open,
}

/// Judges a connection at its end.
pub(super) fn judge_unix(ended: &UnixEnded, closed_at: BootNs, closer: Closer) -> Judgement {
    let (outcome, why) = match ended.how {
        UnixEnd::QueueReset => queued(ended),
        UnixEnd::UnreadReset => unread(ended),
        UnixEnd::ServerClosed | UnixEnd::HolderDied => closed(ended, closed_at, closer),
        UnixEnd::LateRequest => late(ended),
        UnixEnd::ClientClosed | UnixEnd::ResponseUnread => client_left(ended),
        UnixEnd::Unseen => unseen(ended),
    };
    let by_process = matches!(
        ended.how,
        UnixEnd::QueueReset | UnixEnd::UnreadReset | UnixEnd::ServerClosed | UnixEnd::HolderDied
    );
    Judgement { outcome, evidence: why, reused: reused(ended, outcome), closed_by_process: by_process }
}

/// What a failed connect(2) is to its client, and why. `file`: whether there was a socket file.
pub(super) fn judge_refused(refusal: Refusal, file: Option<bool>) -> (Outcome, String) {
    match (refusal, file) {
        (_, Some(false)) => (Outcome::Refused, "connect(2) found no socket at the path (ENOENT)".into()),
        (Refusal::Nobody, _) => {
            (Outcome::Refused, "nobody listened on the socket at the path (ECONNREFUSED)".into())
        }
        (Refusal::Full, _) => (
            Outcome::Overflowed,
            "the accept queue was full, and the client would not wait (EAGAIN): lost, unless it tried again"
                .into(),
        ),
        (Refusal::Open, _) => (
            Outcome::Unknown,
            "connect(2) failed though somebody listened, and the queue was not seen full: perhaps the client may not \
             use the socket file, or ceased to wait"
                .into(),
        ),
    }
}

/// Whether a response followed what the client wrote last.
pub(super) fn answered(ended: &UnixEnded) -> bool {
    matches!(asked(ended), Asked::Answered)
}

enum Asked {
    Nothing,
    /// The server spoke, the client did not.
    Told,
    Answered,
    Outstanding(String),
    /// Nothing was written since unix sockets are watched, and what was before is not known.
    Unclear,
}

fn asked(ended: &UnixEnded) -> Asked {
    // Of a request from before, it may be known that it was read.
    let request = ended.request_at.or(ended.read_at);
    match (request, ended.response_at) {
        (None, None) if ended.connected_at.is_none() => Asked::Unclear,
        (None, None) => Asked::Nothing,
        (None, Some(_)) if ended.connected_at.is_none() => Asked::Answered,
        (None, Some(_)) => Asked::Told,
        (Some(_), None) => Asked::Outstanding("not one byte of response written to its request".into()),
        (Some(request), Some(response)) if response > request => Asked::Answered,
        // The client's write is told after the server could see it: who has read all of it has answered it.
        (_, Some(response))
            if ended.reads >= ended.requests && ended.read_at.is_some_and(|read| read < response) =>
        {
            Asked::Answered
        }
        (Some(request), Some(response)) => Asked::Outstanding(format!(
            "a later request came {} after the last response, and was not answered",
            span(request.saturating_sub(response))
        )),
    }
}

fn queued(ended: &UnixEnded) -> (Outcome, Vec<String>) {
    let asked = ended.lost_bytes > 0 || ended.requests > 0;
    let request = match (ended.lost_bytes, asked) {
        (0, true) => "a request waited".to_owned(),
        (0, false) if ended.connected_at.is_some() => "no data had arrived yet".to_owned(),
        (0, false) => "whether a request waited was not seen".to_owned(),
        (bytes, _) => format!("a request of {bytes} bytes waited"),
    };
    let outcome = match (ended.client_gone, asked) {
        (false, _) => Outcome::QueueReset,
        (true, true) => Outcome::GaveUp,
        (true, false) => Outcome::ClientGone,
    };
    let why = if ended.client_gone {
        "connected, accepted by no process, and left before the last holder of the listener let go"
    } else {
        "connected, accepted by no process, and the last holder of the listener let go"
    };
    (outcome, vec![why.into(), request])
}

fn unread(ended: &UnixEnded) -> (Outcome, Vec<String>) {
    let bytes = ended.lost_bytes;
    let answered = ended.response_at.is_some_and(|response| ended.request_at.is_some_and(|at| response > at));
    let (outcome, why) = match (answered, ended.client_gone) {
        (true, _) => (
            Outcome::Served,
            format!("a response followed the last request, of which {bytes} bytes were not read"),
        ),
        (false, true) => (
            Outcome::GaveUp,
            format!("the client left while its request waited: {bytes} bytes were never read"),
        ),
        (false, false) => {
            (Outcome::UnreadReset, format!("closed with {bytes} bytes unread, which resets the client"))
        }
    };
    (outcome, vec![why])
}

fn closed(ended: &UnixEnded, closed_at: BootNs, closer: Closer) -> (Outcome, Vec<String>) {
    let (outcome, why) = match asked(ended) {
        _ if ended.client_gone && ended.how == UnixEnd::HolderDied => return client_left(ended),
        Asked::Nothing => (Outcome::IdleClosed, "closed before any data went either way".into()),
        Asked::Told => (Outcome::IdleClosed, "the server spoke, the client asked nothing".into()),
        Asked::Outstanding(why) => (Outcome::Unanswered, why),
        Asked::Unclear => (
            Outcome::Unknown,
            "closed with nothing written since unix sockets are watched: whether a request from before was answered \
             can't be told"
                .into(),
        ),
        Asked::Answered => match cut_off(ended, closed_at, closer) {
            Some(why) => (Outcome::Unknown, why),
            None => (Outcome::Served, "a response followed the last request".into()),
        },
    };
    (outcome, vec![why])
}

/// Why a response may not have been whole.
fn cut_off(ended: &UnixEnded, closed_at: BootNs, closer: Closer) -> Option<String> {
    let (request, response) = (ended.request_at?, ended.response_at?);
    let silence = closed_at.saturating_sub(response);
    (closer == Closer::Killed && silence < response.saturating_sub(request)).then(|| {
        format!(
            "the process was killed {} after its last write, and had written {} after the request: perhaps a \
             response cut off",
            span(silence),
            span(response.saturating_sub(request))
        )
    })
}

fn late(ended: &UnixEnded) -> (Outcome, Vec<String>) {
    match asked(ended) {
        Asked::Outstanding(why) => (
            Outcome::Unanswered,
            vec![why, "the client was still writing when it found the connection closed".into()],
        ),
        _ => (
            Outcome::LateRequest,
            vec!["the client wrote to a connection that the server had closed (EPIPE)".into()],
        ),
    }
}

fn client_left(ended: &UnixEnded) -> (Outcome, Vec<String>) {
    let (outcome, why) = match asked(ended) {
        Asked::Outstanding(why) => {
            (Outcome::GaveUp, format!("the client left while its request waited: {why}"))
        }
        Asked::Answered => (Outcome::Served, "the client left after a response to its last request".into()),
        Asked::Nothing | Asked::Told => (Outcome::ClientGone, "the client left having asked nothing".into()),
        Asked::Unclear => (
            Outcome::ClientGone,
            "the client left with nothing written since unix sockets are watched".into(),
        ),
    };
    (outcome, vec![why])
}

fn unseen(ended: &UnixEnded) -> (Outcome, Vec<String>) {
    let (outcome, why) = match asked(ended) {
        Asked::Answered => {
            (Outcome::Served, "a response followed the last request; its end was not seen".into())
        }
        Asked::Nothing | Asked::Told => {
            (Outcome::IdleClosed, "the client asked nothing; its end was not seen".into())
        }
        Asked::Outstanding(why) => {
            (Outcome::Unknown, format!("{why}; but which side closed it was not seen"))
        }
        Asked::Unclear => (Outcome::Unknown, "neither its beginning nor its end was seen".into()),
    };
    (outcome, vec![why])
}

fn reused(ended: &UnixEnded, outcome: Outcome) -> Option<bool> {
    let responded = ended.response_at.is_some();
    match outcome {
        Outcome::QueueReset => Some(false),
        Outcome::LateRequest if responded => Some(true),
        Outcome::Unanswered | Outcome::UnreadReset | Outcome::GaveUp if responded => Some(true),
        _ if !responded && ended.connected_at.is_some() => Some(false),
        _ => None,
    }
}

fn span(ns: BootNs) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::tests::unix_connection;

    const MS: BootNs = 1_000_000;

    /// One that was made and accepted, with a request and a response at these times, in ms.
    fn ended(how: UnixEnd, request: Option<u64>, response: Option<u64>) -> UnixEnded {
        UnixEnded {
            connected_at: Some(MS),
            accepted_at: Some(2 * MS),
            request_at: request.map(|at| at * MS),
            requests: u64::from(request.is_some()),
            reads: u64::from(request.is_some()),
            read_at: request.map(|at| at * MS + 1),
            response_at: response.map(|at| at * MS),
            responses: u64::from(response.is_some()),
            ..unix_connection(how)
        }
    }

    fn outcome(ended: &UnixEnded) -> Outcome {
        let judged = judge_unix(ended, 100 * MS, Closer::Serving);
        assert!(!judged.evidence.is_empty());
        judged.outcome
    }

    #[test]
    fn each_end_has_its_outcome() {
        use Outcome::*;
        use UnixEnd::{
            ClientClosed, HolderDied, LateRequest as Late, QueueReset as Queue, ResponseUnread, ServerClosed,
            UnreadReset as Unread, Unseen,
        };
        let (early, late) = (Some(10), Some(90));
        let cases = [
            (Queue, None, None, QueueReset),
            (Queue, early, None, QueueReset),
            (Unread, early, None, UnreadReset),
            (Unread, early, late, Served),
            (ServerClosed, None, None, IdleClosed),
            (ServerClosed, None, early, IdleClosed),
            (ServerClosed, early, None, Unanswered),
            (ServerClosed, late, early, Unanswered),
            (ServerClosed, early, late, Served),
            (HolderDied, early, None, Unanswered),
            (HolderDied, early, late, Served),
            (Late, early, late, LateRequest),
            (Late, None, None, LateRequest),
            (Late, early, None, Unanswered),
            (ClientClosed, None, None, ClientGone),
            (ClientClosed, early, None, GaveUp),
            (ClientClosed, early, late, Served),
            (ResponseUnread, early, late, Served),
            (Unseen, early, late, Served),
            (Unseen, early, None, Unknown),
            (Unseen, None, None, IdleClosed),
        ];
        for (how, request, response, expected) in cases {
            let ended = ended(how, request, response);
            assert_eq!(outcome(&ended), expected, "{how:?} {request:?} {response:?}");
        }
    }

    #[test]
    fn a_client_that_went_first_lost_what_it_waited_for() {
        let gone = |how, request| UnixEnded { client_gone: true, ..ended(how, request, None) };
        assert_eq!(outcome(&gone(UnixEnd::QueueReset, None)), Outcome::ClientGone);
        assert_eq!(outcome(&gone(UnixEnd::QueueReset, Some(10))), Outcome::GaveUp);
        assert_eq!(outcome(&gone(UnixEnd::UnreadReset, Some(10))), Outcome::GaveUp);
        assert_eq!(outcome(&gone(UnixEnd::HolderDied, Some(10))), Outcome::GaveUp);
    }

    #[test]
    fn an_answer_is_one_though_the_write_was_told_late() {
        let told_late =
            UnixEnded { read_at: Some(9 * MS), ..ended(UnixEnd::ServerClosed, Some(20), Some(10)) };
        assert_eq!(outcome(&told_late), Outcome::Served);
        let second = UnixEnded { requests: 2, ..told_late };
        assert_eq!(outcome(&second), Outcome::Unanswered, "one was not read");
    }

    #[test]
    fn what_was_before_is_not_known() {
        let before = |request, response| {
            let ended = ended(UnixEnd::ServerClosed, request, response);
            outcome(&UnixEnded { connected_at: None, ..ended })
        };
        assert_eq!(before(None, None), Outcome::Unknown);
        assert_eq!(before(None, Some(1)), Outcome::Served);
        assert_eq!(before(Some(1), None), Outcome::Unanswered);
        let read = UnixEnded {
            connected_at: None,
            read_at: Some(5 * MS),
            reads: 1,
            ..ended(UnixEnd::ServerClosed, None, None)
        };
        assert_eq!(outcome(&read), Outcome::Unanswered);
    }

    #[test]
    fn a_kill_in_mid_response_is_not_taken_for_its_end() {
        let of =
            |closer| judge_unix(&ended(UnixEnd::HolderDied, Some(10), Some(90)), 100 * MS, closer).outcome;
        assert_eq!(of(Closer::Killed), Outcome::Unknown);
        assert_eq!(of(Closer::Draining), Outcome::Served);
    }

    #[test]
    fn why_connect_failed_is_concluded() {
        let of = |refusal, file| judge_refused(refusal, file).0;
        assert_eq!(of(Refusal::Nobody, Some(true)), Outcome::Refused);
        assert_eq!(of(Refusal::Nobody, None), Outcome::Refused);
        assert_eq!(of(Refusal::Open, Some(false)), Outcome::Refused, "unlinked");
        assert_eq!(of(Refusal::Full, Some(true)), Outcome::Overflowed);
        assert_eq!(of(Refusal::Open, None), Outcome::Unknown);
    }
}
