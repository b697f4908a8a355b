//! Unix listeners by NETLINK_SOCK_DIAG: `struct unix_diag_req` out, `struct unix_diag_msg` and attributes back
//! (include/uapi/linux/unix_diag.h). Replies are length-checked.

use std::io;
use std::os::fd::AsFd;

use super::netlink::{self, Netlink, half, split_attribute, word};
use super::sockets::{SocketError, is_own, namespace};
use crate::event::UnixPath;

/// A unix stream socket with a name: a listener, or the server's end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// The name that it was bound to.
    pub name: UnixPath,
    /// Inode of the socket.
    pub inode: u64,
    /// Low 32 bits of the socket file's inode, 0 for an abstract name.
    pub file_inode: u64,
    /// Socket cookie.
    pub cookie: u64,
    /// Connections in the accept queue.
    pub queue: u32,
    /// The queue's limit (a queue holds one more).
    pub limit: u32,
    /// shutdown(2) was called on it: what waits can be accepted, whoever comes is refused.
    pub shut_down: bool,
}

/// What a listing gave.
#[derive(Debug, Default)]
pub struct UnixList {
    /// In the kernel's order.
    pub sockets: Vec<UnixSocket>,
    over_limit: u64,
    malformed: u64,
    interrupted: bool,
}

impl UnixList {
    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.over_limit == 0 && self.malformed == 0 && !self.interrupted
    }

    /// What was not seen, in words.
    pub fn shortcomings(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.over_limit > 0 {
            let more = self.over_limit;
            notes.push(format!("{more} unix sockets beyond the first {MAX_SOCKETS} were left out"));
        }
        if self.malformed > 0 {
            notes.push(format!(
                "{} of the kernel's replies about unix sockets were malformed",
                self.malformed
            ));
        }
        if self.interrupted {
            notes.push("unix sockets changed while they were listed: some may be missing".to_owned());
        }
        notes
    }
}

/// Lists the server's ends of unix stream connections that were made in the network namespace that a process is in: the
/// queue of each are the bytes that it has not read, its limit those that its peer has not read. One that was not
/// accepted yet has no inode.
pub fn connections(pid: u32) -> Result<UnixList, UnixDiagError> {
    list_in(pid, TCP_ESTABLISHED)
}

/// Lists the unix stream listeners of the network namespace that a process is in. Those without a name can have no
/// clients and are left out.
pub fn list(pid: u32) -> Result<UnixList, UnixDiagError> {
    list_in(pid, TCP_LISTEN)
}

/// Why unix sockets could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum UnixDiagError {
    /// The kernel cannot do it.
    #[error(
        "the kernel has no UNIX_DIAG ({0}); run `modprobe unix_diag`, or build the kernel with CONFIG_UNIX_DIAG"
    )]
    Unsupported(io::Error),
    /// The socket to the kernel failed.
    #[error("{action} failed: {source}; is netlink allowed in this sandbox?")]
    Netlink {
        /// What was done.
        action: &'static str,
        /// What happened.
        source: io::Error,
    },
    /// The kernel's answer makes no sense.
    #[error("the kernel's reply is malformed ({0}); please report this kernel")]
    Reply(&'static str),
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(SocketError),
}

impl From<SocketError> for UnixDiagError {
    /// The words of the former are about TCP.
    fn from(error: SocketError) -> UnixDiagError {
        match error {
            SocketError::Unsupported(source) => UnixDiagError::Unsupported(source),
            SocketError::Netlink { action, source } => UnixDiagError::Netlink { action, source },
            SocketError::Reply(what) => UnixDiagError::Reply(what),
            other => UnixDiagError::Namespace(other),
        }
    }
}

/// Sockets kept of one namespace.
const MAX_SOCKETS: usize = 1 << 16;

/// `struct unix_diag_msg`
const MESSAGE: usize = 16;
const AF_UNIX: u8 = 1;
const SOCK_STREAM: u8 = 1;
const TCP_ESTABLISHED: u8 = 1;
const TCP_LISTEN: u8 = 10;
const SHOW_NAME: u32 = 0x1;
const SHOW_VFS: u32 = 0x2;
const SHOW_QUEUES: u32 = 0x10;
const NAME: u16 = 0;
const VFS: u16 = 1;
const QUEUES: u16 = 4;
const SHUTDOWN: u16 = 6;
// include/net/sock.h
const RECEIVE_SHUTDOWN: u8 = 1;

fn list_in(pid: u32, state: u8) -> Result<UnixList, UnixDiagError> {
    let namespace = namespace(pid)?;
    match is_own(&namespace) {
        true => Ok(dump(state)?),
        false => Ok(netlink::in_namespace(namespace.as_fd(), || dump(state))?),
    }
}

fn dump(state: u8) -> Result<UnixList, SocketError> {
    const SEQUENCE: u32 = 1;
    let mut list = UnixList::default();
    Netlink::open()?
        .dump(SEQUENCE, &request(state), |datagram| read_datagram(datagram, SEQUENCE, state, &mut list))?;
    Ok(list)
}

/// `struct unix_diag_req`: family, protocol, padding, states, inode, what to show, cookie.
fn request(state: u8) -> [u8; 24] {
    let mut request = [0; 24];
    request[0] = AF_UNIX;
    request[4..8].copy_from_slice(&(1u32 << state).to_ne_bytes());
    request[12..16].copy_from_slice(&(SHOW_NAME | SHOW_VFS | SHOW_QUEUES).to_ne_bytes());
    // Any cookie.
    request[16..].fill(0xff);
    request
}

/// Takes in the messages of one datagram about sockets in a state; says whether the dump is over.
pub fn read_datagram(
    datagram: &[u8],
    sequence: u32,
    state: u8,
    list: &mut UnixList,
) -> Result<bool, SocketError> {
    let part = netlink::read_datagram(datagram, sequence, |message| match read_socket(message, state) {
        Some(Some(_)) if list.sockets.len() >= MAX_SOCKETS => list.over_limit += 1,
        Some(Some(socket)) => list.sockets.push(socket),
        Some(None) => {}
        None => list.malformed += 1,
    })?;
    list.interrupted |= part.interrupted;
    Ok(part.over)
}

/// `None` where the message is malformed, `Some(None)` for what is no stream socket in that state with a name.
fn read_socket(message: &[u8], state: u8) -> Option<Option<UnixSocket>> {
    let mut attributes = message.get(MESSAGE..)?;
    if message[..3] != [AF_UNIX, SOCK_STREAM, state] {
        return Some(None);
    }
    let mut socket = UnixSocket {
        name: UnixPath::new(b""),
        inode: u64::from(word(message, 4)?),
        file_inode: 0,
        cookie: u64::from(word(message, 12)?) << 32 | u64::from(word(message, 8)?),
        queue: 0,
        limit: 0,
        shut_down: false,
    };
    while half(attributes, 0).is_some() {
        let (kind, value) = split_attribute(&mut attributes)?;
        match kind {
            NAME => socket.name = UnixPath::new(value),
            VFS => socket.file_inode = u64::from(word(value, 0)?),
            QUEUES => (socket.queue, socket.limit) = (word(value, 0)?, word(value, 4)?),
            SHUTDOWN => socket.shut_down = value.first()? & RECEIVE_SHUTDOWN != 0,
            _ => {}
        }
    }
    Some((!socket.name.as_bytes().is_empty()).then_some(socket))
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use proptest::prelude::*;

    use super::*;

    fn by_name(list: &UnixList, name: &[u8]) -> Vec<UnixSocket> {
        let wanted = UnixPath::new(name);
        list.sockets.iter().filter(|one| one.name == wanted).cloned().collect()
    }

    #[test]
    fn own_listeners_are_found_by_any_name() {
        let dir = tempfile::tempdir().expect("a directory for sockets");
        let path = dir.path().join("s");
        let old = UnixListener::bind(&path).expect("a listener");
        let _queued = [(); 2].map(|()| UnixStream::connect(&path).expect("a connection"));
        std::fs::remove_file(&path).expect("a file to unlink");
        let _new = UnixListener::bind(&path).expect("the path again");
        let file_inode = std::fs::metadata(&path).expect("a socket file").ino();
        let name = format!("drain-observer found {}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let _abstract = UnixListener::bind_addr(&address).expect("a listener");

        let found = list(std::process::id()).expect("a listing");
        let same_path = by_name(&found, path.as_os_str().as_bytes());
        assert_eq!(same_path.len(), 2, "{found:?}");
        for one in &same_path {
            assert!(one.limit >= 128 && one.cookie != 0, "{one:?}");
        }
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&old));
        let link = std::fs::read_link(link).expect("a descriptor");
        let old = same_path.iter().find(|one| link.as_os_str() == &format!("socket:[{}]", one.inode)[..]);
        assert_eq!(old.expect("the old listener").queue, 2);
        let new = same_path.iter().find(|one| one.file_inode == file_inode).expect("the new listener");
        assert_eq!(new.queue, 0);
        let abstract_ones = by_name(&found, format!("\0{name}").as_bytes());
        assert_eq!(abstract_ones.iter().map(|one| one.file_inode).collect::<Vec<_>>(), [0]);
    }

    /// A listener at `@a` with 3 in its queue of 5, shut down.
    fn reply() -> Vec<u8> {
        let mut payload = vec![AF_UNIX, SOCK_STREAM, TCP_LISTEN, 0];
        for number in [4242u32, 7, 1] {
            payload.extend(number.to_ne_bytes());
        }
        payload.extend([6, 0, 0, 0, 0, b'a', 0, 0]);
        payload.extend([12, 0, 4, 0, 3, 0, 0, 0, 5, 0, 0, 0]);
        payload.extend([5, 0, 6, 0, 1, 0, 0, 0]);
        netlink::message(netlink::BY_FAMILY, 0, &payload)
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_listener_is_read_field_by_field() {
        let mut list = UnixList::default();
        assert!(!read_datagram(&reply(), 1, TCP_LISTEN, &mut list).expect("a good message"));
        let expected = UnixSocket {
            name: UnixPath::new(b"\0a"),
            inode: 4242,
            file_inode: 0,
            cookie: 1 << 32 | 7,
            queue: 3,
            limit: 5,
            shut_down: true,
        };
        assert_eq!(list.sockets, [expected]);
    }

    proptest! {
        #[test]
        fn no_datagram_panics(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = reply();
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            let _ = read_datagram(&bytes, 1, TCP_LISTEN, &mut UnixList::default());
            let _ = read_datagram(&bytes[..cut.index(bytes.len())], 1, TCP_LISTEN, &mut UnixList::default());
        }
    }
}
