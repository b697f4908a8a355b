//! `mark_victim(struct task_struct *task, uid_t uid)`; before 6.8 `mark_victim(int pid)`.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::facts::{TASK_TGID, VICTIM_IS_TASK};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::{OOM_VICTIM, OomVictim};

use crate::kernel::{read, value};
use crate::maps::send;

#[raw_tracepoint]
fn mark_victim(ctx: RawTracePointContext) -> u32 {
    let victim: u64 = ctx.arg(0);
    let tgid = if value(VICTIM_IS_TASK) == 1 { read(victim, TASK_TGID) } else { victim as u32 };
    send(OOM_VICTIM, lost::PROCESS, true, |out: *mut OomVictim| {
        // SAFETY: a reserved record.
        unsafe {
            (*out).tgid = tgid;
            (*out).pad = 0;
        }
    });
    0
}
