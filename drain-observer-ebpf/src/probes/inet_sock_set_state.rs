//! Listeners and connections, all from one hook that is not on the data path.
//!
//! `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`;
//! `sk->sk_state` still reads `oldstate`.

use aya_ebpf::bindings::BPF_NOEXIST;
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
    self, ACTIVE, CONNECTION, CORKED, Connection, DEAD, FLUSHED, FLUSHING as WILL_FLUSH, Flushed, HAS_SOCKET,
    HELD, LINGER, LISTENER_CLOSED, LISTENER_OPENED, MPTCP, NO_TIMES, NOSPACE, Task,
};
use drain_observer_ebpf::{LISTENER_EMIT_ALL, PortCounts, PortKey, TLS_ALERTS, TLS_TICKETS_WITHIN, lost};

use super::standing::standing;
use super::{late, lingering, listening, upstream};
use crate::kernel::{
    current_tgid, has, local_port, netns, read, read_bits, value, write_current, write_tuple,
};
use crate::maps::{
    COUNTS, Closing, ESTABLISHED, FLUSHING, LISTENERS, MEMBERS, Open, count_lost, send, watched_port,
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
fn inet_sock_set_state(ctx: RawTracePointContext) -> u32 {
    let sk: u64 = ctx.arg(0);
    let (old, new) = (ctx.arg::<u64>(1) as u32, ctx.arg::<u64>(2) as u32);
    // MPTCP's own socks (262) fire this hook too, with another layout behind sock_common.
    if read::<u16>(sk, SK_PROTOCOL) != IPPROTO_TCP {
        return 0;
    }
    // One call for both: with more the stack is deeper than older kernels (6.1) allow.
    if old != new && (new == LISTEN || (old == LISTEN && new == CLOSE)) {
        listening::changed(&ctx, sk, if new == LISTEN { LISTENER_OPENED } else { LISTENER_CLOSED });
        return 0;
    }
    match (old, new) {
        // A close after a shutdown(2) stays where it is.
        _ if old == new => {}
        (CLOSE, SYN_SENT) => upstream::begun(sk),
        (SYN_RECV, ESTABLISHED_STATE) => established(sk),
        (ESTABLISHED_STATE, CLOSE_WAIT) => peer_finished(sk),
        (ESTABLISHED_STATE | CLOSE_WAIT | SYN_RECV, FIN_WAIT1 | LAST_ACK | CLOSE) => left(sk, old, new),
        // Both sides closed at once: wait for the acknowledgement.
        (FIN_WAIT1, CLOSING) => {}
        (FIN_WAIT1 | CLOSING | LAST_ACK, _) => flushed(sk),
        _ => {}
    }
    if new == CLOSE && matches!(old, FIN_WAIT1 | FIN_WAIT2 | CLOSING) {
        lingering::ended(sk);
    }
    // In one place, or the verifier of older kernels finds it too deep.
    if matches!(old, SYN_SENT | ESTABLISHED_STATE | CLOSE_WAIT) && matches!(new, FIN_WAIT1 | LAST_ACK | CLOSE)
    {
        upstream::ended(sk);
    }
    if old == ESTABLISHED_STATE && new == FIN_WAIT1 {
        late::closed(sk);
    }
    0
}

/// A server-side handshake is done: only those come from SYN_RECV.
#[inline(always)]
fn established(sk: u64) {
    let port = local_port(sk);
    if !watched_port(port) {
        return;
    }
    // SAFETY: takes nothing, only reads the clock.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let open = Open { established_ns: now, ..Open::default() };
    if ESTABLISHED.insert(sk, open, 0).is_err() {
        count_lost(lost::ESTABLISHED_MAP);
    }
    if let Some(counts) = counts(PortKey { netns: netns(sk), port, pad: 0 }) {
        // SAFETY: this CPU's own value.
        unsafe { (*counts).established += 1 };
    }
}

/// The peer closed its side. Nearly everything else can still be read at the end, but not when that was, nor what
/// the owner has answered to it.
#[inline(always)]
fn peer_finished(sk: u64) {
    // The FIN counts as a byte.
    if let Some(open) = ESTABLISHED.get_ptr_mut(sk) {
        // SAFETY: a value of the map; this socket's events do not run side by side.
        unsafe {
            (*open).peer_fin_ns = bpf_ktime_get_boot_ns();
            (*open).write_seq_at_fin = read(sk, WRITE_SEQ);
            (*open).standing_at_fin = standing(sk, 1);
        }
        return;
    }
    // It was there before the observer, and nothing is kept of it yet.
    if read::<u32>(sk, SK_MAX_ACK_BACKLOG) == 0 || !watched_port(local_port(sk)) {
        return;
    }
    // SAFETY: takes nothing, only reads the clock.
    let peer_fin_ns = unsafe { bpf_ktime_get_boot_ns() };
    let open = Open {
        peer_fin_ns,
        write_seq_at_fin: read(sk, WRITE_SEQ),
        standing_at_fin: standing(sk, 1),
        ..Open::default()
    };
    if ESTABLISHED.insert(sk, open, 0).is_err() {
        count_lost(lost::ESTABLISHED_MAP);
    }
}

/// A connection left the states in which a request can still be answered.
#[inline(always)]
fn left(sk: u64, old: u32, new: u32) {
    let port = local_port(sk);
    let open = match ESTABLISHED.get_ptr(sk) {
        // SAFETY: a value of the map, copied at once.
        Some(open) => unsafe { *open },
        None => Open::default(),
    };
    if open.established_ns != 0 || open.peer_fin_ns != 0 {
        // It was there a moment ago; nobody else removes it.
        let _ = ESTABLISHED.remove(sk);
    }
    // A child keeps the listener's backlog limit; a client's socket has 0.
    let passive = open.established_ns != 0 || read::<u32>(sk, SK_MAX_ACK_BACKLOG) != 0;
    if passive {
        if !watched_port(port) {
            return;
        }
    } else if value(OUTGOING) != 1 || MEMBERS.get_ptr(current_tgid()).is_none() {
        return;
    }
    // SAFETY: takes nothing, only reads the clock.
    let (closed_ns, jiffies) = unsafe { (bpf_ktime_get_boot_ns(), bpf_jiffies64() as u32) };
    let shutdown: u8 = read(sk, SK_SHUTDOWN);
    let err: u32 = read(sk, SK_ERR);
    let socket: u64 = read(sk, SK_SOCKET);
    let (write_seq, snd_una): (u32, u32) = (read(sk, WRITE_SEQ), read(sk, SND_UNA));
    let snd_nxt: u32 = read(sk, SND_NXT);
    let unacked = write_seq.wrapping_sub(snd_una);
    let orderly = err == 0 && new != CLOSE;
    let key = PortKey { netns: netns(sk), port, pad: 0 };

    if passive && orderly && new == FIN_WAIT1 {
        lingering::begin(sk, shutdown, closed_ns, jiffies, unacked);
    }
    let mut flags = sock_flags(sk, socket);
    if !passive {
        flags |= ACTIVE;
        // Of outgoing connections only those matter that die with work undelivered.
        if unacked == 0 {
            return;
        }
    }
    let clean = passive && orderly && socket != 0 && flags & (LINGER | NOSPACE | CORKED | MPTCP) == 0;
    let verdict = if clean { judge(sk, old, jiffies, key) } else { Verdict::Unsure };
    let send_it = matches!(verdict, Verdict::Unsure) || emits_all(key);
    let flushing = orderly && unacked != 0;
    if !send_it && !flushing {
        count_clean(key, verdict, sk, unacked);
        return;
    }
    if flushing {
        let mut closing = Closing {
            closed_ns,
            open,
            bytes_received: read(sk, BYTES_RECEIVED),
            rcv_nxt: read(sk, RCV_NXT),
            tgid: 0,
            pid: 0,
            write_seq,
            snd_nxt,
            jiffies,
            flags,
            old_state: old as u8,
            new_state: new as u8,
            shutdown,
            held: u8::from(!send_it),
            comm: [0; record::COMM_LEN],
        };
        let mut task = Task { tgid: 0, pid: 0, comm: [0; record::COMM_LEN] };
        // SAFETY: a local.
        unsafe { write_current(&raw mut task) };
        (closing.tgid, closing.pid, closing.comm) = (task.tgid, task.pid, task.comm);
        if FLUSHING.insert(sk, closing, 0).is_ok() {
            flags |= WILL_FLUSH;
            if !send_it {
                return;
            }
        } else {
            count_lost(lost::FLUSHING_MAP);
        }
    }
    send(CONNECTION, lost::CONNECTION, false, |out: *mut Connection| {
        // SAFETY: a reserved record.
        unsafe {
            write_current(&raw mut (*out).task);
            write_open(out, &open);
            (*out).bytes_received = read(sk, BYTES_RECEIVED);
            (*out).rcv_nxt = read(sk, RCV_NXT);
            (*out).closed_ns = closed_ns;
            (*out).write_seq = write_seq;
            (*out).snd_nxt = snd_nxt;
            (*out).jiffies = jiffies;
            (*out).flags = flags;
            (*out).old_state = old as u8;
            (*out).new_state = new as u8;
            (*out).shutdown = shutdown;
            (*out).rcv_tstamp = read(sk, RCV_TSTAMP);
            (*out).standing = if open.peer_fin_ns != 0 {
                open.standing_at_fin
            } else {
                standing(sk, fin_received(old) as u32)
            };
            write_transfer(out, sk, key);
        }
    });
}

/// The last bytes of a closed connection were acknowledged, or never will be.
#[inline(always)]
fn flushed(sk: u64) {
    let closing = match FLUSHING.get_ptr(sk) {
        // SAFETY: a value of the map, copied at once.
        Some(closing) => unsafe { *closing },
        None => return,
    };
    // It was there a moment ago; nobody else removes it.
    let _ = FLUSHING.remove(sk);
    let port = local_port(sk);
    let key = PortKey { netns: netns(sk), port, pad: 0 };
    // The FIN, which counts as one, lies beyond the write_seq that was kept.
    let missing = closing.write_seq.wrapping_sub(read(sk, SND_UNA)) as i32;
    let unacked = if missing > 0 { missing as u32 } else { 0 };
    if closing.held == 0 {
        send(FLUSHED, lost::FLUSHED, false, |out: *mut Flushed| {
            // SAFETY: a reserved record.
            unsafe {
                (*out).sk = sk;
                (*out).closed_ns = closing.closed_ns;
                write_tuple(&raw mut (*out).tuple, sk, key.netns, key.port);
                (*out).unacked = unacked;
                (*out).err = read(sk, SK_ERR);
            }
        });
        return;
    }
    if unacked == 0 {
        count_clean(key, Verdict::Served, sk, 0);
        return;
    }
    send(CONNECTION, lost::CONNECTION, false, |out: *mut Connection| {
        // SAFETY: a reserved record.
        unsafe {
            (*out).task = Task { tgid: closing.tgid, pid: closing.pid, comm: closing.comm };
            write_open(out, &closing.open);
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
            (*out).standing = closing.open.standing_at_fin;
            write_transfer(out, sk, key);
        }
    });
}

enum Verdict {
    Served,
    Idle,
    Unsure,
}

/// What is surely clean about an orderly close: nothing asked, or everything asked answered after it was asked.
#[inline(always)]
fn judge(sk: u64, old: u32, jiffies: u32, key: PortKey) -> Verdict {
    let received = payload_received(sk, old);
    let unread = unread(sk, old);
    let written = read::<u64>(sk, BYTES_ACKED)
        + u64::from(read::<u32>(sk, WRITE_SEQ).wrapping_sub(read::<u32>(sk, SND_UNA)));
    if received == 0 && written == 0 {
        return Verdict::Idle;
    }
    if unread != 0 || received == 0 || written == 0 || !has(LSNDTIME) || !has(LRCVTIME) {
        return Verdict::Unsure;
    }
    // The last thing written may be no more than a goodbye.
    if TLS_ALERTS.contains(&read::<u32>(sk, WRITE_SEQ).wrapping_sub(read(sk, SND_UNA))) {
        return Verdict::Unsure;
    }
    let (sent, got): (u32, u32) = (read(sk, LSNDTIME), read(sk, LRCVTIME));
    let (later, silence) = (sent.wrapping_sub(got) as i32, jiffies.wrapping_sub(sent));
    // Session tickets, too, are sent after the first request has come, at once and long before a response.
    let perhaps_tickets =
        later <= TLS_TICKETS_WITHIN && silence > 1 && matches!(read::<u32>(sk, DATA_SEGS_IN), 2..=4);
    let answered = later > 0 || later == 0 && answered_in_a_tick(sk, old, key);
    if answered && !perhaps_tickets { Verdict::Served } else { Verdict::Unsure }
}

/// Whether the one segment of a request was answered in the tick in which it came: who answers also acknowledges, and
/// then is in "pingpong" mode. Of more segments the last may be another request, or part of a TLS handshake. The first
/// connections of a port are left to user space all the same, which learns from them whether it does without TLS.
#[inline(always)]
fn answered_in_a_tick(sk: u64, old: u32, key: PortKey) -> bool {
    const FIRST: u64 = 64;
    // SAFETY: this CPU's own value, read at once.
    let established = COUNTS.get_ptr(key).map_or(0, |counts| unsafe { (*counts).established });
    old == ESTABLISHED_STATE
        && established > FIRST
        && has(PINGPONG)
        && has(RCV_WUP)
        && read::<u32>(sk, DATA_SEGS_IN) == 1
        && read::<u32>(sk, RCV_WUP) == read(sk, RCV_NXT)
        && read_bits(sk, PINGPONG) != 0
}

#[inline(always)]
fn payload_received(sk: u64, old: u32) -> u64 {
    // A received FIN counts as one byte.
    read::<u64>(sk, BYTES_RECEIVED).saturating_sub(fin_received(old))
}

#[inline(always)]
fn unread(sk: u64, old: u32) -> u64 {
    let (next, copied): (u32, u32) = (read(sk, RCV_NXT), read(sk, COPIED_SEQ));
    u64::from(next.wrapping_sub(copied)).saturating_sub(fin_received(old))
}

#[inline(always)]
fn fin_received(old: u32) -> u64 {
    u64::from(old == CLOSE_WAIT)
}

#[inline(always)]
fn emits_all(key: PortKey) -> bool {
    if value(ALL_CONNECTIONS) == 1 {
        return true;
    }
    match LISTENERS.get_ptr(key) {
        // SAFETY: a value of the map, read at once.
        Some(flags) => unsafe { *flags & LISTENER_EMIT_ALL != 0 },
        None => false,
    }
}

#[inline(always)]
fn sock_flags(sk: u64, socket: u64) -> u32 {
    let mut flags = 0;
    if socket != 0 {
        flags |= HAS_SOCKET;
        flags |= moved(read(socket, SOCKET_FLAGS), SOCK_NOSPACE, NOSPACE);
    }
    let kernel: u64 = read(sk, SKC_FLAGS);
    flags |= moved(kernel, SOCK_DEAD, DEAD) | moved(kernel, SOCK_LINGER, LINGER);
    flags |= moved(read_bits(sk, NONAGLE).into(), TCP_NAGLE_CORK, CORKED);
    flags |= moved(read_bits(sk, IS_MPTCP).into(), 1, MPTCP);
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

#[inline(always)]
fn count_clean(key: PortKey, verdict: Verdict, sk: u64, unacked: u32) {
    let Some(counts) = counts(key) else { return };
    // SAFETY: this CPU's own value.
    unsafe {
        if matches!(verdict, Verdict::Idle) {
            (*counts).idle += 1;
        } else {
            (*counts).served += 1;
            (*counts).bytes_received += read::<u64>(sk, BYTES_RECEIVED);
            (*counts).bytes_written += read::<u64>(sk, BYTES_ACKED) + u64::from(unacked);
        }
    }
}

#[inline(always)]
fn counts(key: PortKey) -> Option<*mut PortCounts> {
    if let Some(counts) = COUNTS.get_ptr_mut(key) {
        return Some(counts);
    }
    // Another CPU may be first: then the insertion fails and the value is there all the same.
    let _ = COUNTS.insert(
        key,
        PortCounts { established: 0, served: 0, idle: 0, bytes_received: 0, bytes_written: 0 },
        u64::from(BPF_NOEXIST),
    );
    let counts = COUNTS.get_ptr_mut(key);
    if counts.is_none() {
        count_lost(lost::COUNTS_MAP);
    }
    counts
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

/// Writes what `tcp_sock` says of the data that went both ways.
///
/// # Safety
/// `out` points to a whole record that may be written.
#[inline(always)]
unsafe fn write_transfer(out: *mut Connection, sk: u64, key: PortKey) {
    // SAFETY: as the caller promised.
    unsafe {
        (*out).sk = sk;
        (*out).cookie = read(sk, SKC_COOKIE);
        write_tuple(&raw mut (*out).tuple, sk, key.netns, key.port);
        (*out).bytes_acked = read(sk, BYTES_ACKED);
        (*out).copied_seq = read(sk, COPIED_SEQ);
        (*out).rcv_wup = read(sk, RCV_WUP);
        (*out).snd_una = read(sk, SND_UNA);
        (*out).lsndtime = read(sk, LSNDTIME);
        (*out).lrcvtime = read(sk, LRCVTIME);
        (*out).queue_at_arrival = read(sk, SK_ACK_BACKLOG);
        (*out).data_segs_in = read(sk, DATA_SEGS_IN);
        (*out).data_segs_out = read(sk, DATA_SEGS_OUT);
        (*out).err = read(sk, SK_ERR);
        (*out).pingpong = read_bits(sk, PINGPONG);
        (*out).pad = 0;
    }
}
