//! Dumps of sockets by NETLINK_SOCK_DIAG: a request goes out, datagrams of messages come back, each with attributes
//! (include/uapi/linux/netlink.h, sock_diag.h). Replies are length-checked.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::sockets::SocketError;

/// A netlink socket that takes messages from the kernel only.
pub(super) struct Netlink {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Netlink {
    /// One of the calling thread's network namespace.
    pub(super) fn open() -> Result<Netlink, SocketError> {
        let failed =
            |action| move |errno: Errno| SocketError::Netlink { action, source: io::Error::from(errno) };
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(SOCK_DIAG),
        )
        .map_err(|errno| match errno {
            Errno::PROTONOSUPPORT => SocketError::Unsupported(errno.into()),
            _ => failed("opening a netlink socket")(errno),
        })?;
        // Connected to the kernel (port 0), the socket takes messages from nobody else.
        rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0))
            .map_err(failed("connecting to the kernel"))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).map_err(failed("setting a timeout"))?;
        Ok(Netlink { socket, buffer: vec![0; LONGEST] })
    }

    /// Asks for a dump, and gives its datagrams to `take`, which says whether it is over.
    pub(super) fn dump(
        &mut self,
        sequence: u32,
        request: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<bool, SocketError>,
    ) -> Result<(), SocketError> {
        let request = framed(sequence, request);
        rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, &request, SendFlags::empty()))
            .map_err(|errno| dump_error(errno.into(), "asking for a dump"))?;
        while !take(self.datagram()?)? {}
        Ok(())
    }

    fn datagram(&mut self) -> Result<&[u8], SocketError> {
        let (socket, buffer) = (&self.socket, &mut self.buffer);
        let receive = || rustix::net::recv(socket, &mut buffer[..], RecvFlags::TRUNC);
        let (length, whole) = rustix::io::retry_on_intr(receive)
            .map_err(|errno| dump_error(errno.into(), "receiving a dump"))?;
        if whole > length {
            return Err(SocketError::Reply("longer than any dump's"));
        }
        Ok(self.buffer.get(..length).unwrap_or_default())
    }
}

/// Does something in another network namespace, given an open /proc/PID/ns/net.
///
/// A thread of its own enters the namespace and ends there; the caller's thread stays where it is.
pub(super) fn in_namespace<T: Send>(
    namespace: BorrowedFd<'_>,
    list: impl FnOnce() -> Result<T, SocketError> + Send,
) -> Result<T, SocketError> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, || {
                move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
                    .map_err(|errno| SocketError::EnterNamespace(errno.into()))?;
                list()
            })
            .map_err(SocketError::Thread)?
            .join()
            .unwrap_or_else(|_| Err(SocketError::Thread(io::Error::other("the thread panicked"))))
    })
}

/// What a datagram says of its dump.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// It is the last.
    pub(super) over: bool,
    /// Something changed while the dump was made.
    pub(super) interrupted: bool,
}

/// Gives what one datagram of the dump with this sequence number tells of each socket to `take`.
pub(super) fn read_datagram(
    datagram: &[u8],
    sequence: u32,
    mut take: impl FnMut(&[u8]),
) -> Result<Part, SocketError> {
    if datagram.is_empty() {
        return Err(SocketError::Reply("empty"));
    }
    let mut part = Part { over: false, interrupted: false };
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = Message::split(&mut rest).ok_or(SocketError::Reply("a message is cut off"))?;
        if message.sequence != sequence {
            continue;
        }
        part.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        match message.kind {
            BY_FAMILY => take(message.payload),
            NLMSG_DONE | NLMSG_ERROR => match message.errno() {
                0 => return Ok(Part { over: true, ..part }),
                errno => return Err(dump_error(io::Error::from_raw_os_error(errno), "the dump")),
            },
            _ => {}
        }
    }
    Ok(part)
}

/// Takes the first attribute off; `None` at the end, and where it is cut off.
pub(super) fn split_attribute<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = usize::from(half(rest, 0)?);
    let kind = half(rest, 2)? & ATTRIBUTE_TYPE;
    let value = rest.get(ATTRIBUTE..length)?;
    *rest = rest.get(aligned(length)..).unwrap_or_default();
    Some((kind, value))
}

/// 16 bits of a message.
pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// 32 bits of a message.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// SOCK_DIAG_BY_FAMILY
pub(super) const BY_FAMILY: u16 = 20;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
pub(super) const NLM_F_DUMP_INTR: u16 = 0x10;
/// `struct nlmsghdr`
pub(super) const HEADER: usize = 16;
/// `struct nlattr`
pub(super) const ATTRIBUTE: usize = 4;
/// The two top bits of an attribute's type are flags.
const ATTRIBUTE_TYPE: u16 = 0x3fff;
/// A dump's messages come in datagrams of at most 32 KiB.
const LONGEST: usize = 64 << 10;
/// A dump answers at once; only a kernel that lost it would keep silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// `struct nlmsghdr` and what it heads.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    fn split(rest: &mut &'a [u8]) -> Option<Message<'a>> {
        let length = word(rest, 0)? as usize;
        let payload = rest.get(HEADER..length)?;
        let message =
            Message { kind: half(rest, 4)?, flags: half(rest, 6)?, sequence: word(rest, 8)?, payload };
        *rest = rest.get(aligned(length)..).unwrap_or_default();
        Some(message)
    }

    /// Why a dump ended, 0 = it is complete; what is none comes out as an unknown error.
    fn errno(&self) -> i32 {
        word(self.payload, 0).map_or(0, |negated| negated.cast_signed().saturating_neg())
    }
}

/// A request for a dump with its header.
fn framed(sequence: u32, request: &[u8]) -> Vec<u8> {
    let length = (HEADER + request.len()) as u32;
    let mut bytes = Vec::with_capacity(HEADER + request.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    // From this process.
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(request);
    bytes
}

/// ENOENT: no handler, and none could be loaded (net/core/sock_diag.c, net/ipv4/inet_diag.c).
fn dump_error(source: io::Error, action: &'static str) -> SocketError {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP) => SocketError::Unsupported(source),
        _ => SocketError::Netlink { action, source },
    }
}

/// NLMSG_ALIGN, NLA_ALIGN
fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// A message as the kernel sends it.
#[cfg(test)]
pub(super) fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = framed(1, payload);
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    bytes.resize(aligned(bytes.len()), 0);
    bytes
}
