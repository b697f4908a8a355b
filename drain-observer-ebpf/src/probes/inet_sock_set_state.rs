//! Listeners and connections, all from one hook that is not on the data path.
//!
//! `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`;
//! `sk->sk_state` still reads `oldstate`.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{
    ALL_CONNECTIONS, BYTES_ACKED, BYTES_RECEIVED, COPIED_SEQ, DATA_SEGS_IN, DATA_SEGS_OUT, IS_MPTCP,
    LRCVTIME, LSNDTIME, NONAGLE, OUTGOING, PINGPONG, RCV_NXT, RCV_TSTAMP, RCV_WUP, SK_ACK_BACKLOG, SK_ERR,
    SK_MAX_ACK_BACKLOG, SK_PROTOCOL, SK_SHUTDOWN, SK_SOCKET, SKC_COOKIE, SKC_FLAGS, SND_NXT, SND_UNA,
    SOCKET_FLAGS, WRITE_SEQ,
};
use drain_observer_ebpf::record::{
    ACTIVE, CONNECTION, CORKED, Connection, DEAD, FLUSHED, FLUSHING as WILL_FLUSH, Flushed, HAS_SOCKET, HELD,
    LINGER, LISTENER_CLOSED, LISTENER_OPENED, MPTCP, NO_TIMES, NOSPACE,
};
use drain_observer_ebpf::{LISTENER_EMIT_ALL, PortKey, lost, seen};

use super::clean::{self, Verdict, judge};
use super::standing::standing;
use super::{late, lingering, listening, upstream};
use crate::fields::{COMMON, Fields as _, SOCK, Sock, Span, TCP};
use crate::kernel::{current_tgid, has, read, value, write_current};
use crate::maps::{
    CONNECTIONS, DRAFT, Kept, LISTENERS, MEMBERS, Open, count_lost, has_been, note, send, watched_port,
};

const IPPROTO_TCP: u16 = 6;
// include/net/tcp_states.h
const ESTABLISHED_STATE: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECV: u32 = 3;
const FIN_WAIT1: u32 = 4;
const FIN_WAIT2: u32 = 5;
const CLOSE: u32 = 7;
const CLOSE_WAIT: u32 = 8;
const LAST_ACK: u32 = 9;
const LISTEN: u32 = 10;
const CLOSING: u32 = 11;
// include/net/sock.h, enum sock_flags; include/linux/net.h; include/net/tcp.h
const SOCK_DEAD: u64 = 1 << 0;
const SOCK_LINGER: u64 = 1 << 4;
const SOCK_NOSPACE: u64 = 1 << 2;
const TCP_NAGLE_CORK: u64 = 2;

#[raw_tracepoint]
#[inline(always)]
fn inet_sock_set_state(ctx: RawTracePointContext) -> u32 {
    let sk: u64 = ctx.arg(0);
    let (old, new) = (ctx.arg::<u64>(1) as u32, ctx.arg::<u64>(2) as u32);
    match (old, new) {
        // A close after a shutdown(2) stays where it is.
        _ if old == new => {}
        // One call for both: with more the stack is deeper than older kernels (6.1) allow.
        (_, LISTEN) | (LISTEN, CLOSE) if is_tcp(sk) => {
            listening::changed(&ctx, sk, if new == LISTEN { LISTENER_OPENED } else { LISTENER_CLOSED });
        }
        (CLOSE, SYN_SENT) => upstream::begun(sk),
        // What is kept of a connection that was closed goes by its address, whatever it is.
        (FIN_WAIT1 | FIN_WAIT2 | CLOSING | LAST_ACK, _) => {
            // Where both sides closed at once, the acknowledgement is still to come.
            if old != FIN_WAIT2 && (old, new) != (FIN_WAIT1, CLOSING) {
                flushed(sk);
            }
            if new == CLOSE && old != LAST_ACK {
                lingering::ended(sk);
            }
        }
        (SYN_RECV, ESTABLISHED_STATE)
        | (SYN_SENT, CLOSE)
        | (ESTABLISHED_STATE | CLOSE_WAIT | SYN_RECV, FIN_WAIT1 | CLOSE_WAIT | LAST_ACK | CLOSE) => {
            changed(sk, old, new);
        }
        _ => {}
    }
    0
}

/// MPTCP's own socks (262) fire this hook too, with another layout behind sock_common.
#[inline(always)]
pub(super) fn is_tcp(sk: u64) -> bool {
    read::<u16>(sk, SK_PROTOCOL) == IPPROTO_TCP
}

/// A connection was made, or one side of it closed.
#[inline(always)]
fn changed(sk: u64, old: u32, new: u32) {
    let Some(sock) = Span::<SOCK>::of(sk) else { return };
    if sock.read::<u16>(SK_PROTOCOL) != IPPROTO_TCP {
        return;
    }
    // A child keeps the listener's limit; a client's socket has none.
    let limited = sock.read::<u32>(SK_MAX_ACK_BACKLOG) != 0;
    match (old, new) {
        (SYN_SENT, _) => {}
        (_, ESTABLISHED_STATE) => established(sk, limited),
        (_, CLOSE_WAIT) => peer_finished(sk, limited),
        _ => {
            let kept = kept(sk, limited);
            let flushes = left(sk, old, new, &sock, limited, kept);
            if kept.is_some() && !flushes {
                // It was there a moment ago; nobody else removes it.
                let _ = CONNECTIONS.remove(sk);
            }
        }
    }
    // In one place, or the verifier of older kernels finds it too deep.
    if !limited && old != SYN_RECV && matches!(new, FIN_WAIT1 | LAST_ACK | CLOSE) {
        upstream::ended(sk);
    }
    if old == ESTABLISHED_STATE && new == FIN_WAIT1 {
        late::closed(sk);
    }
}

/// A server-side handshake is done: only those come from SYN_RECV.
#[inline(always)]
fn established(sk: u64, limited: bool) {
    let port = Sock(sk).local_port();
    if !watched_port(port) {
        return;
    }
    if !limited {
        note(seen::LIMITLESS);
    }
    let netns = Sock(sk).netns();
    // SAFETY: takes nothing, only reads the clock.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let Some(draft) = DRAFT.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own value.
    unsafe {
        *draft = Kept::default();
        (*draft).open.established_ns = now;
        (*draft).netns = netns;
        (*draft).port = port;
    }
    keep(sk, draft, lost::ESTABLISHED_MAP);
    if let Some(counts) = clean::counts(PortKey { netns, port, pad: 0 }) {
        // SAFETY: this CPU's own value.
        unsafe { (*counts).established += 1 };
    }
}

/// What is kept of a connection that may have been accepted: nothing of the many that were not.
#[inline(always)]
fn kept(sk: u64, limited: bool) -> Option<*mut Kept> {
    if limited || has_been(seen::LIMITLESS) { CONNECTIONS.get_ptr_mut(sk) } else { None }
}

/// The peer closed its side. Nearly everything else can still be read at the end, but not when that was, nor what
/// the owner has answered to it.
#[inline(always)]
fn peer_finished(sk: u64, limited: bool) {
    let kept = kept(sk, limited);
    // One that was there before the observer is kept from now on.
    if kept.is_none() && !(limited && watched_port(Sock(sk).local_port())) {
        return;
    }
    let Some(tcp) = Span::<TCP>::of(sk) else { return };
    // SAFETY: takes nothing, only reads the clock.
    let peer_fin_ns = unsafe { bpf_ktime_get_boot_ns() };
    let write_seq_at_fin = tcp.read(WRITE_SEQ);
    // The FIN counts as a byte.
    let standing_at_fin = standing(&tcp, 1);
    let Some(draft) = DRAFT.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own value, and one of the map; this socket's events do not run side by side.
    unsafe {
        *draft = Kept::default();
        let open = kept.unwrap_or(draft);
        (*open).open.peer_fin_ns = peer_fin_ns;
        (*open).open.write_seq_at_fin = write_seq_at_fin;
        (*open).open.standing_at_fin = standing_at_fin;
    }
    if kept.is_none() {
        keep(sk, draft, lost::ESTABLISHED_MAP);
    }
}

/// Keeps the draft; where there is no room, `reason` says what is lost. Whether it is kept.
#[inline(always)]
fn keep(sk: u64, draft: *mut Kept, reason: u32) -> bool {
    // SAFETY: this CPU's own value. By reference: the stack has no room for it.
    let draft = unsafe { &*draft };
    let kept = CONNECTIONS.insert(sk, draft, 0).is_ok();
    if !kept {
        count_lost(reason);
    }
    kept
}

/// A connection left the states in which a request can still be answered. Whether it is kept until its last bytes are
/// acknowledged.
#[inline(always)]
fn left(sk: u64, old: u32, new: u32, sock: &Span<SOCK>, limited: bool, kept: Option<*mut Kept>) -> bool {
    // SAFETY: one of the map, read at once.
    let passive = limited || kept.is_some_and(|kept| unsafe { (*kept).open.established_ns } != 0);
    if !passive && (value(OUTGOING) != 1 || MEMBERS.get_ptr(current_tgid()).is_none()) {
        return false;
    }
    let Some(draft) = DRAFT.get_ptr_mut(0) else { return false };
    // SAFETY: this CPU's own value, and one of the map, copied at once.
    let (open, netns, port) = unsafe {
        let (open, netns, port) =
            kept.map_or((Open::default(), 0, 0), |kept| ((*kept).open, (*kept).netns, (*kept).port));
        (*draft).open = open;
        (&(*draft).open, netns, port)
    };
    let port = if port != 0 { port } else { Sock(sk).local_port() };
    if passive && !watched_port(port) {
        return false;
    }
    let (Some(common), Some(tcp)) = (Span::<COMMON>::of(sk), Span::<TCP>::of(sk)) else { return false };
    // SAFETY: takes nothing, only reads the clock.
    let jiffies = unsafe { bpf_jiffies64() as u32 };
    let shutdown: u8 = sock.read(SK_SHUTDOWN);
    let err: u32 = common.read(SK_ERR);
    let socket: u64 = common.read(SK_SOCKET);
    let (write_seq, snd_una): (u32, u32) = (tcp.read(WRITE_SEQ), tcp.read(SND_UNA));
    let snd_nxt: u32 = tcp.read(SND_NXT);
    let unacked = write_seq.wrapping_sub(snd_una);
    let orderly = err == 0 && new != CLOSE;
    let netns = if netns != 0 { netns } else { common.netns() };
    let key = PortKey { netns, port, pad: 0 };

    let mut flags = sock_flags(&common, &tcp, socket);
    if !passive {
        flags |= ACTIVE;
        // Of outgoing connections only those matter that die with work undelivered.
        if unacked == 0 {
            return false;
        }
    }
    let clean = passive && orderly && socket != 0 && flags & (LINGER | NOSPACE | CORKED | MPTCP) == 0;
    let counts = if clean { clean::counts(key) } else { None };
    let verdict = match counts {
        // SAFETY: this CPU's own value, read at once.
        Some(counts) => judge(&tcp, fin_received(old), jiffies, unsafe { (*counts).established }),
        None => Verdict::Unsure,
    };
    let send_it = verdict == Verdict::Unsure || emits_all(key);
    let flushing = orderly && unacked != 0;
    let lingers = passive && orderly && new == FIN_WAIT1 && lingering::is_half(shutdown);
    if !send_it
        && !flushing
        && let Some(counts) = counts
    {
        // SAFETY: this CPU's own value.
        unsafe {
            clean::count(
                counts,
                verdict,
                tcp.read(BYTES_RECEIVED),
                tcp.read::<u64>(BYTES_ACKED) + u64::from(unacked),
            )
        };
        if !lingers {
            return false;
        }
    }
    // SAFETY: takes nothing, only reads the clock.
    let closed_ns = unsafe { bpf_ktime_get_boot_ns() };
    if lingers {
        lingering::begin(sk, &tcp, closed_ns, jiffies, unacked);
    }
    let flushes = flushing && {
        // SAFETY: this CPU's own value, and one of the map; this socket's events do not run side by side.
        unsafe {
            let closing = &raw mut (*draft).closing;
            (*closing).closed_ns = closed_ns;
            (*closing).bytes_received = tcp.read(BYTES_RECEIVED);
            (*closing).bytes_written = tcp.read::<u64>(BYTES_ACKED) + u64::from(unacked);
            (*closing).rcv_nxt = tcp.read(RCV_NXT);
            write_current(&raw mut (*closing).task);
            (*closing).write_seq = write_seq;
            (*closing).snd_nxt = snd_nxt;
            (*closing).jiffies = jiffies;
            (*closing).flags = flags;
            (*closing).old_state = old as u8;
            (*closing).new_state = new as u8;
            (*closing).shutdown = shutdown;
            (*closing).held = u8::from(!send_it);
            match kept {
                Some(kept) => {
                    (*kept).closing = *closing;
                    ((*kept).netns, (*kept).port) = (netns, port);
                    true
                }
                None => {
                    ((*draft).netns, (*draft).port) = (netns, port);
                    keep(sk, draft, lost::FLUSHING_MAP)
                }
            }
        }
    };
    if flushes {
        flags |= WILL_FLUSH;
    }
    if !send_it && (!flushing || flushes) {
        return flushes;
    }
    send(CONNECTION, lost::CONNECTION, false, |out: *mut Connection| {
        // SAFETY: a reserved record.
        unsafe {
            write_current(&raw mut (*out).task);
            write_open(out, open);
            (*out).bytes_received = tcp.read(BYTES_RECEIVED);
            (*out).rcv_nxt = tcp.read(RCV_NXT);
            (*out).closed_ns = closed_ns;
            (*out).write_seq = write_seq;
            (*out).snd_nxt = snd_nxt;
            (*out).jiffies = jiffies;
            (*out).flags = flags;
            (*out).old_state = old as u8;
            (*out).new_state = new as u8;
            (*out).shutdown = shutdown;
            (*out).rcv_tstamp = tcp.read(RCV_TSTAMP);
            (*out).standing = if open.peer_fin_ns != 0 {
                open.standing_at_fin
            } else {
                standing(&tcp, fin_received(old) as u32)
            };
            write_transfer(out, sk, (&common, sock, &tcp), key);
        }
    });
    flushes
}

/// The last bytes of a closed connection were acknowledged, or never will be.
#[inline(always)]
fn flushed(sk: u64) {
    let Some(kept) = CONNECTIONS.get_ptr(sk) else { return };
    // SAFETY: a value of the map, which is there until it is removed below; this socket's events do not run side by side.
    let kept = unsafe { &*kept };
    // One that is open is of another socket, which had the address before and whose end was missed.
    if kept.closing.closed_ns != 0 {
        tell_flushed(sk, kept);
    }
    // It was there a moment ago; nobody else removes it.
    let _ = CONNECTIONS.remove(sk);
}

#[inline(always)]
fn tell_flushed(sk: u64, kept: &Kept) {
    let (open, closing) = (&kept.open, &kept.closing);
    let key = PortKey { netns: kept.netns, port: kept.port, pad: 0 };
    // The FIN, which counts as one, lies beyond the write_seq that was kept.
    let missing = closing.write_seq.wrapping_sub(Sock(sk).read(SND_UNA)) as i32;
    let unacked = if missing > 0 { missing as u32 } else { 0 };
    if closing.held == 0 {
        send(FLUSHED, lost::FLUSHED, false, |out: *mut Flushed| {
            // SAFETY: a reserved record.
            unsafe {
                (*out).sk = sk;
                (*out).closed_ns = closing.closed_ns;
                Sock(sk).write_tuple(&raw mut (*out).tuple, key.netns, key.port);
                (*out).unacked = unacked;
                (*out).err = Sock(sk).read(SK_ERR);
            }
        });
        return;
    }
    if unacked == 0
        && let Some(counts) = clean::counts(key)
    {
        // SAFETY: this CPU's own value.
        unsafe { clean::count(counts, Verdict::Served, closing.bytes_received, closing.bytes_written) };
        return;
    }
    let spans = (Span::<COMMON>::of(sk), Span::<SOCK>::of(sk), Span::<TCP>::of(sk));
    let (Some(common), Some(sock), Some(tcp)) = spans else { return };
    send(CONNECTION, lost::CONNECTION, false, |out: *mut Connection| {
        // SAFETY: a reserved record.
        unsafe {
            (*out).task = closing.task;
            write_open(out, open);
            (*out).bytes_received = closing.bytes_received;
            (*out).rcv_nxt = closing.rcv_nxt;
            (*out).closed_ns = closing.closed_ns;
            (*out).write_seq = closing.write_seq;
            (*out).snd_nxt = closing.snd_nxt;
            (*out).jiffies = closing.jiffies;
            (*out).flags = closing.flags | HELD;
            (*out).old_state = closing.old_state;
            (*out).new_state = closing.new_state;
            (*out).shutdown = closing.shutdown;
            // Only what was sent after everything received is held back.
            (*out).rcv_tstamp = 0;
            (*out).standing = open.standing_at_fin;
            write_transfer(out, sk, (&common, &sock, &tcp), key);
        }
    });
}

/// A received FIN counts as one byte.
#[inline(always)]
fn fin_received(old: u32) -> u64 {
    u64::from(old == CLOSE_WAIT)
}

#[inline(always)]
fn emits_all(key: PortKey) -> bool {
    if value(ALL_CONNECTIONS) == 1 {
        return true;
    }
    // SAFETY: a value of the map, read at once.
    let all = || LISTENERS.get_ptr(key).is_some_and(|flags| unsafe { *flags } & LISTENER_EMIT_ALL != 0);
    has_been(seen::EMIT_ALL) && all()
}

#[inline(always)]
fn sock_flags(common: &Span<COMMON>, tcp: &Span<TCP>, socket: u64) -> u32 {
    let mut flags = 0;
    if socket != 0 {
        flags |= HAS_SOCKET;
        flags |= moved(read(socket, SOCKET_FLAGS), SOCK_NOSPACE, NOSPACE);
    }
    let kernel: u64 = common.read(SKC_FLAGS);
    flags |= moved(kernel, SOCK_DEAD, DEAD) | moved(kernel, SOCK_LINGER, LINGER);
    flags |= moved(tcp.bits(NONAGLE).into(), TCP_NAGLE_CORK, CORKED);
    flags |= moved(tcp.bits(IS_MPTCP).into(), 1, MPTCP);
    if !has(LSNDTIME) || !has(LRCVTIME) {
        flags |= NO_TIMES;
    }
    flags
}

/// One bit of the kernel's as one of ours, without a branch: the verifier follows every combination of branches.
#[inline(always)]
fn moved(bits: u64, theirs: u64, ours: u32) -> u32 {
    ((bits & theirs) / theirs) as u32 * ours
}

/// Writes what was kept while the connection was open.
///
/// # Safety
/// `out` points to a whole record that may be written.
#[inline(always)]
unsafe fn write_open(out: *mut Connection, open: &Open) {
    // SAFETY: as the caller promised.
    unsafe {
        (*out).established_ns = open.established_ns;
        (*out).accepted_ns = open.accepted_ns;
        (*out).peer_fin_ns = open.peer_fin_ns;
        (*out).write_seq_at_fin = open.write_seq_at_fin;
    }
}

/// Writes what the socket says of the data that went both ways. `spans`: all three, in their order.
///
/// # Safety
/// `out` points to a whole record that may be written.
#[inline(always)]
unsafe fn write_transfer(
    out: *mut Connection,
    sk: u64,
    (common, sock, tcp): (&Span<COMMON>, &Span<SOCK>, &Span<TCP>),
    key: PortKey,
) {
    // SAFETY: as the caller promised.
    unsafe {
        (*out).sk = sk;
        (*out).cookie = common.read(SKC_COOKIE);
        common.write_tuple(&raw mut (*out).tuple, key.netns, key.port);
        (*out).bytes_acked = tcp.read(BYTES_ACKED);
        (*out).copied_seq = tcp.read(COPIED_SEQ);
        (*out).rcv_wup = tcp.read(RCV_WUP);
        (*out).snd_una = tcp.read(SND_UNA);
        (*out).lsndtime = tcp.read(LSNDTIME);
        (*out).lrcvtime = tcp.read(LRCVTIME);
        (*out).queue_at_arrival = sock.read(SK_ACK_BACKLOG);
        (*out).data_segs_in = tcp.read(DATA_SEGS_IN);
        (*out).data_segs_out = tcp.read(DATA_SEGS_OUT);
        (*out).err = common.read(SK_ERR);
        (*out).pingpong = tcp.bits(PINGPONG);
        (*out).pad = 0;
    }
}
