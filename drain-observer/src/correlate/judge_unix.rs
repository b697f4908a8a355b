//! What became of a connection to a unix listener, from when each side wrote last and how the server's end came to
//! its end. Pure.

use super::facts::Outcome;
use super::judge::{Closer, Judgement};
use crate::event::{BootNs, UnixEnd, UnixEnded, UnixRefused};

const ENOENT: u32 = 2;
const EAGAIN: u32 = 11;
const ECONNREFUSED: u32 = 111;

/// Judges a connection at its end.
pub(super) fn judge_unix(ended: &UnixEnded, closer: Closer) -> Judgement {
    let (outcome, why) = match ended.how {
        UnixEnd::QueueReset => (Outcome::QueueReset, queued(ended)),
        UnixEnd::UnreadReset => {
            let why = format!("closed with {} bytes unread, which resets the client", ended.unread);
            (Outcome::UnreadReset, vec![why])
        }
        UnixEnd::Closed => closed(ended, closer),
        UnixEnd::ClientLeft => client_left(ended),
        UnixEnd::Unknown => (
            Outcome::Unknown,
            vec!["the probes in place do not tell what was written, and how it ended".into()],
        ),
    };
    let closed_by_process = matches!(ended.how, UnixEnd::QueueReset | UnixEnd::UnreadReset | UnixEnd::Closed);
    Judgement { outcome, evidence: why, reused: reused(ended, outcome), closed_by_process }
}

/// What a failed connect(2) is to its client, and why.
pub(super) fn judge_refused(refused: &UnixRefused) -> (Outcome, String) {
    match refused.errno {
        ENOENT => (Outcome::Refused, "connect(2) found no socket at the path (ENOENT)".into()),
        ECONNREFUSED => (Outcome::Refused, "nobody listened on the socket at the path (ECONNREFUSED)".into()),
        EAGAIN => (
            Outcome::Overflowed,
            "the accept queue was full, and the client would not wait (EAGAIN): lost, unless it tried again"
                .into(),
        ),
        errno => (Outcome::Unknown, format!("connect(2) failed with errno {errno}")),
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
    /// Nothing was written since the observer came, and what was before is not known.
    Unclear,
}

fn asked(ended: &UnixEnded) -> Asked {
    match (ended.last_request_at, ended.last_response_at) {
        (None, _) if ended.connected_at.is_none() && ended.last_response_at.is_none() => Asked::Unclear,
        (None, None) => Asked::Nothing,
        (None, Some(_)) if ended.connected_at.is_none() => Asked::Answered,
        (None, Some(_)) => Asked::Told,
        (Some(_), None) => Asked::Outstanding("not one byte of response written to its request".into()),
        (Some(request), Some(response)) if response <= request => Asked::Outstanding(format!(
            "a later request came {} after the last response, and was not answered",
            span(request - response)
        )),
        (Some(_), Some(_)) => Asked::Answered,
    }
}

fn queued(ended: &UnixEnded) -> Vec<String> {
    let waited = if ended.unread > 0 {
        format!("a request of {} bytes waited", ended.unread)
    } else {
        "no data had arrived yet".into()
    };
    vec!["connected, accepted by no process, and the last holder of the listener let go".into(), waited]
}

fn closed(ended: &UnixEnded, closer: Closer) -> (Outcome, Vec<String>) {
    let (outcome, why) = match asked(ended) {
        Asked::Nothing => (Outcome::IdleClosed, "closed before any data went either way".into()),
        Asked::Told => (Outcome::IdleClosed, "the server spoke, the client asked nothing".into()),
        Asked::Outstanding(why) => (Outcome::Unanswered, why),
        Asked::Unclear => (
            Outcome::Unknown,
            "closed with nothing written since the observer came: whether a request from before was answered can't \
             be told"
                .into(),
        ),
        Asked::Answered => match cut_off(ended, closer) {
            Some(why) => (Outcome::Unknown, why),
            None => (Outcome::Served, "a response followed the last request".into()),
        },
    };
    (outcome, vec![why])
}

/// Why a response may not have been whole.
fn cut_off(ended: &UnixEnded, closer: Closer) -> Option<String> {
    let (request, response) = (ended.last_request_at?, ended.last_response_at?);
    let silence = ended.closed_at.saturating_sub(response);
    (closer == Closer::Killed && silence < response.saturating_sub(request)).then(|| {
        format!(
            "the process was killed {} after its last write, and had written {} after the request: perhaps a \
             response cut off",
            span(silence),
            span(response.saturating_sub(request))
        )
    })
}

fn client_left(ended: &UnixEnded) -> (Outcome, Vec<String>) {
    let place = if ended.acceptor.is_some() { "" } else { " in the accept queue" };
    let (outcome, why) = match asked(ended) {
        Asked::Outstanding(why) => {
            (Outcome::GaveUp, format!("the client left while its request waited{place}: {why}"))
        }
        Asked::Answered => (Outcome::Served, "the client left after a response to its last request".into()),
        Asked::Nothing | Asked::Told => {
            (Outcome::ClientGone, format!("the client left{place} having asked nothing"))
        }
        Asked::Unclear => {
            (Outcome::ClientGone, "the client left with nothing written since the observer came".into())
        }
    };
    (outcome, vec![why])
}

fn reused(ended: &UnixEnded, outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::QueueReset => Some(false),
        Outcome::Unanswered | Outcome::UnreadReset | Outcome::GaveUp if ended.last_response_at.is_some() => {
            Some(true)
        }
        _ if ended.last_response_at.is_none() && ended.connected_at.is_some() => Some(false),
        _ => None,
    }
}

fn span(ns: BootNs) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Task, UnixPath};

    fn ended(how: UnixEnd, request: Option<BootNs>, response: Option<BootNs>) -> UnixEnded {
        UnixEnded {
            netns: 1,
            path: UnixPath::new(b"/run/app.sock"),
            sk: 1,
            connection: 2,
            client: Task::default(),
            acceptor: Some(Task::default()),
            connected_at: Some(1_000_000),
            accepted_at: Some(2_000_000),
            last_request_at: request,
            last_response_at: response,
            unread: 0,
            how,
            closed_at: 100_000_000,
            by: Task::default(),
        }
    }

    #[test]
    fn each_end_has_its_outcome() {
        use Outcome::*;
        use UnixEnd::{ClientLeft, Closed, QueueReset as Queue, Unknown as NotTold, UnreadReset as Unread};
        let (early, late) = (Some(10_000_000), Some(90_000_000));
        let cases = [
            (Queue, None, None, QueueReset),
            (Queue, early, None, QueueReset),
            (Unread, early, None, UnreadReset),
            (Closed, None, None, IdleClosed),
            (Closed, None, early, IdleClosed),
            (Closed, early, None, Unanswered),
            (Closed, late, early, Unanswered),
            (Closed, early, early, Unanswered),
            (Closed, early, late, Served),
            (ClientLeft, None, None, ClientGone),
            (ClientLeft, early, None, GaveUp),
            (ClientLeft, early, late, Served),
            (NotTold, early, late, Unknown),
        ];
        for (how, request, response, outcome) in cases {
            let judged = judge_unix(&ended(how, request, response), Closer::Serving);
            assert_eq!(judged.outcome, outcome, "{how:?} {request:?} {response:?}: {:?}", judged.evidence);
            assert!(!judged.evidence.is_empty());
        }
    }

    #[test]
    fn what_was_before_the_observer_is_not_known() {
        let before = |request, response| {
            let ended = UnixEnded { connected_at: None, ..ended(UnixEnd::Closed, request, response) };
            judge_unix(&ended, Closer::Serving).outcome
        };
        assert_eq!(before(None, None), Outcome::Unknown);
        assert_eq!(before(None, Some(1)), Outcome::Served);
        assert_eq!(before(Some(1), None), Outcome::Unanswered);
    }

    #[test]
    fn a_kill_in_mid_response_is_not_taken_for_its_end() {
        let of =
            |closer| judge_unix(&ended(UnixEnd::Closed, Some(10_000_000), Some(90_000_000)), closer).outcome;
        assert_eq!(of(Closer::Killed), Outcome::Unknown);
        assert_eq!(of(Closer::Draining), Outcome::Served);
    }

    #[test]
    fn connect_says_why_it_failed() {
        let of = |errno| {
            let path = UnixPath::new(b"/run/app.sock");
            judge_refused(&UnixRefused { netns: 1, path, client: Task::default(), errno }).0
        };
        assert_eq!(of(2), Outcome::Refused);
        assert_eq!(of(111), Outcome::Refused);
        assert_eq!(of(11), Outcome::Overflowed);
        assert_eq!(of(13), Outcome::Unknown);
    }
}
