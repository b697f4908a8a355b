//! Fields of a socket, read one by one or many at once. A read by itself costs some 30 ns, most of them for the call: as
//! much as one of all that lie near it.

use aya_ebpf::helpers::generated;
use drain_observer_ebpf::facts::{
    ABSENT, INET_SPORT, SKC_DADDR, SKC_DPORT, SKC_FAMILY, SKC_NET, SKC_RCV_SADDR, SKC_V6_DADDR,
    SKC_V6_RCV_SADDR, SPANS,
};
use drain_observer_ebpf::record::Tuple;

use crate::kernel::{address, copy, netns_inode, peek, place, read, value, write_mapped, write_words};
use crate::maps::SPANS_READ;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Of [`SPANS`]: a socket's ends and state.
pub(crate) const COMMON: usize = 0;
/// Of [`SPANS`]: its limits.
pub(crate) const SOCK: usize = 1;
/// Of [`SPANS`]: TCP's own fields.
pub(crate) const TCP: usize = 2;

/// Where a socket's fields are read.
pub(crate) trait Fields {
    /// A field as an integer; 0 where the kernel has no such field or the read fails.
    fn read<T: Copy + Default>(&self, field: usize) -> T;

    /// Copies an IPv6 address.
    ///
    /// # Safety
    /// `out` may be written, and is aligned as a `u32` is: in a [`Tuple`].
    unsafe fn copy_address(&self, field: usize, out: *mut [u8; 16]);

    /// Inode of the network namespace.
    #[inline(always)]
    fn netns(&self) -> u32 {
        netns_inode(self.read(SKC_NET))
    }

    /// Local port of a full socket, from `inet_sport`: `skc_num` is already 0 when a socket is CLOSE.
    #[inline(always)]
    fn local_port(&self) -> u16 {
        u16::from_be(self.read(INET_SPORT))
    }

    /// Writes both ends of a full socket's connection.
    ///
    /// # Safety
    /// `out` points to a whole `Tuple` that may be written.
    #[inline(always)]
    unsafe fn write_tuple(&self, out: *mut Tuple, netns: u32, local_port: u16) {
        let family: u16 = self.read(SKC_FAMILY);
        // SAFETY: as the caller promised.
        unsafe {
            if family == AF_INET6 {
                self.copy_address(SKC_V6_RCV_SADDR, &raw mut (*out).local);
                self.copy_address(SKC_V6_DADDR, &raw mut (*out).peer);
            } else if family == AF_INET {
                write_mapped(&raw mut (*out).local, self.read(SKC_RCV_SADDR));
                write_mapped(&raw mut (*out).peer, self.read(SKC_DADDR));
            } else {
                write_words(&raw mut (*out).local, [0; 4]);
                write_words(&raw mut (*out).peer, [0; 4]);
            }
            (*out).netns = netns;
            (*out).local_port = local_port;
            (*out).peer_port = u16::from_be(self.read(SKC_DPORT));
        }
    }
}

/// A `struct sock` by its address: each field is read by itself.
#[derive(Clone, Copy)]
pub(crate) struct Sock(pub(crate) u64);

impl Fields for Sock {
    #[inline(always)]
    fn read<T: Copy + Default>(&self, field: usize) -> T {
        read(self.0, field)
    }

    #[inline(always)]
    unsafe fn copy_address(&self, field: usize, out: *mut [u8; 16]) {
        // SAFETY: as the caller promised.
        copy(unsafe { &mut *out }, address(self.0, field));
    }
}

/// Fields of a `struct sock` that were read at once: those of one of [`SPANS`]. Others are read by themselves.
#[derive(Clone, Copy)]
pub(crate) struct Span<const INDEX: usize> {
    sk: u64,
    bytes: *const u8,
}

impl<const INDEX: usize> Span<INDEX> {
    /// Reads them, into room that this CPU has for them: what was read of another socket is gone.
    #[inline(always)]
    pub(crate) fn of(sk: u64) -> Option<Self> {
        let room = SPANS_READ.get_ptr_mut(INDEX as u32)?;
        let span = value(const { SPANS[INDEX] });
        if span != ABSENT {
            // The result says nothing more: the room is zeroed where the span can't be read.
            // SAFETY: user space chose a length that the room has; the helper checks the address.
            let _ = unsafe {
                generated::bpf_probe_read_kernel(
                    room.cast(),
                    span >> 16,
                    (sk + u64::from(span & 0xffff)) as *const _,
                )
            };
        }
        Some(Self { sk, bytes: room.cast() })
    }

    /// A field that may be a bitfield of at most 8 bits.
    #[inline(always)]
    pub(crate) fn bits(&self, field: usize) -> u8 {
        let place = place(field);
        if place == ABSENT {
            return 0;
        }
        let byte: u8 = self.at(place & 0xffff);
        let bits = place >> 24;
        if bits == 0 || bits >= 8 { byte } else { (byte >> ((place >> 16) & 7)) & ((1 << bits) - 1) }
    }

    /// What lies at an offset.
    #[inline(always)]
    fn at<T: Copy + Default>(&self, offset: u32) -> T {
        let span = value(const { SPANS[INDEX] });
        let (start, len) = (span & 0xffff, span >> 16);
        // All of it constants for the verifier, which follows one of the two ways.
        if span != ABSENT && offset >= start && offset + size_of::<T>() as u32 <= start + len {
            // SAFETY: within what was read. Fields are aligned in the kernel, where a span begins at a multiple of 8.
            unsafe { self.bytes.add((offset - start) as usize).cast::<T>().read_volatile() }
        } else {
            peek(self.sk + u64::from(offset))
        }
    }
}

impl<const INDEX: usize> Fields for Span<INDEX> {
    #[inline(always)]
    fn read<T: Copy + Default>(&self, field: usize) -> T {
        let place = place(field);
        if place == ABSENT { T::default() } else { self.at(place & 0xffff) }
    }

    #[inline(always)]
    unsafe fn copy_address(&self, field: usize, out: *mut [u8; 16]) {
        let place = place(field);
        if place == ABSENT {
            return;
        }
        let offset = place & 0xffff;
        let word = |index: u32| self.at::<u32>(offset + 4 * index);
        // SAFETY: as the caller promised.
        unsafe { write_words(out, [word(0), word(1), word(2), word(3)]) };
    }
}
