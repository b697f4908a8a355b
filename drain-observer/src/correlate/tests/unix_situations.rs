//! What the probes say of a connection to a unix listener in each situation that a restart meets it in.

use super::words::{Words, Wrong, time};
use crate::event::{BootNs, ListenerKey, Task, UnixEnd, UnixEnded};

/// A connection of which nothing is known but how it ended.
pub(crate) fn unix_connection(how: UnixEnd) -> UnixEnded {
    UnixEnded {
        sk: 2,
        listener: 0,
        binding: 0,
        netns: 0,
        path: None,
        file_inode: 0,
        how,
        by: Task::default(),
        client_gone: false,
        lost_bytes: 0,
        died: None,
        client: 0,
        acceptor: None,
        reader: None,
        accepted_before: false,
        connected_at: None,
        accepted_at: None,
        request_at: None,
        read_at: None,
        response_at: None,
        requests: 0,
        reads: 0,
        responses: 0,
        bytes_read: 0,
        bytes_delivered: 0,
        queue_at_arrival: None,
        limit: 0,
        queued_behind: 0,
    }
}

/// Reads `SITUATION [NAME=VALUE ..] by PID` as a connection to a listening socket that ends at `at`. Situations are
/// `queued`, `queued-idle`, `unread`, `unanswered`, `served`, `idle`, `late` (after a response), `died-unanswered`,
/// `died-served`, `died-idle` (with the process that held it), `left-queue` (the client did, its request in the accept
/// queue), `left-waiting`, `left-served`, `unseen` and `before` (there before unix sockets were watched, and unanswered
/// as far as is known); names are `established`, `accepted`, `request`, `response` (times or `never`), `unread` (bytes)
/// and `behind` (that many more in the queue).
pub(super) fn connection(
    words: &mut Words<'_>,
    at: BootNs,
    (key, sk): (ListenerKey, u64),
    by: &mut dyn FnMut(&str) -> Result<Task, Wrong>,
) -> Result<UnixEnded, Wrong> {
    let path = *key.local.path().ok_or_else(|| format!("`{}` is no path", key.local))?;
    let ago = |ms: u64| Some(at.saturating_sub(ms * 1_000_000));
    let situation = words.next("a situation")?;
    let (died, what) = match situation.strip_prefix("died-") {
        Some(what) => (true, what),
        None => (false, situation),
    };
    let how = match what {
        "queued" | "queued-idle" | "left-queue" => UnixEnd::QueueReset,
        "unread" => UnixEnd::UnreadReset,
        "unanswered" | "idle" | "served" if died => UnixEnd::HolderDied,
        "unanswered" | "idle" | "served" | "before" => UnixEnd::ServerClosed,
        "late" => UnixEnd::LateRequest,
        "left-waiting" | "left-served" => UnixEnd::ClientClosed,
        "unseen" => UnixEnd::Unseen,
        other => return Err(format!("`{other}` is no situation")),
    };
    let mut ended = UnixEnded {
        listener: sk,
        binding: sk + 8,
        netns: key.netns,
        path: Some(path),
        connected_at: ago(500),
        accepted_at: ago(499).filter(|_| how != UnixEnd::QueueReset),
        request_at: ago(490).filter(|_| !what.ends_with("idle")),
        response_at: ago(40).filter(|_| what.ends_with("served") || what == "late"),
        client_gone: what.starts_with("left"),
        ..unix_connection(how)
    };
    if what == "before" {
        (ended.connected_at, ended.accepted_at, ended.request_at) = (None, None, None);
        ended.accepted_before = true;
    }
    if matches!(how, UnixEnd::QueueReset | UnixEnd::UnreadReset) && ended.request_at.is_some() {
        ended.lost_bytes = 80;
    }
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        words.optional();
        let when = || if value == "never" { Ok(None) } else { time(value).map(Some) };
        let number = || value.parse().map_err(|_| format!("a number expected, `{value}` found"));
        match name {
            "established" => ended.connected_at = when()?,
            "accepted" => ended.accepted_at = when()?,
            "request" => ended.request_at = when()?,
            "response" => ended.response_at = when()?,
            "unread" => ended.lost_bytes = u64::from(number()?),
            "behind" => ended.queued_behind = number()?,
            other => return Err(format!("`{other}` is nothing that a connection has")),
        }
    }
    ended.requests = u64::from(ended.request_at.is_some());
    ended.responses = u64::from(ended.response_at.is_some());
    words.expects("by")?;
    let process = by(words.next("process")?)?;
    if how != UnixEnd::QueueReset {
        ended.acceptor = Some(process.pid);
        if how != UnixEnd::UnreadReset {
            ended.reader = Some(process.pid);
            ended.reads = ended.requests;
            ended.read_at = ended.request_at.map(|request| request + 1);
        }
    }
    if died {
        ended.died = Some((process.pid, at));
    }
    ended.by = process;
    Ok(ended)
}
