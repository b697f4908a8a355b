//! What unix connections a process dies with. Their close shows nothing where everything was read, answered or not.
//!
//! `sched_process_exit(struct task_struct *p)`, while the descriptors are still open.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{
    FILE_COUNT, FILE_INODE, FILE_PRIVATE, FILE_REF, FILES_COUNT, FILES_TABLE, INODE_MODE, SIGNAL_LIVE,
    SIGNAL_NR_THREADS, SOCKET_SK, TABLE_FILES, TABLE_MAX, TASK_FILES, TASK_SIGNAL, TASK_TGID, UNIX_PEER,
};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::{UNIX_CLIENT_WAS_GONE, UNIX_HOLDER_DIED, UnixHolderDied};

use super::unix::{is_dead, now};
use crate::kernel::{has, peek, read, write_task};
use crate::maps::{UNIX_CHILDREN, UNIX_DYING, UNIX_SERVERS, count_lost, send};

/// Descriptors looked at: as many as the verifier follows on every kernel.
const DESCRIPTORS: u32 = 1_024;
// include/uapi/linux/stat.h
const S_IFMT: u16 = 0o170000;
const S_IFSOCK: u16 = 0o140000;

#[raw_tracepoint]
fn unix_exit(ctx: RawTracePointContext) -> u32 {
    let task: u64 = ctx.arg(0);
    let signal: u64 = read(task, TASK_SIGNAL);
    if read::<u32>(signal, SIGNAL_LIVE) != 0 {
        return 0;
    }
    if UNIX_SERVERS.remove(read::<u32>(task, TASK_TGID)).is_err() {
        return 0;
    }
    let files: u64 = read(task, TASK_FILES);
    // Shared with another process, the descriptors live on. Its own threads, which end on other CPUs at this moment, may
    // still have them, too: they let go of them (exit_files) before they are no longer among its threads (release_task).
    if files == 0 || read::<u32>(files, FILES_COUNT) > read(signal, SIGNAL_NR_THREADS) {
        return 0;
    }
    let table: u64 = read(files, FILES_TABLE);
    let (first, count): (u64, u32) = (read(table, TABLE_FILES), read(table, TABLE_MAX));
    let tgid: u32 = read(task, TASK_TGID);
    let now = now();
    let Some(connections) = UNIX_DYING.get_ptr_mut(0) else { return 0 };
    // SAFETY: this CPU's own slot; a program for a tracepoint is not preempted by itself.
    unsafe { *connections = 0 };
    for index in 0..DESCRIPTORS {
        if index >= count {
            break;
        }
        died_with(peek(first + u64::from(index) * 8), tgid, now, connections);
    }
    // The table grows in powers of two and may be half empty.
    if count > DESCRIPTORS && peek::<u64>(first + u64::from(DESCRIPTORS) * 8) != 0 {
        count_lost(lost::UNIX_DESCRIPTORS);
    }
    // SAFETY: as above.
    let connections = unsafe { *connections };
    if connections > 0 {
        send(UNIX_HOLDER_DIED, lost::UNIX, false, |out: *mut UnixHolderDied| {
            // SAFETY: a reserved record.
            unsafe {
                write_task(&raw mut (*out).task, task);
                (*out).connections = connections;
            }
        });
    }
    0
}

/// Notes that a connection's end is closed by this death, and nothing else will show it, and counts it.
#[inline(always)]
fn died_with(file: u64, tgid: u32, now: u64, count: *mut u64) {
    if file == 0 || read::<u16>(read(file, FILE_INODE), INODE_MODE) & S_IFMT != S_IFSOCK {
        return;
    }
    let child: u64 = read(read(file, FILE_PRIVATE), SOCKET_SK);
    let Some(course) = UNIX_CHILDREN.get_ptr_mut(child) else { return };
    let peer: u64 = read(child, UNIX_PEER);
    // SAFETY: values of maps.
    unsafe {
        // What is unread is dropped in the close that follows, which tells more.
        let unread = (*course).reads.wrapping_sub((*course).requests) >> 63;
        // It may have the address of another, of which nobody saw the end: a listener has no peer at all. Where the peer
        // was not known either, this is 0; and all of it is one number for the verifier's sake, who follows each branch.
        let another = ((*course).client_sk ^ peer).wrapping_mul((*course).client_sk);
        if !is_sole(file) || unread | another != 0 {
            return;
        }
        if is_dead((*course).client_sk) {
            (*course).flags |= UNIX_CLIENT_WAS_GONE;
        }
        (*course).died_ns = now;
        (*course).died_by = tgid;
        *count += 1;
    }
}

/// Whether nobody else has the file open.
#[inline(always)]
fn is_sole(file: u64) -> bool {
    if has(FILE_REF) { read::<u64>(file, FILE_REF) == 0 } else { read::<u64>(file, FILE_COUNT) == 1 }
}
