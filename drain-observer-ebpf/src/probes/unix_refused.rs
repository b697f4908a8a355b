//! A connect(2) that failed. Its socket address is no longer anywhere in the kernel, but where the system call was
//! given it.

use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_user, bpf_task_pt_regs};
use drain_observer_ebpf::facts::{REGS_DX, REGS_REGS, REGS_SI};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::{UNIX_REFUSED, UnixRefused};

use super::unix::{name_len, now};
use crate::fields::{Fields as _, Sock};
use crate::kernel::{address, has, peek, read, write_current};
use crate::maps::{UNIX_TOLD, send};

const AF_UNIX: u16 = 1;

/// The server's end that was made for a connection is thrown away, in the client's context.
#[inline(always)]
pub(super) fn refused(child: u64) {
    let (address, address_len) = arguments();
    let mut family = 0u16;
    // SAFETY: the helper checks the address and fails where it can't be read; `family` is a local.
    let _ = unsafe { bpf_probe_read_user((&raw mut family).cast(), 2, address as *const _) };
    send(UNIX_REFUSED, lost::UNIX, is_urgent(), |out: *mut UnixRefused| {
        // SAFETY: a reserved record; the length is that of the buffer at most.
        unsafe {
            write_current(&raw mut (*out).client);
            (*out).name.netns = Sock(child).netns();
            (*out).name.bytes = [0; _];
            (*out).name.pad = 0;
            let len = if family == AF_UNIX { name_len(address_len) } else { 0 };
            let bytes = (&raw mut (*out).name.bytes).cast();
            let unread = bpf_probe_read_user(bytes, len, (address + 2) as *const _) != 0;
            (*out).name.len = if unread { 0 } else { len as u16 };
            (*out).name.is_abstract = u16::from(!unread && len > 0 && (*out).name.bytes[0] == 0);
        }
    });
}

/// Whether the observer is to be woken: what a name means has to be asked while the client is there. Of many that come
/// together, one in a while will do.
#[inline(always)]
fn is_urgent() -> bool {
    const AGAIN_AFTER_NS: u64 = 10_000_000;
    let Some(told) = UNIX_TOLD.get_ptr_mut(0) else { return false };
    let now = now();
    // SAFETY: this CPU's own slot.
    unsafe {
        let is_urgent = now.saturating_sub(*told) > AGAIN_AFTER_NS;
        if is_urgent {
            *told = now;
        }
        is_urgent
    }
}

/// Second and third argument of the system call that the current task is in.
#[inline(always)]
fn arguments() -> (u64, u32) {
    // SAFETY: these take and give what the kernel checks.
    let regs = unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as u64;
    if has(REGS_REGS) {
        let first = address(regs, REGS_REGS);
        (peek(first + 8), peek::<u64>(first + 16) as u32)
    } else {
        (read(regs, REGS_SI), read::<u64>(regs, REGS_DX) as u32)
    }
}
