//! When connections are accepted, where that is wanted. Either program will do.

use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::macros::{kprobe, raw_tracepoint};
use aya_ebpf::programs::{ProbeContext, RawTracePointContext};
use drain_observer_ebpf::facts::{
    FILE_PRIVATE, FILES_TABLE, REGS_ORIG_AX, SOCKET_SK, TABLE_FILES, TABLE_MAX, TASK_FILES,
};

use crate::kernel::{peek, read};
use crate::maps::CONNECTIONS;

// arch/x86/entry/syscalls/syscall_64.tbl
const ACCEPT: u64 = 43;
const ACCEPT4: u64 = 288;

/// `security_sock_graft(struct sock *sk, struct socket *parent)`: a socket is given to a connection that is taken from the
/// queue (net/ipv4/af_inet.c, `__inet_accept`), by whatever call.
#[kprobe]
fn security_sock_graft(ctx: ProbeContext) -> u32 {
    accepted(ctx.arg(0).unwrap_or(0));
    0
}

/// `sys_exit(struct pt_regs *regs, long ret)`: a system call returns, which may be accept(2) with a descriptor.
#[raw_tracepoint]
fn sys_exit(ctx: RawTracePointContext) -> u32 {
    let (regs, descriptor): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    // An error is negative.
    if descriptor > u64::from(u32::MAX) {
        return 0;
    }
    if matches!(read::<u64>(regs, REGS_ORIG_AX), ACCEPT | ACCEPT4) {
        accepted(socket_of(descriptor));
    }
    0
}

/// The `struct sock` of one of the current task's descriptors.
#[inline(always)]
fn socket_of(descriptor: u64) -> u64 {
    // SAFETY: takes nothing, and gives the current task.
    let task = unsafe { bpf_get_current_task() };
    let table: u64 = read(read(task, TASK_FILES), FILES_TABLE);
    if descriptor >= u64::from(read::<u32>(table, TABLE_MAX)) {
        return 0;
    }
    let file: u64 = peek(read::<u64>(table, TABLE_FILES) + descriptor * 8);
    // What is no socket's is no address of a connection that is kept either.
    read(read(file, FILE_PRIVATE), SOCKET_SK)
}

#[inline(always)]
fn accepted(sk: u64) {
    if let Some(kept) = CONNECTIONS.get_ptr_mut(sk) {
        // SAFETY: a value of the map, of which nothing else writes this field.
        unsafe { (*kept).open.accepted_ns = bpf_ktime_get_boot_ns() };
    }
}
