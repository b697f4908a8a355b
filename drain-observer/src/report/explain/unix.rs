//! What the probes saw of AF_UNIX connections, in words.

use super::relative;
use crate::event::{BootNs, Peer, UnixEnd, UnixEnded, UnixRefused};
use crate::report::words::process;

pub(super) fn ended(one: &UnixEnded, base: BootNs) -> String {
    let how = match one.how {
        UnixEnd::QueueReset => "was dropped from the accept queue with its listener",
        UnixEnd::UnreadReset => "was closed with bytes unread",
        UnixEnd::Closed => "was closed",
        UnixEnd::ClientLeft => "was left by its client",
        UnixEnd::Unknown => "ended",
    };
    let peer = Peer::Process(one.client);
    let mut parts = vec![format!("{peer} > {} {how}, in the context of {}", one.path, process(&one.by))];
    let mut at = |what: &str, when: Option<BootNs>| {
        parts.extend(when.map(|when| format!("{what} {:+.6}s", relative(when, base))));
    };
    at("connected", one.connected_at);
    at("accepted", one.accepted_at);
    at("the client wrote last", one.last_request_at);
    at("the server wrote last", one.last_response_at);
    parts.extend(one.acceptor.as_ref().map(|task| format!("accepted by {}", process(task))));
    if one.unread > 0 {
        parts.push(format!("{} bytes unread", one.unread));
    }
    parts.join("; ")
}

pub(super) fn refused(one: &UnixRefused) -> String {
    let why = match one.errno {
        2 => "there is no such file (ENOENT)".to_owned(),
        11 => "the accept queue is full (EAGAIN)".to_owned(),
        111 => "nobody listens (ECONNREFUSED)".to_owned(),
        errno => format!("errno {errno}"),
    };
    format!("{} could not connect to {}: {why}", Peer::Process(one.client), one.path)
}
