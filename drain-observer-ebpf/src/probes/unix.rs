//! What the hooks that see unix stream sockets share: which end is which, what is kept of a connection, and how its
//! end is told. Each field of what is kept is written by one side of the connection only; two threads that use one end
//! at the same time may miscount.

use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use drain_observer_ebpf::facts::{
    DENTRY_INODE, INODE_INO, PID_NUMBERS, SK_MAX_ACK_BACKLOG, SK_PEER_PID, SK_RECEIVE_QLEN, SK_SOCKET,
    SK_TYPE, SKC_FAMILY, SKC_FLAGS, SOCKET_INODE, UNIX_ADDR, UNIX_ADDRESS_LEN, UNIX_ADDRESS_NAME,
    UNIX_DENTRY, UNIX_LISTENER_OF, UNIX_PEER,
};
use drain_observer_ebpf::record::{
    UNIX_ACCEPTED_BEFORE, UNIX_CLIENT_CLOSED, UNIX_ENDED, UNIX_LISTENER, UNIX_NAME_LEN, UNIX_QUEUE_RESET,
    UNIX_RESET_TOLD, UNIX_SERVER_CLOSED, UNIX_UNSEEN, UnixCourse, UnixEnded, UnixListener, UnixName,
};
use drain_observer_ebpf::{UnixCounts, lost};

use crate::fields::{Fields as _, Sock};
use crate::kernel::{address, current_tgid, peek, read, write_current};
use crate::maps::{UNIX_CHILDREN, UNIX_COUNTS, UNIX_EMIT_ALL, UNIX_SERVERS, count_lost, send};

const AF_UNIX: u16 = 1;
const SOCK_STREAM: u16 = 1;
// include/net/sock.h, enum sock_flags
const SOCK_DEAD: u64 = 1 << 0;
/// Of `struct sockaddr_un`, before its path.
const FAMILY_LEN: u32 = 2;

/// A connection of which something is kept.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Server's end.
    pub(super) child: u64,
    /// Whether the socket asked about is the server's end.
    pub(super) is_child: bool,
    /// What is kept.
    pub(super) course: *mut UnixCourse,
}

/// Whether a `struct sock` is a unix stream socket.
#[inline(always)]
pub(super) fn is_unix_stream(sk: u64) -> bool {
    sk != 0 && read::<u16>(sk, SKC_FAMILY) == AF_UNIX && read::<u16>(sk, SK_TYPE) == SOCK_STREAM
}

/// Whether it was made for a connection that did not come about: only success gives it a type.
#[inline(always)]
pub(super) fn is_unborn(sk: u64) -> bool {
    sk != 0
        && read::<u16>(sk, SKC_FAMILY) == AF_UNIX
        && read::<u16>(sk, SK_TYPE) == 0
        && read::<u64>(sk, SK_SOCKET) == 0
}

/// Whether its last descriptor is closed.
#[inline(always)]
pub(super) fn is_dead(sk: u64) -> bool {
    read::<u64>(sk, SKC_FLAGS) & SOCK_DEAD != 0
}

/// What an address is bound by: the same for a listener and all its children.
#[inline(always)]
pub(super) fn binding(sk: u64) -> u64 {
    read(sk, UNIX_ADDR)
}

/// The process that connected, in the initial pid namespace.
#[inline(always)]
pub(super) fn client_pid(child: u64) -> u32 {
    let pid: u64 = read(child, SK_PEER_PID);
    if pid == 0 { 0 } else { peek(address(pid, PID_NUMBERS)) }
}

/// What is kept of the connection that a socket is an end of.
#[inline(always)]
pub(super) fn known(sk: u64) -> Option<Known> {
    if let Some(course) = kept(sk) {
        return Some(Known { child: sk, is_child: true, course });
    }
    let peer: u64 = read(sk, UNIX_PEER);
    if peer == 0 {
        return None;
    }
    kept(peer).map(|course| Known { child: peer, is_child: false, course })
}

/// The same, and a connection that was there before the probes is kept from now on.
#[inline(always)]
pub(super) fn known_or_adopted(sk: u64) -> Option<Known> {
    if let Some(known) = known(sk) {
        return Some(known);
    }
    let peer: u64 = read(sk, UNIX_PEER);
    if peer == 0 || is_dead(sk) || is_dead(peer) {
        return None;
    }
    // A client is rarely bound; where both are, nothing tells them apart.
    let (child, is_child) = match (binding(sk), binding(peer)) {
        (own, 0) if own != 0 => (sk, true),
        (0, other) if other != 0 => (peer, false),
        _ => return None,
    };
    let mut course = new_course(child);
    if read::<u64>(child, SK_SOCKET) != 0 {
        course.flags = UNIX_ACCEPTED_BEFORE;
    }
    keep(child, &course);
    UNIX_CHILDREN.get_ptr_mut(child).map(|course| Known { child, is_child, course })
}

/// What can be read of a server's end at any time.
#[inline(always)]
pub(super) fn new_course(child: u64) -> UnixCourse {
    UnixCourse {
        listener: read(child, UNIX_LISTENER_OF),
        binding: binding(child),
        file_inode: file_inode(child),
        client_sk: read(child, UNIX_PEER),
        client: client_pid(child),
        limit: read(child, SK_MAX_ACK_BACKLOG),
        ..UnixCourse::default()
    }
}

/// Inode of the file that a socket is bound to, 0 if to none; a listener and its children have the same.
#[inline(always)]
fn file_inode(sk: u64) -> u64 {
    let dentry: u64 = read(sk, UNIX_DENTRY);
    if dentry == 0 { 0 } else { read(read(dentry, DENTRY_INODE), INODE_INO) }
}

/// Inode of a socket, as `/proc/PID/fd` and sock_diag show it; 0 if no process has it.
#[inline(always)]
fn socket_inode(sk: u64) -> u64 {
    let socket: u64 = read(sk, SK_SOCKET);
    // A `struct socket` is the first member of its `struct socket_alloc`.
    if socket == 0 { 0 } else { read(address(socket, SOCKET_INODE), INODE_INO) }
}

/// Keeps a connection.
#[inline(always)]
pub(super) fn keep(child: u64, course: &UnixCourse) {
    if UNIX_CHILDREN.insert(child, course, 0).is_err() {
        count_lost(lost::UNIX_CHILDREN_MAP);
    }
}

/// What is kept of a connection that waits to be accepted. What is kept at its address otherwise has ended unseen: that
/// is told, and forgotten.
#[inline(always)]
pub(super) fn waiting(child: u64) -> Option<*mut UnixCourse> {
    let course = UNIX_CHILDREN.get_ptr_mut(child)?;
    // SAFETY: a value of the map, read at once.
    if unsafe { is_waiting(&*course) && (*course).binding == binding(child) } {
        return Some(course);
    }
    end(child, UNIX_UNSEEN, 0);
    None
}

/// Whether it waits to be accepted, as far as is known.
#[inline(always)]
pub(super) fn is_waiting(course: &UnixCourse) -> bool {
    course.accepted_ns == 0 && course.flags & UNIX_ACCEPTED_BEFORE == 0
}

/// Whether a client found its connection reset while it waited to be accepted. Its client may then close before the
/// listener's close has come as far as to drop it, which tells of it: that it did not leave first is noted.
#[inline(always)]
pub(super) fn lost_in_queue(known: &Known) -> bool {
    // SAFETY: a value of the map.
    unsafe {
        if known.is_child || !is_waiting(&*known.course) || !is_dead(known.child) {
            return false;
        }
        (*known.course).flags |= UNIX_RESET_TOLD;
        true
    }
}

/// Notes that the current process has a server's ends: its descriptors are looked at when it dies.
#[inline(always)]
pub(super) fn note_server() {
    let tgid = current_tgid();
    if UNIX_SERVERS.get_ptr(tgid).is_none() {
        // A full map costs what is only known from a process's death.
        if UNIX_SERVERS.insert(tgid, 1, 0).is_err() {
            count_lost(lost::UNIX_CHILDREN_MAP);
        }
    }
}

/// `CLOCK_BOOTTIME`, ns.
#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: takes nothing, only reads the clock.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Tells that a connection ended, or counts it where it was clean, once, and forgets it.
#[inline(always)]
pub(super) fn end(child: u64, how: u32, lost_bytes: u64) {
    let Some(kept) = UNIX_CHILDREN.get_ptr(child) else { return };
    // SAFETY: a value of the map, copied at once.
    let course = unsafe { *kept };
    // Whoever removes it tells.
    if UNIX_CHILDREN.remove(child).is_err() {
        return;
    }
    if emits_all() || !is_quiet(how) || !course.is_whole() {
        tell(child, &course, how, lost_bytes);
    } else if course.requests == 0 && course.responses == 0 {
        count(course.binding, |counts| counts.idle += 1);
    } else if course.is_served() {
        count(course.binding, |counts| counts.served += 1);
    } else {
        tell(child, &course, how, lost_bytes);
    }
}

/// Adds to what is counted of a listener's connections.
#[inline(always)]
pub(super) fn count(binding: u64, add: impl FnOnce(&mut UnixCounts)) {
    if UNIX_COUNTS.get_ptr(binding).is_none()
        && UNIX_COUNTS.insert(binding, UnixCounts::default(), 0).is_err()
    {
        count_lost(lost::UNIX_COUNTS_MAP);
        return;
    }
    if let Some(counts) = UNIX_COUNTS.get_ptr_mut(binding) {
        // SAFETY: this CPU's own slot, and the program is not preempted by itself.
        add(unsafe { &mut *counts });
    }
}

/// Whether clean connections are to be told of as well.
#[inline(always)]
fn emits_all() -> bool {
    // SAFETY: a value of the map, read at once.
    UNIX_EMIT_ALL.get_ptr(0).is_some_and(|all| unsafe { *all } != 0)
}

/// Whether an end is one that a clean connection may have.
#[inline(always)]
fn is_quiet(how: u32) -> bool {
    how == UNIX_SERVER_CLOSED || how == UNIX_CLIENT_CLOSED
}

/// Tells that a connection ended.
#[inline(always)]
pub(super) fn tell(child: u64, course: &UnixCourse, how: u32, lost_bytes: u64) {
    // A client keeps its peer until it is closed.
    let client_gone = course.client_sk != 0
        && course.flags & UNIX_RESET_TOLD == 0
        && (read::<u64>(course.client_sk, UNIX_PEER) != child || is_dead(course.client_sk));
    let queued_behind = if how == UNIX_QUEUE_RESET && course.listener != 0 {
        read(course.listener, SK_RECEIVE_QLEN)
    } else {
        0
    };
    send(UNIX_ENDED, lost::UNIX, false, |out: *mut UnixEnded| {
        // SAFETY: a reserved record.
        unsafe {
            (*out).sk = child;
            (*out).course = *course;
            write_current(&raw mut (*out).by);
            (*out).how = how;
            (*out).client_gone = u32::from(client_gone && how != UNIX_UNSEEN);
            (*out).lost_bytes = lost_bytes;
            (*out).queued_behind = queued_behind;
            (*out).pad = 0;
            if how == UNIX_UNSEEN {
                // Its address is another's by now.
                (*out).name = UnixName { netns: 0, len: 0, is_abstract: 0, bytes: [0; _], pad: 0 };
            } else {
                write_name(&raw mut (*out).name, child);
            }
        }
    });
}

/// Tells of a listener: its address, 0 if only one of its children is at hand; a socket that has its name and file; how
/// many wait, and at most.
#[inline(always)]
pub(super) fn tell_listener(listener: u64, named: u64, queue: u32, limit: u32) {
    send(UNIX_LISTENER, lost::UNIX, false, |out: *mut UnixListener| {
        // SAFETY: a reserved record.
        unsafe {
            (*out).sk = listener;
            (*out).binding = binding(named);
            (*out).inode = if listener == 0 { 0 } else { socket_inode(listener) };
            (*out).file_inode = file_inode(named);
            write_current(&raw mut (*out).client);
            (*out).queue = queue;
            (*out).limit = limit;
            write_name(&raw mut (*out).name, named);
        }
    });
}

/// Writes what a socket is bound to.
///
/// # Safety
/// `out` points to a whole `UnixName` that may be written.
#[inline(always)]
unsafe fn write_name(out: *mut UnixName, sk: u64) {
    let bound = binding(sk);
    // SAFETY: as the caller promised; the helper checks the address, and the length is that of the buffer at most.
    unsafe {
        (*out).netns = Sock(sk).netns();
        (*out).bytes = [0; _];
        (*out).pad = 0;
        let whole = if bound == 0 { 0 } else { read::<u32>(bound, UNIX_ADDRESS_LEN) };
        let start = address(bound, UNIX_ADDRESS_NAME) + u64::from(FAMILY_LEN);
        let len = name_len(whole);
        let unread = aya_ebpf::helpers::generated::bpf_probe_read_kernel(
            (&raw mut (*out).bytes).cast(),
            len,
            start as *const _,
        ) != 0;
        let len = if unread { 0 } else { len };
        (*out).len = len as u16;
        (*out).is_abstract = u16::from(len > 0 && (*out).bytes[0] == 0);
    }
}

/// Bytes of the name in an address of so many.
#[inline(always)]
pub(super) fn name_len(address_len: u32) -> u32 {
    let len = address_len.wrapping_sub(FAMILY_LEN);
    // A path of full length has its zero beyond `sun_path`.
    if address_len <= FAMILY_LEN {
        0
    } else if len > UNIX_NAME_LEN as u32 {
        UNIX_NAME_LEN as u32
    } else {
        len
    }
}

/// Notes which socket the server's end has become, for those who look at it from outside.
#[inline(always)]
pub(super) fn note_inode(known: &Known) {
    // SAFETY: a value of the map; only the server's side writes this field.
    unsafe {
        if (*known.course).inode == 0 {
            (*known.course).inode = socket_inode(known.child);
        }
    }
}

/// What is kept of a server's end; what is of another socket, which had the address before, is told and forgotten.
#[inline(always)]
fn kept(sk: u64) -> Option<*mut UnixCourse> {
    let course = UNIX_CHILDREN.get_ptr_mut(sk)?;
    // SAFETY: a value of the map, read at once.
    if unsafe { (*course).binding } == binding(sk) {
        return Some(course);
    }
    end(sk, UNIX_UNSEEN, 0);
    None
}
