//! Reading kernel memory by the facts that user space resolved.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, generated};
use drain_observer_ebpf::facts::{
    ABSENT, FIELD_COUNT, NET_INUM, TASK_COMM, TASK_PID, TASK_TGID, VALUE_COUNT,
};
use drain_observer_ebpf::record::Task;

/// Where each field of [`drain_observer_ebpf::facts::FIELDS`] lies on this kernel; written before loading.
#[unsafe(no_mangle)]
static FIELD_PLACES: [u32; FIELD_COUNT] = [ABSENT; FIELD_COUNT];

/// The values of [`drain_observer_ebpf::facts`]; written before loading.
#[unsafe(no_mangle)]
static VALUES: [u32; VALUE_COUNT] = [ABSENT; VALUE_COUNT];

/// A value that user space wrote before loading.
#[inline(always)]
pub(crate) fn value(index: usize) -> u32 {
    // SAFETY: a static of this object; volatile, because its contents are written before it is loaded.
    unsafe { core::ptr::read_volatile(&raw const VALUES[index]) }
}

/// Whether this kernel has the field.
#[inline(always)]
pub(crate) fn has(field: usize) -> bool {
    place(field) != ABSENT
}

/// Reads a field as an integer; 0 where the kernel has no such field or the read fails.
#[inline(always)]
pub(crate) fn read<T: Copy + Default>(base: u64, field: usize) -> T {
    let place = place(field);
    if place == ABSENT {
        return T::default();
    }
    peek(base + u64::from(place & 0xffff))
}

/// Reads kernel memory at an address; 0 where that fails.
#[inline(always)]
pub(crate) fn peek<T: Copy + Default>(address: u64) -> T {
    let mut found = T::default();
    // The result says nothing more, and each question about it would double what older verifiers (6.1) have to follow.
    // SAFETY: the helper checks the address and zeroes the value where it can't be read.
    let _ = unsafe {
        generated::bpf_probe_read_kernel(
            (&raw mut found).cast(),
            size_of::<T>() as u32,
            address as *const c_void,
        )
    };
    found
}

/// Address of an embedded field; 0 where the kernel has no such field.
#[inline(always)]
pub(crate) fn address(base: u64, field: usize) -> u64 {
    let place = place(field);
    if place == ABSENT { 0 } else { base + u64::from(place & 0xffff) }
}

/// Inode of a `struct net`.
#[inline(always)]
pub(crate) fn netns_inode(net: u64) -> u32 {
    read(net, NET_INUM)
}

/// Writes an IPv4 address, as the kernel stores it, in v4-mapped form.
///
/// # Safety
/// As for [`write_words`].
#[inline(always)]
pub(crate) unsafe fn write_mapped(out: *mut [u8; 16], address: u32) {
    // SAFETY: as the caller promised.
    unsafe { write_words(out, [0, 0, u32::from_ne_bytes([0, 0, 0xff, 0xff]), address]) };
}

/// Writes an address by words: by bytes it would be a call of `memset`, for which the stack of the deepest probe has no
/// room on older kernels (6.1).
///
/// # Safety
/// `out` may be written, and is aligned as a `u32` is: in a `Tuple`.
#[inline(always)]
pub(crate) unsafe fn write_words(out: *mut [u8; 16], words: [u32; 4]) {
    let out: *mut u32 = out.cast();
    // SAFETY: as the caller promised; volatile, or it would be put together again.
    unsafe {
        out.write_volatile(words[0]);
        out.add(1).write_volatile(words[1]);
        out.add(2).write_volatile(words[2]);
        out.add(3).write_volatile(words[3]);
    }
}

/// Copies bytes of kernel memory, zeros where that fails.
#[inline(always)]
pub(crate) fn copy<const N: usize>(out: &mut [u8; N], address: u64) {
    // SAFETY: as in `peek`.
    let _ = unsafe {
        generated::bpf_probe_read_kernel(out.as_mut_ptr().cast(), N as u32, address as *const c_void)
    };
}

/// Writes who is running now.
///
/// # Safety
/// `out` points to a whole `Task` that may be written.
#[inline(always)]
pub(crate) unsafe fn write_current(out: *mut Task) {
    let id = bpf_get_current_pid_tgid();
    // SAFETY: as the caller promised; the helper fills the buffer whatever happens.
    unsafe {
        (*out).tgid = (id >> 32) as u32;
        (*out).pid = id as u32;
        let comm = &mut (*out).comm;
        let _ = generated::bpf_get_current_comm(comm.as_mut_ptr().cast(), comm.len() as u32);
    }
}

/// Writes who a `struct task_struct` is.
///
/// # Safety
/// `out` points to a whole `Task` that may be written.
#[inline(always)]
pub(crate) unsafe fn write_task(out: *mut Task, task: u64) {
    // SAFETY: as the caller promised.
    unsafe {
        (*out).tgid = read(task, TASK_TGID);
        (*out).pid = read(task, TASK_PID);
        copy(&mut (*out).comm, address(task, TASK_COMM));
    }
}

/// The process that is running now.
#[inline(always)]
pub(crate) fn current_tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Where a field lies, as [`drain_observer_ebpf::facts::pack`] has it.
#[inline(always)]
pub(crate) fn place(field: usize) -> u32 {
    // SAFETY: a static of this object; volatile, because its contents are written before it is loaded.
    unsafe { core::ptr::read_volatile(&raw const FIELD_PLACES[field]) }
}
