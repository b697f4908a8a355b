//! Unix listeners by NETLINK_SOCK_DIAG: `struct unix_diag_req` out, `struct unix_diag_msg` and attributes back
//! (include/uapi/linux/unix_diag.h). Replies are length-checked.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;

use super::convert::netns;
use super::scan::{self, Limits};
use super::sock_diag::{self, Message, dump_error, half, in_namespace, split_attribute, word};
use super::sockets::{SocketError, is_own, namespace};
use crate::event::{UnixListenerSeen, UnixPath};

/// Unix listeners that were found.
#[derive(Debug, Default)]
pub struct UnixListeners {
    /// By network namespace and inode.
    pub listeners: Vec<UnixListenerSeen>,
    /// What could not be seen, in words.
    pub notes: Vec<String>,
}

/// Lists the unix stream listeners of all network namespaces, and who holds them.
pub fn look_around() -> UnixListeners {
    let mut found = UnixListeners::default();
    match scan::network_namespaces() {
        Ok(namespaces) => {
            for (inode, pid) in namespaces.into_iter().take(MAX_NAMESPACES) {
                let netns = netns(inode);
                match list(pid, netns) {
                    Ok(dump) => found.add(netns, dump),
                    Err(error) => {
                        let note =
                            format!("unix listeners of network namespace {netns} are not known: {error}");
                        found.notes.push(note);
                    }
                }
            }
        }
        Err(error) => found.notes.push(error.to_string()),
    }
    found.find_holders();
    found
}

impl UnixListeners {
    fn add(&mut self, netns: u32, dump: Dump) {
        let mut say = |what: String| self.notes.push(format!("network namespace {netns}: {what}"));
        if dump.over_limit > 0 {
            say(format!("{} unix listeners beyond the first {MAX_LISTENERS} were left out", dump.over_limit));
        }
        if dump.malformed > 0 {
            say(format!("{} of the kernel's replies about unix sockets were malformed", dump.malformed));
        }
        if dump.interrupted {
            say("unix sockets changed while they were listed: some may be missing".to_owned());
        }
        self.listeners.extend(dump.listeners);
        self.listeners.sort_by_key(|one| (one.netns, one.inode));
    }

    fn find_holders(&mut self) {
        let inodes: HashSet<u64> = self.listeners.iter().map(|one| one.inode).collect();
        if inodes.is_empty() {
            return;
        }
        match scan::scan(None, Some(&inodes), &Limits::default()) {
            Ok(result) => {
                for listener in &mut self.listeners {
                    listener.holders = result.holders.get(&listener.inode).cloned().unwrap_or_default();
                }
                if !result.is_complete() {
                    let note = "descriptors of some processes were not seen: holders of unix listeners may be unknown";
                    self.notes.push(note.to_owned());
                }
            }
            Err(error) => self.notes.push(error.to_string()),
        }
    }
}

/// Why unix sockets could not be listed.
#[derive(Debug, thiserror::Error)]
enum UnixDiagError {
    #[error(
        "the kernel has no UNIX_DIAG ({0}); run `modprobe unix_diag`, or build the kernel with CONFIG_UNIX_DIAG"
    )]
    Unsupported(io::Error),
    #[error("{action} failed: {source}; is netlink allowed in this sandbox?")]
    Netlink { action: &'static str, source: io::Error },
    #[error("the kernel's reply is malformed ({0}); please report this kernel")]
    Reply(&'static str),
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

/// Namespaces looked into.
const MAX_NAMESPACES: usize = 1_024;
/// Listeners kept of one namespace.
const MAX_LISTENERS: usize = 1 << 16;

/// `struct unix_diag_msg`
const MESSAGE: usize = 16;
const AF_UNIX: u8 = 1;
const SOCK_STREAM: u8 = 1;
const TCP_LISTEN: u8 = 10;
const SHOW_NAME: u32 = 0x1;
const SHOW_VFS: u32 = 0x2;
const SHOW_QUEUES: u32 = 0x10;
const NAME: u16 = 0;
const VFS: u16 = 1;
const QUEUES: u16 = 4;

/// What one namespace's dump gave.
#[derive(Debug, Default)]
struct Dump {
    netns: u32,
    listeners: Vec<UnixListenerSeen>,
    over_limit: u64,
    malformed: u64,
    interrupted: bool,
}

fn list(pid: u32, netns: u32) -> Result<Dump, UnixDiagError> {
    let namespace = namespace(pid)?;
    match is_own(&namespace) {
        true => Ok(dump(netns)?),
        false => Ok(in_namespace(namespace.as_fd(), || dump(netns))?),
    }
}

fn dump(netns: u32) -> Result<Dump, SocketError> {
    const SEQUENCE: u32 = 1;
    let netlink = sock_diag::open()?;
    sock_diag::send(&netlink, &sock_diag::framed(SEQUENCE, &request()))?;
    let mut buffer = vec![0; 64 << 10];
    let mut dump = Dump { netns, ..Dump::default() };
    while !read_datagram(sock_diag::datagram(&netlink, &mut buffer)?, SEQUENCE, &mut dump)? {}
    Ok(dump)
}

/// `struct unix_diag_req`: family, protocol, padding, states, inode, what to show, cookie.
fn request() -> [u8; 24] {
    let mut request = [0; 24];
    request[0] = AF_UNIX;
    request[4..8].copy_from_slice(&(1u32 << TCP_LISTEN).to_ne_bytes());
    request[12..16].copy_from_slice(&(SHOW_NAME | SHOW_VFS | SHOW_QUEUES).to_ne_bytes());
    // Any cookie.
    request[16..].fill(0xff);
    request
}

/// Takes in the messages of one datagram; says whether the dump is over.
fn read_datagram(datagram: &[u8], sequence: u32, dump: &mut Dump) -> Result<bool, SocketError> {
    if datagram.is_empty() {
        return Err(SocketError::Reply("empty"));
    }
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = Message::split(&mut rest).ok_or(SocketError::Reply("a message is cut off"))?;
        if message.sequence != sequence {
            continue;
        }
        dump.interrupted |= message.was_interrupted();
        if let Some(code) = message.end() {
            return match code {
                0 => Ok(true),
                _ => Err(dump_error(io::Error::from_raw_os_error(code.saturating_neg()), "the dump")),
            };
        }
        if !message.is_socket() {
            continue;
        }
        match read_listener(message.payload, dump.netns) {
            Some(_) if dump.listeners.len() >= MAX_LISTENERS => dump.over_limit += 1,
            Some(Some(listener)) => dump.listeners.push(listener),
            Some(None) => {}
            None => dump.malformed += 1,
        }
    }
    Ok(false)
}

/// `None` where the message is malformed, `Some(None)` for what is no stream listener.
fn read_listener(message: &[u8], netns: u32) -> Option<Option<UnixListenerSeen>> {
    let mut attributes = message.get(MESSAGE..)?;
    if message[..3] != [AF_UNIX, SOCK_STREAM, TCP_LISTEN] {
        return Some(None);
    }
    let mut listener = UnixListenerSeen {
        netns,
        path: None,
        inode: u64::from(word(message, 4)?),
        file_inode: 0,
        cookie: u64::from(word(message, 12)?) << 32 | u64::from(word(message, 8)?),
        queue: 0,
        limit: 0,
        holders: Vec::new(),
    };
    while half(attributes, 0).is_some() {
        let (kind, value) = split_attribute(&mut attributes)?;
        match kind {
            NAME => listener.path = UnixPath::new(value),
            VFS => listener.file_inode = u64::from(word(value, 0)?),
            QUEUES => (listener.queue, listener.limit) = (word(value, 0)?, word(value, 4)?),
            _ => {}
        }
    }
    Some(Some(listener))
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use proptest::prelude::*;

    use super::*;

    fn by_path(found: &UnixListeners, path: &[u8]) -> Vec<UnixListenerSeen> {
        let wanted = UnixPath::new(path);
        found.listeners.iter().filter(|one| one.path == wanted).cloned().collect()
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

        let found = look_around();
        let same_path = by_path(&found, path.as_os_str().as_bytes());
        assert_eq!(same_path.len(), 2, "{found:?}");
        for one in &same_path {
            assert_eq!(one.holders, [std::process::id()]);
            assert!(one.limit >= 128 && one.cookie != 0, "{one:?}");
        }
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&old));
        let link = std::fs::read_link(link).expect("a descriptor");
        let old = same_path.iter().find(|one| link.as_os_str() == &format!("socket:[{}]", one.inode)[..]);
        assert_eq!(old.expect("the old listener").queue, 2);
        let new = same_path.iter().find(|one| one.file_inode == file_inode).expect("the new listener");
        assert_eq!(new.queue, 0);
        let abstract_ones = by_path(&found, format!("\0{name}").as_bytes());
        assert_eq!(abstract_ones.iter().map(|one| one.file_inode).collect::<Vec<_>>(), [0]);
    }

    /// A listener at `@a` with 3 in its queue of 5.
    fn reply() -> Vec<u8> {
        let mut payload = vec![AF_UNIX, SOCK_STREAM, TCP_LISTEN, 0];
        for number in [4242u32, 7, 1] {
            payload.extend(number.to_ne_bytes());
        }
        payload.extend([6, 0, 0, 0, 0, b'a', 0, 0]);
        payload.extend([12, 0, 4, 0, 3, 0, 0, 0, 5, 0, 0, 0]);
        let mut message = sock_diag::framed(1, &payload);
        message[6..8].fill(0);
        message
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_listener_is_read_field_by_field() {
        let mut dump = Dump { netns: 9, ..Dump::default() };
        assert!(!read_datagram(&reply(), 1, &mut dump).expect("a good message"));
        let expected = UnixListenerSeen {
            netns: 9,
            path: UnixPath::new(b"\0a"),
            inode: 4242,
            file_inode: 0,
            cookie: 1 << 32 | 7,
            queue: 3,
            limit: 5,
            holders: Vec::new(),
        };
        assert_eq!(dump.listeners, [expected]);
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
            let _ = read_datagram(&bytes, 1, &mut Dump::default());
            let _ = read_datagram(&bytes[..cut.index(bytes.len())], 1, &mut Dump::default());
        }
    }
}
