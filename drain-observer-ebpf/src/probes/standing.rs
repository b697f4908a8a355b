//! How an exchange stands: what came last, and what went last.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_ns};
use drain_observer_ebpf::facts::{LRCVTIME, LSNDTIME, PINGPONG, RCV_NXT, RCV_WUP, SND_WL1, TCP_WSTAMP_NS};
use drain_observer_ebpf::record::Standing;

use crate::fields::{Fields as _, Span, TCP};
use crate::kernel::has;

/// How the exchange stands now, `fin` bytes of what was received being none of its payload.
#[inline(always)]
pub(super) fn standing(tcp: &Span<TCP>, fin: u32) -> Standing {
    let received: u32 = tcp.read::<u32>(RCV_NXT).wrapping_sub(fin);
    let pending = received.wrapping_sub(tcp.read(RCV_WUP)) as i32;
    let last_segment = if has(SND_WL1) { received.wrapping_sub(tcp.read(SND_WL1)) as i32 } else { 0 };
    // SAFETY: these take nothing, only read clocks.
    let (now, jiffies) = unsafe { (bpf_ktime_get_ns(), bpf_jiffies64() as u32) };
    let packet_ms = if has(TCP_WSTAMP_NS) {
        let age = now.saturating_sub(tcp.read(TCP_WSTAMP_NS)) / 1_000_000;
        if age < u64::from(u32::MAX) { age as u32 } else { u32::MAX - 1 }
    } else {
        u32::MAX
    };
    Standing {
        pending: if pending > 0 { pending as u32 } else { 0 },
        packet_ms,
        data_ticks: jiffies.wrapping_sub(tcp.read(LSNDTIME)),
        received_ticks: jiffies.wrapping_sub(tcp.read(LRCVTIME)),
        last_segment: if last_segment > 0 { last_segment as u32 } else { 0 },
        pingpong: u32::from(tcp.bits(PINGPONG)),
    }
}
