//! Who signals whom, and whether a handler runs.
//!
//! * `signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)`
//! * `signal_deliver(int sig, struct kernel_siginfo *info, struct k_sigaction *ka)`

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{SI_CODE, TASK_TGID};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::{SIGNAL_DELIVERED, SIGNAL_GENERATED, SignalDelivered, SignalGenerated};

use crate::kernel::{current_tgid, peek, read, write_current, write_task};
use crate::maps::{MEMBERS, send};

/// Stop, reload and fault signals: what people and supervisors send, and what kills. Not CHLD, timers,
/// or what runtimes send themselves all day (URG, VTALRM, PROF, IO, PIPE).
const WATCHED: u64 = bit(1) // HUP
    | bit(2) // INT
    | bit(3) // QUIT
    | bit(4) // ILL
    | bit(6) // ABRT
    | bit(7) // BUS
    | bit(8) // FPE
    | bit(9) // KILL
    | bit(10) // USR1
    | bit(11) // SEGV
    | bit(12) // USR2
    | bit(15) // TERM
    | bit(18) // CONT
    | bit(19) // STOP
    | bit(21) // TTIN
    | bit(22) // TTOU
    | bit(24) // XCPU
    | bit(28) // WINCH
    | bit(31); // SYS

/// `SEND_SIG_PRIV` of include/linux/sched/signal.h: a marker in place of a pointer.
const SEND_SIG_PRIV: u64 = 1;

#[raw_tracepoint]
fn signal_generate(ctx: RawTracePointContext) -> u32 {
    let signal = ctx.arg::<u64>(0) as u32;
    if !watched(signal) {
        return 0;
    }
    let (info, target): (u64, u64) = (ctx.arg(1), ctx.arg(2));
    let (group, result) = (ctx.arg::<u64>(3) as u32, ctx.arg::<u64>(4) as u32);
    let code: i32 = if info > SEND_SIG_PRIV { read(info, SI_CODE) } else { 0 };
    // SI_KERNEL and fault codes are positive, what a process sends is 0 or negative.
    let from_kernel = u32::from(info == SEND_SIG_PRIV || code > 0);
    let urgent = is_member(read(target, TASK_TGID));
    send(SIGNAL_GENERATED, lost::SIGNAL, urgent, |out: *mut SignalGenerated| {
        // SAFETY: a reserved record.
        unsafe {
            write_current(&raw mut (*out).sender);
            write_task(&raw mut (*out).target, target);
            (*out).signal = signal;
            (*out).result = result;
            (*out).group = group;
            (*out).from_kernel = from_kernel;
            (*out).code = code;
            (*out).pad = 0;
        }
    });
    0
}

#[raw_tracepoint]
fn signal_deliver(ctx: RawTracePointContext) -> u32 {
    let signal = ctx.arg::<u64>(0) as u32;
    if !watched(signal) {
        return 0;
    }
    // k_sigaction begins with sa.sa_handler: 0 = SIG_DFL, 1 = SIG_IGN.
    let handler: u64 = peek(ctx.arg(2));
    let urgent = is_member(current_tgid());
    send(SIGNAL_DELIVERED, lost::SIGNAL, urgent, |out: *mut SignalDelivered| {
        // SAFETY: a reserved record.
        unsafe {
            write_current(&raw mut (*out).task);
            (*out).signal = signal;
            (*out).action = handler.min(2) as u32;
        }
    });
    0
}

const fn bit(signal: u32) -> u64 {
    1 << signal
}

/// Whether a process is of a watched service. Its signals may begin a restart; those of others can wait, and waking the
/// observer would cost who sends them more than all the rest.
#[inline(always)]
fn is_member(tgid: u32) -> bool {
    MEMBERS.get_ptr(tgid).is_some()
}

#[inline(always)]
fn watched(signal: u32) -> bool {
    signal < 64 && WATCHED & (1 << signal) != 0
}
