//! What was seen of unix sockets, in words.

use super::relative;
use crate::event::{
    BootNs, Peer, Task, UnixClosed, UnixEnd, UnixEnded, UnixOpened, UnixPath, UnixRefused, UnixWatched,
};
use crate::report::words::process;

pub(super) fn ended(one: &UnixEnded, at: BootNs, base: BootNs) -> String {
    let how = match one.how {
        UnixEnd::QueueReset => "was dropped from the accept queue with its listener",
        UnixEnd::UnreadReset => "was closed with bytes unread",
        UnixEnd::ServerClosed => "had been closed by the server, as its client found",
        UnixEnd::LateRequest => "had been closed by the server, as its client found when it wrote",
        UnixEnd::ClientClosed => "had been closed by the client, as its server found",
        UnixEnd::ResponseUnread => "was closed by its client with bytes unread",
        UnixEnd::HolderDied => "ended with the process that held it",
        UnixEnd::Unseen => "had ended unseen",
    };
    let client = Peer::Process(Task { pid: one.client, ..Task::default() });
    let place = name(one.path.as_ref());
    let mut parts = vec![format!("{client} > {place} {how}, in the context of {}", process(&one.by))];
    let mut time = |what: &str, when: Option<BootNs>| {
        parts.extend(when.map(|when| format!("{what} {:+.6}s", relative(when, base))));
    };
    time("connected", one.connected_at);
    time("accepted", one.accepted_at);
    time("the client wrote last", one.request_at);
    time("the server read last", one.read_at);
    time("the server wrote last", one.response_at);
    time("its last holder died", one.died.map(|(_, died)| died.min(at)));
    parts.extend(one.acceptor.map(|pid| format!("accepted by pid {pid}")));
    if one.client_gone {
        parts.push("the client had closed its end".to_owned());
    }
    if one.lost_bytes > 0 {
        parts.push(format!("{} bytes unread", one.lost_bytes));
    }
    parts.join("; ")
}

pub(super) fn refused(one: &UnixRefused) -> String {
    let file = match one.file {
        Some(true) => ", where there was a file a moment later",
        Some(false) => ", where there was no file a moment later",
        None => "",
    };
    let queue = if one.full { ", whose accept queue was full a moment later" } else { "" };
    format!("{} could not connect to {}{file}{queue}", Peer::Process(one.client), name(one.path.as_ref()))
}

pub(super) fn opened(one: &UnixOpened, base: BootNs) -> String {
    format!(
        "found listening: {}, held by {}; at {:+.6}s it was not yet",
        one.seen.key.local,
        super::words::pids(&one.seen.holders),
        relative(one.since, base),
    )
}

pub(super) fn closed(one: &UnixClosed, base: BootNs) -> String {
    format!(
        "found no longer listening: {}; at {:+.6}s it was, with {} in its queue",
        one.key.local,
        relative(one.since, base),
        one.queue,
    )
}

pub(super) fn watched(one: &UnixWatched) -> String {
    if one.on { "unix sockets are watched from now on" } else { "unix sockets are watched no longer" }
        .to_owned()
}

fn name(path: Option<&UnixPath>) -> String {
    path.map_or_else(|| "a unix socket".to_owned(), UnixPath::to_string)
}
