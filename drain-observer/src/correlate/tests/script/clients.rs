//! What becomes of clients.

use super::super::words::{NETNS, Words, Wrong, clients, endpoint, peers, time};
use super::super::{situations, unix_situations};
use super::Reader;
use crate::event::{
    Connection, Endpoint, Flushed, Kind, Lingered, ListenerKey, Reset, ResetKind, Task, UnixEnded,
    UnixRefused, UpstreamFailed,
};

impl Reader {
    pub(super) fn connections(&mut self, words: &mut Words<'_>) -> Result<Vec<Kind>, Wrong> {
        let client = words.next("the client's end")?;
        if let Some(clients) = clients(client)? {
            let (socket, names) = (self.unix_socket(words)?, &mut self.names);
            let ended = unix_situations::connection(words, self.at, socket, &mut |word| names.task(word))?;
            let each = |client: Task| Kind::UnixEnded(UnixEnded { client: client.pid, ..ended.clone() });
            return Ok(clients.into_iter().map(each).collect());
        }
        let peers = peers(client)?;
        let local = self.local(words)?;
        let mut connection =
            situations::connection(words, self.at, local, Endpoint { port: 0, ..local }, Task::default())?;
        words.expects("by")?;
        connection.by = self.names.task(words.next("process")?)?;
        let each = |peer: Endpoint| {
            let sk = 0xffff_8880_0000_0000 | u64::from(peer.port) << 8;
            Kind::Connection(Connection { sk, peer, ..connection.clone() })
        };
        Ok(peers.into_iter().map(each).collect())
    }

    pub(super) fn upstream(&mut self, words: &mut Words<'_>) -> Result<Vec<Kind>, Wrong> {
        let peers = peers(words.next("the client's end")?)?;
        let server = self.local(words)?;
        words.expects("by")?;
        let by = self.names.task(words.next("process")?)?;
        let errno = match words.optional() {
            None => 0,
            Some("refused") => 111,
            Some("reset") => 104,
            Some(other) => return Err(format!("refused or reset expected, `{other}` found")),
        };
        let netns = NETNS;
        let each = |local| Kind::UpstreamFailed(UpstreamFailed { by, netns, local, peer: server, errno });
        Ok(peers.into_iter().map(each).collect())
    }

    pub(super) fn flushed(&mut self, words: &mut Words<'_>) -> Result<Vec<Kind>, Wrong> {
        let peers = peers(words.next("the client's end")?)?;
        let local = self.local(words)?;
        words.expects("closed")?;
        let closed_at = time(words.next("when it was closed")?)?;
        let unacked = if words.takes("left") { words.number("bytes")? } else { 0 };
        let errno = match words.optional() {
            None => 0,
            Some("reset") => 104,
            Some("timeout") => 110,
            Some(other) => return Err(format!("reset or timeout expected, `{other}` found")),
        };
        let each = |peer: Endpoint| {
            let sk = 0xffff_8880_0000_0000 | u64::from(peer.port) << 8;
            Kind::Flushed(Flushed { sk, closed_at, local, peer, netns: NETNS, unacked, errno })
        };
        Ok(peers.into_iter().map(each).collect())
    }

    pub(super) fn lingered(&mut self, words: &mut Words<'_>) -> Result<Vec<Kind>, Wrong> {
        let peers = peers(words.next("the client's end")?)?;
        let local = self.local(words)?;
        words.expects("closed")?;
        let closed_at = time(words.next("when it was closed")?)?;
        let received = words.number("bytes")?;
        let quiet = if words.takes("quiet") { words.number("ticks")? } else { 100 };
        words.expects("by")?;
        let by = self.names.task(words.next("process")?)?;
        let each = |peer: Endpoint| {
            let sk = 0xffff_8880_0000_0000 | u64::from(peer.port) << 8;
            let netns = NETNS;
            Kind::Lingered(Lingered { sk, closed_at, local, peer, netns, by, received, quiet, unacked: 0 })
        };
        Ok(peers.into_iter().map(each).collect())
    }

    pub(super) fn resets(&mut self, reason: ResetKind, words: &mut Words<'_>) -> Result<Vec<Kind>, Wrong> {
        let client = words.next("the client's end")?;
        if let Some(clients) = clients(client)?.filter(|_| reason == ResetKind::Refused) {
            return self.unix_refused(clients, words);
        }
        let peers = peers(client)?;
        let local = self.local(words)?;
        let payload = if reason == ResetKind::Refused { 0 } else { words.number("bytes")? };
        let each = |peer| {
            let netns = NETNS;
            Kind::Reset(Reset { reason, local, peer, netns, state: None, payload })
        };
        Ok(peers.into_iter().map(each).collect())
    }

    fn unix_refused(&self, clients: Vec<Task>, words: &mut Words<'_>) -> Result<Vec<Kind>, Wrong> {
        let place = self.unix_socket(words)?.0;
        let (file, full) = match words.next("why")? {
            "nofile" => (false, false),
            "full" => (true, true),
            "nobody" | "denied" => (true, false),
            other => return Err(format!("nofile, nobody, full or denied expected, `{other}` found")),
        };
        let each = |client| {
            Kind::UnixRefused(UnixRefused {
                client,
                netns: place.netns,
                path: place.local.path().copied(),
                place: Some(place),
                file: Some(file),
                full,
            })
        };
        Ok(clients.into_iter().map(each).collect())
    }

    fn unix_socket(&self, words: &mut Words<'_>) -> Result<(ListenerKey, u64), Wrong> {
        let first = self.path.as_deref().ok_or("which path? there was no listener yet")?;
        let name = if words.takes("->") { words.next("the server's end")? } else { first };
        self.unix.get(name).copied().ok_or_else(|| format!("nobody ever listened at `{name}`"))
    }

    fn local(&self, words: &mut Words<'_>) -> Result<Endpoint, Wrong> {
        if words.takes("->") {
            return endpoint(words.next("the server's end")?);
        }
        let port = self.port.ok_or("which port? there was no listener yet")?;
        endpoint(&format!(":{port}"))
    }
}
