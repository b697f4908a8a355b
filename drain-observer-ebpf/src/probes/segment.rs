//! The headers of a received segment, for hooks that have a packet but no socket.

use drain_observer_ebpf::PortKey;
use drain_observer_ebpf::facts::{NETDEV_NET, SKB_DEV, SKB_HEAD, SKB_NETWORK_HEADER, SKB_TRANSPORT_HEADER};
use drain_observer_ebpf::lost;
use drain_observer_ebpf::record::{RESET, Reset, Tuple};

use crate::kernel::{copy, netns_inode, peek, read, write_mapped};
use crate::maps::send;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// Where a received TCP segment's parts lie.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    network: u64,
    transport: u64,
    version: u8,
    /// TCP flags byte.
    pub(crate) flags: u8,
    /// Payload bytes.
    pub(crate) payload: u32,
    /// Namespace and port that it was meant for.
    pub(crate) local: PortKey,
}

impl Segment {
    /// Reads the headers of a `struct sk_buff` that TCP has received; `None` for anything but TCP over IP.
    #[inline(always)]
    pub(crate) fn of(skb: u64) -> Option<Self> {
        let head: u64 = read(skb, SKB_HEAD);
        let (network_offset, transport_offset): (u16, u16) =
            (read(skb, SKB_NETWORK_HEADER), read(skb, SKB_TRANSPORT_HEADER));
        if head == 0 || transport_offset <= network_offset || transport_offset == u16::MAX {
            return None;
        }
        let network = head + u64::from(network_offset);
        let transport = head + u64::from(transport_offset);
        let version = peek::<u8>(network) >> 4;
        let data_offset = u32::from(peek::<u8>(transport + 12) >> 4) * 4;
        let ip_header = u32::from(transport_offset - network_offset);
        // include/uapi/linux/ip.h and ipv6.h: total length, protocol; payload length, (last) next header.
        let total = match version {
            4 if peek::<u8>(network + 9) == 6 => u32::from(u16::from_be(peek(network + 2))),
            6 => u32::from(u16::from_be(peek(network + 4))) + 40,
            _ => return None,
        };
        let device: u64 = read(skb, SKB_DEV);
        Some(Self {
            network,
            transport,
            version,
            flags: peek(transport + 13),
            payload: total.saturating_sub(ip_header + data_offset),
            local: PortKey {
                netns: netns_inode(read(device, NETDEV_NET)),
                port: u16::from_be(peek(transport + 2)),
                pad: 0,
            },
        })
    }

    /// The sequence number after its payload.
    #[inline(always)]
    pub(crate) fn end(&self) -> u32 {
        u32::from_be(peek(self.transport + 4)).wrapping_add(self.payload)
    }

    /// Writes where it came from and was meant for.
    ///
    /// # Safety
    /// `out` points to a whole `Tuple` that may be written.
    #[inline(always)]
    pub(crate) unsafe fn write_tuple(&self, out: *mut Tuple) {
        // SAFETY: as the caller promised.
        unsafe {
            if self.version == 4 {
                write_mapped(&raw mut (*out).peer, peek(self.network + 12));
                write_mapped(&raw mut (*out).local, peek(self.network + 16));
            } else {
                copy(&mut (*out).peer, self.network + 8);
                copy(&mut (*out).local, self.network + 24);
            }
            (*out).netns = self.local.netns;
            (*out).local_port = self.local.port;
            (*out).peer_port = u16::from_be(peek(self.transport));
        }
    }

    /// Sends a [`Reset`] record about it.
    #[inline(always)]
    pub(crate) fn send_reset(&self, what: u32, sk_state: u32) {
        send(RESET, lost::RESET, false, |out: *mut Reset| {
            // SAFETY: a reserved record.
            unsafe {
                self.write_tuple(&raw mut (*out).tuple);
                (*out).what = what;
                (*out).sk_state = sk_state;
                (*out).payload = self.payload;
                (*out).tcp_flags = u32::from(self.flags);
            }
        });
    }
}
