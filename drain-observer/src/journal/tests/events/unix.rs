//! Events about unix sockets.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::task;
use crate::event::*;

/// Any event about a unix socket.
pub(super) fn kind() -> BoxedStrategy<Kind> {
    prop_oneof![
        (task(), option::of(path()), any::<[u64; 4]>(), any::<[u32; 3]>()).prop_map(
            |(client, path, [sk, binding, inode, file_inode], [netns, queue, limit])| {
                Kind::UnixListener(UnixListener {
                    sk,
                    binding,
                    netns,
                    path,
                    inode,
                    file_inode,
                    client,
                    queue,
                    limit,
                })
            }
        ),
        (option::of(path()), any::<[u64; 3]>(), any::<[u32; 3]>(), vec(any::<u32>(), 0..4)).prop_map(
            |(path, [inode, file_inode, cookie], [netns, queue, limit], holders)| {
                Kind::UnixListenerSeen(UnixListenerSeen {
                    netns,
                    path,
                    inode,
                    file_inode,
                    cookie,
                    queue,
                    limit,
                    holders,
                })
            }
        ),
        ended().prop_map(Kind::UnixEnded),
        (task(), any::<u64>())
            .prop_map(|(task, connections)| Kind::UnixHolderDied(UnixHolderDied { task, connections })),
        (task(), any::<u32>(), option::of(path()))
            .prop_map(|(client, netns, path)| Kind::UnixRefused(UnixRefused { client, netns, path })),
    ]
    .boxed()
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
    let seen = (how, task(), option::of(path()), any::<[bool; 2]>());
    let numbers =
        (any::<[u64; 10]>(), any::<[u32; 3]>(), any::<[Option<u64>; 5]>(), any::<[Option<u32>; 3]>());
    (seen, numbers, any::<Option<(u32, u64)>>()).prop_map(|(seen, (wide, narrow, times, maybe), died)| {
        let (how, by, path, [client_gone, accepted_before]) = seen;
        let [
            sk,
            listener,
            binding,
            file_inode,
            lost_bytes,
            requests,
            reads,
            responses,
            bytes_read,
            bytes_delivered,
        ] = wide;
        let [netns, client, limit] = narrow;
        let [connected_at, accepted_at, request_at, read_at, response_at] = times;
        let [acceptor, reader, queue_at_arrival] = maybe;
        UnixEnded {
            sk,
            listener,
            binding,
            netns,
            path,
            file_inode,
            how,
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
            bytes_read,
            bytes_delivered,
            queue_at_arrival,
            limit,
        }
    })
}

fn path() -> impl Strategy<Value = UnixPath> {
    vec(any::<u8>(), 1..=108)
        .prop_filter_map("a path does not begin with its end", |bytes| UnixPath::new(&bytes))
}
