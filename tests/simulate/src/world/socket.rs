//! Listening sockets and their accept queues.

use super::Host;
use super::connection::Close;
use drain_observer::event::{Kind, Listener, ListenerKey};
use std::collections::{BTreeSet, VecDeque};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) key: ListenerKey,
    pub(super) sk: u64,
    pub(super) cookie: u64,
    pub(super) limit: u32,
    pub(super) holders: BTreeSet<u32>,
    /// Connections that nobody has accepted.
    pub(super) queue: VecDeque<usize>,
}

impl Host {
    /// A socket that a process listens on. Its address may have been another's.
    pub(super) fn make_socket(&mut self, pid: u32, key: ListenerKey) -> usize {
        let id = self.sockets.len();
        let free = |sk: &u64| !self.sockets.iter().any(|it| it.sk == *sk && !it.holders.is_empty());
        let sk = (0u64..).map(|number| 0xffff_8881_0000_0000 + number * 0x1000).find(free).unwrap_or(1);
        let socket = Socket {
            key,
            sk,
            cookie: 7_000 + id as u64,
            limit: 1_024,
            holders: BTreeSet::new(),
            queue: VecDeque::new(),
        };
        self.sockets.push(socket);
        self.hold(pid, id);
        id
    }

    pub(super) fn listen(&mut self, pid: u32, key: ListenerKey) {
        if !self.processes.lives(pid) {
            return;
        }
        self.now += 1;
        let id = self.make_socket(pid, key);
        let opened = self.listener(id, pid, 0);
        self.tell(Kind::ListenerOpened(Listener { cookie: 0, ..opened }));
    }

    pub(super) fn hold(&mut self, pid: u32, socket: usize) {
        self.sockets[socket].holders.insert(pid);
        self.processes.hold(pid, socket, self.now);
    }

    /// A process closes its descriptor of a listening socket: the last one to do so closes the socket.
    pub(super) fn let_go(&mut self, pid: u32, id: usize) {
        if !self.sockets[id].holders.remove(&pid) {
            return;
        }
        self.processes.let_go(pid, id, self.now);
        if !self.sockets[id].holders.is_empty() {
            return;
        }
        let queue = std::mem::take(&mut self.sockets[id].queue);
        let closed = self.listener(id, pid, u32::try_from(queue.len()).unwrap_or(u32::MAX));
        self.tell(Kind::ListenerClosed(closed));
        for connection in queue {
            self.close(connection, pid, Close::Queued);
        }
    }

    /// The sockets that listen at a place.
    pub(super) fn listening(&self, key: ListenerKey) -> Vec<usize> {
        let there = |id: &usize| self.sockets[*id].key == key && !self.sockets[*id].holders.is_empty();
        (0..self.sockets.len()).filter(there).collect()
    }

    fn listener(&self, id: usize, pid: u32, queue: u32) -> Listener {
        let Socket { key, sk, cookie, limit, .. } = self.sockets[id];
        Listener { sk, cookie, key, by: self.processes.task(pid), queue, limit, drops: 0 }
    }
}
