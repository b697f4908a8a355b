//! From addresses to those that stand for them, by a key.

use super::Masking;
use siphasher::sip128::SipHasher24;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;

/// fd6d:6173:6b00::/48 (m, a, s, k), of the unique local addresses that nobody routes: what begins so is no address.
const MARK: u128 = 0xfd6d_6173_6b00 << 80;
/// Bits of a hash: two of a million peers have the same one with a probability of 2^-41.
const HASH_BITS: u32 = 80;
/// Rounds of the permutation: four are enough for large halves, those of IPv4 are small.
const ROUNDS: u8 = 12;
/// What hashes are made of, so that none is of use for anything else.
const HASH: u8 = u8::MAX;

/// A function from addresses to addresses that is one-to-one: of hashes, as surely as they differ.
pub(super) struct StandIns {
    masking: Masking,
    hasher: SipHasher24,
}

impl StandIns {
    pub(super) fn new(masking: Masking, key: &[u8; KEY_BYTES]) -> Self {
        Self { masking, hasher: SipHasher24::new_with_key(key) }
    }

    /// What stands for an address. Loopback stays, and so does what is none. A v4-mapped address is the IPv4 one.
    pub(super) fn of(&self, address: IpAddr) -> IpAddr {
        let address = address.to_canonical();
        if stays(address) {
            return address;
        }
        match self.masking {
            Masking::Hash => Ipv6Addr::from_bits(MARK | self.hash(address)).into(),
            Masking::Prefix => self.in_its_network(address),
        }
    }

    fn hash(&self, address: IpAddr) -> u128 {
        self.keyed(HASH, in_ipv6(address), 0) & low(HASH_BITS)
    }

    fn in_its_network(&self, address: IpAddr) -> IpAddr {
        let half = host_bits(address) / 2;
        let mut at = address;
        loop {
            let bits = in_ipv6(at);
            let network = bits & !low(2 * half);
            let bits = network | self.permuted(network, bits & low(2 * half), half);
            at = match address {
                IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
                IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
            };
            // What stays as it is has no other standing for it either: on along the cycle, which leads back to
            // `address` at the latest.
            if !stays(at) {
                return at;
            }
        }
    }

    /// A Feistel network: whatever its rounds are, no two values become one.
    fn permuted(&self, network: u128, value: u128, half: u32) -> u128 {
        let (mut left, mut right) = (value >> half, value & low(half));
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (self.keyed(round, network, right) & low(half)));
        }
        left << half | right
    }

    /// A number that nobody can tell from a random one without the key.
    fn keyed(&self, purpose: u8, network: u128, value: u128) -> u128 {
        let mut bytes = [0; 33];
        bytes[0] = purpose;
        bytes[1..17].copy_from_slice(&network.to_be_bytes());
        bytes[17..].copy_from_slice(&value.to_be_bytes());
        self.hasher.hash(&bytes).as_u128()
    }
}

fn stays(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// The last so many bits are the host's. Those of 6to4, 2002::/16, carry an IPv4 address before the others, of which
/// 24 bits stay as of any.
fn host_bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 8,
        IpAddr::V6(address) if address.segments()[0] == 0x2002 => 88,
        IpAddr::V6(_) => 80,
    }
}

fn in_ipv6(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The lowest so many bits, fewer than 128.
fn low(bits: u32) -> u128 {
    (1 << bits) - 1
}
