//! Events about unix sockets.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{hook, key, listener_seen, path, task};
use crate::correlate::tests::unix_connection;
use crate::event::*;

/// Of each kind any.
pub(super) fn kinds() -> Vec<BoxedStrategy<Kind>> {
    vec![
        (task(), option::of(name()), any::<[u64; 4]>(), any::<[u32; 3]>())
            .prop_map(|(client, path, [sk, binding, inode, file_inode], [netns, queue, limit])| {
                let known =
                    UnixListener { sk, binding, netns, path, inode, file_inode, client, queue, limit };
                Kind::UnixListener(known)
            })
            .boxed(),
        ended().prop_map(Kind::UnixEnded).boxed(),
        (task(), any::<u64>())
            .prop_map(|(task, connections)| Kind::UnixHolderDied(UnixHolderDied { task, connections }))
            .boxed(),
        (task(), any::<u32>(), option::of(name()), option::of(key()), any::<Option<bool>>(), any::<bool>())
            .prop_map(|(client, netns, path, place, file, full)| {
                Kind::UnixRefused(UnixRefused { client, netns, path, place, file, full })
            })
            .boxed(),
        (any::<u64>(), listener_seen())
            .prop_map(|(since, seen)| Kind::UnixOpened(UnixOpened { since, seen }))
            .boxed(),
        (any::<[u64; 2]>(), key(), any::<u32>())
            .prop_map(|([since, cookie], key, queue)| {
                Kind::UnixClosed(UnixClosed { since, key, cookie, queue })
            })
            .boxed(),
        (any::<bool>(), vec(hook(), 0..3))
            .prop_map(|(on, hooks)| Kind::UnixWatched(UnixWatched { on, hooks }))
            .boxed(),
    ]
}

fn ended() -> impl Strategy<Value = UnixEnded> {
    let how = select(vec![
        UnixEnd::QueueReset,
        UnixEnd::UnreadReset,
        UnixEnd::ServerClosed,
        UnixEnd::LateRequest,
        UnixEnd::ClientClosed,
        UnixEnd::ResponseUnread,
        UnixEnd::HolderDied,
        UnixEnd::Unseen,
    ]);
    let seen = (how, task(), option::of(name()), any::<[bool; 2]>());
    let maybe = (any::<[Option<u64>; 5]>(), any::<[Option<u32>; 3]>(), any::<Option<(u32, u64)>>());
    (seen, any::<[u64; 10]>(), any::<[u32; 4]>(), maybe).prop_map(|(seen, wide, narrow, maybe)| {
        let (how, by, path, [client_gone, accepted_before]) = seen;
        let (times, [acceptor, reader, queue_at_arrival], died) = maybe;
        let [connected_at, accepted_at, request_at, read_at, response_at] = times;
        let [sk, listener, binding, file_inode, lost_bytes, requests, reads, responses, read, delivered] =
            wide;
        let [netns, client, limit, queued_behind] = narrow;
        UnixEnded {
            sk,
            listener,
            binding,
            netns,
            path,
            file_inode,
            by,
            client_gone,
            lost_bytes,
            died,
            client,
            acceptor,
            reader,
            accepted_before,
            connected_at,
            accepted_at,
            request_at,
            read_at,
            response_at,
            requests,
            reads,
            responses,
            bytes_read: read,
            bytes_delivered: delivered,
            queue_at_arrival,
            limit,
            queued_behind,
            ..unix_connection(how)
        }
    })
}

/// A name that is not empty.
fn name() -> impl Strategy<Value = UnixPath> {
    path().prop_filter("a name", |path| !path.as_bytes().is_empty())
}
