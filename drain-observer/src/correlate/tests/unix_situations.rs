//! What the probes say of a connection to a unix listener in each situation that a restart meets it in.

use super::words::{Words, Wrong, time};
use crate::event::{BootNs, ListenerKey, Local, Task, UnixEnd, UnixEnded};

/// Reads `SITUATION [NAME=VALUE ..] by PID` as a connection to a listening socket that ends at `at`. Situations are
/// `queued`, `queued-idle`, `unread`, `unanswered`, `served`, `idle`, `left-queue` (the client did, its request in the
/// accept queue), `left-waiting`, `left-served`, and `untold` (by the probes that there are); names are `established`,
/// `accepted`, `request`, `response` (times or `never`) and `unread` (bytes).
pub(super) fn connection(
    words: &mut Words<'_>,
    at: BootNs,
    (key, sk): (ListenerKey, u64),
    by: &mut dyn FnMut(&str) -> Result<Task, Wrong>,
) -> Result<UnixEnded, Wrong> {
    let Local::Unix(path) = key.local else { return Err(format!("`{}` is no path", key.local)) };
    let ago = |ms: u64| Some(at.saturating_sub(ms * 1_000_000));
    let mut ended = UnixEnded {
        netns: key.netns,
        path,
        sk,
        connection: 0,
        client: Task::default(),
        acceptor: None,
        connected_at: ago(500),
        accepted_at: ago(499),
        last_request_at: ago(490),
        last_response_at: None,
        unread: 0,
        how: UnixEnd::Closed,
        closed_at: at,
        by: Task::default(),
    };
    let situation = words.next("a situation")?;
    match situation {
        "queued" | "queued-idle" | "left-queue" => {
            ended.accepted_at = None;
            ended.how = if situation == "left-queue" { UnixEnd::ClientLeft } else { UnixEnd::QueueReset };
            ended.unread = 80;
        }
        "unread" => (ended.how, ended.unread) = (UnixEnd::UnreadReset, 80),
        "unanswered" | "idle" => {}
        "left-waiting" => ended.how = UnixEnd::ClientLeft,
        "served" => ended.last_response_at = ago(40),
        "left-served" => (ended.last_response_at, ended.how) = (ago(40), UnixEnd::ClientLeft),
        "untold" => (ended.last_request_at, ended.how) = (None, UnixEnd::Unknown),
        other => return Err(format!("`{other}` is no situation")),
    }
    if situation.ends_with("idle") {
        (ended.last_request_at, ended.unread) = (None, 0);
    }
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        words.optional();
        let when = || if value == "never" { Ok(None) } else { time(value).map(Some) };
        match name {
            "established" => ended.connected_at = when()?,
            "accepted" => ended.accepted_at = when()?,
            "request" => ended.last_request_at = when()?,
            "response" => ended.last_response_at = when()?,
            "unread" => {
                ended.unread = value.parse().map_err(|_| format!("bytes expected, `{value}` found"))?
            }
            other => return Err(format!("`{other}` is nothing that a connection has")),
        }
    }
    words.expects("by")?;
    ended.by = by(words.next("process")?)?;
    if !situation.contains("queue") {
        ended.acceptor = Some(ended.by);
    }
    Ok(ended)
}
