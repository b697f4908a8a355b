//! The life of processes.
//!
//! * `sched_process_fork(struct task_struct *parent, struct task_struct *child)`
//! * `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
//! * `sched_process_exit(struct task_struct *p)`, since 6.16 with `bool group_dead`

use aya_ebpf::helpers::bpf_probe_read_kernel_str_bytes;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{
    BPRM_FILENAME, SIGNAL_FLAGS, SIGNAL_GROUP_EXIT_CODE, SIGNAL_LIVE, TASK_EXIT_CODE, TASK_PID, TASK_SIGNAL,
    TASK_START_BOOTTIME, TASK_TGID,
};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::{EXECUTED, EXITED, Executed, Exited, FORKED, Forked};

use crate::kernel::{read, write_task};
use crate::maps::send;

/// `SIGNAL_GROUP_EXIT` of include/linux/sched/signal.h: all threads go with one code.
const SIGNAL_GROUP_EXIT: u32 = 4;

#[raw_tracepoint]
fn sched_process_fork(ctx: RawTracePointContext) -> u32 {
    let (parent, child): (u64, u64) = (ctx.arg(0), ctx.arg(1));
    let (pid, tgid): (u32, u32) = (read(child, TASK_PID), read(child, TASK_TGID));
    if pid != tgid {
        return 0; // a thread
    }
    send(FORKED, lost::PROCESS, false, |out: *mut Forked| {
        // SAFETY: a reserved record.
        unsafe {
            write_task(&raw mut (*out).parent, parent);
            write_task(&raw mut (*out).child, child);
            (*out).start_ns = read(child, TASK_START_BOOTTIME);
        }
    });
    0
}

#[raw_tracepoint]
fn sched_process_exec(ctx: RawTracePointContext) -> u32 {
    let (task, bprm): (u64, u64) = (ctx.arg(0), ctx.arg(2));
    send(EXECUTED, lost::PROCESS, false, |out: *mut Executed| {
        // SAFETY: a reserved record; the helper bounds what it writes by the buffer.
        unsafe {
            write_task(&raw mut (*out).task, task);
            (*out).start_ns = read(task, TASK_START_BOOTTIME);
            let name: u64 = read(bprm, BPRM_FILENAME);
            (*out).filename = [0; _];
            let _ = bpf_probe_read_kernel_str_bytes(name as *const u8, &mut (*out).filename);
        }
    });
    0
}

#[raw_tracepoint]
fn sched_process_exit(ctx: RawTracePointContext) -> u32 {
    let task: u64 = ctx.arg(0);
    let signal: u64 = read(task, TASK_SIGNAL);
    // Two threads that leave together may both see 0: user space keeps the first.
    if read::<u32>(signal, SIGNAL_LIVE) != 0 {
        return 0;
    }
    let whole: u32 = read(signal, SIGNAL_FLAGS);
    let code = if whole & SIGNAL_GROUP_EXIT != 0 {
        read(signal, SIGNAL_GROUP_EXIT_CODE)
    } else {
        read(task, TASK_EXIT_CODE)
    };
    send(EXITED, lost::PROCESS, false, |out: *mut Exited| {
        // SAFETY: a reserved record.
        unsafe {
            write_task(&raw mut (*out).task, task);
            (*out).start_ns = read(task, TASK_START_BOOTTIME);
            (*out).code = code;
            (*out).pad = 0;
        }
    });
    0
}
