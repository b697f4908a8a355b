//! Never attached: user space runs it to read the kernel's clocks together.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use drain_observer_ebpf::ClockSample;

use crate::maps::CLOCK;

#[raw_tracepoint]
fn read_clock(_ctx: RawTracePointContext) -> u32 {
    // SAFETY: both helpers take nothing and only read.
    let sample = unsafe { ClockSample { jiffies: bpf_jiffies64(), boot_ns: bpf_ktime_get_boot_ns() } };
    // An array's only slot: storing can't fail.
    let _ = CLOCK.set(0, sample, 0);
    0
}
