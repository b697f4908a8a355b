use super::stand_in::StandIns;
use super::*;
use crate::event::{BootNs, Flushed, ListenerKey, Reset, ResetKind, Task, TcpState, UpstreamFailed};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

const KEY: [u8; KEY_BYTES] = *b"not a random key";

fn stand_ins(masking: Masking) -> StandIns {
    StandIns::new(masking, &KEY)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn end(address_text: &str, port: u16) -> Endpoint {
    Endpoint { address: address(address_text), port }
}

fn event(event: Kind) -> Event {
    Event { at: 1, event }
}

fn flushed(local: Endpoint, peer: Endpoint) -> Event {
    let closed_at: BootNs = 1;
    event(Kind::Flushed(Flushed { sk: 1, closed_at, local, peer, netns: 1, unacked: 0, errno: 0 }))
}

fn upstream(local: Endpoint, peer: Endpoint) -> Event {
    event(Kind::UpstreamFailed(UpstreamFailed { by: Task::default(), netns: 1, local, peer, errno: 111 }))
}

/// This host's end and the other of what comes out.
fn masked(mask: &mut Mask, mut event: Event) -> (Endpoint, Endpoint) {
    mask.apply(&mut event);
    match event.event {
        Kind::Flushed(one) => (one.local, one.peer),
        Kind::Reset(one) => (one.local, one.peer),
        Kind::UpstreamFailed(one) => (one.local, one.peer),
        other => panic!("{other:?} has no ends"),
    }
}

#[test]
fn hashes_cannot_be_taken_for_addresses() {
    let hashes = stand_ins(Masking::Hash);
    let others = StandIns::new(Masking::Hash, b"some other key..");
    for true_one in ["192.0.2.7", "2001:db8::7", "fd6d:6173:6b00::7", "fe80::1"].map(address) {
        let stand_in = hashes.of(true_one);
        assert!(stand_in.to_string().starts_with("fd6d:6173:6b00:"), "{stand_in}");
        assert_eq!(stand_in, hashes.of(true_one));
        assert_ne!(stand_in, others.of(true_one), "another run has another key");
    }
    assert_eq!(hashes.of(address("::ffff:192.0.2.7")), hashes.of(address("192.0.2.7")));
}

#[test]
fn loopback_stays() {
    for masking in [Masking::Hash, Masking::Prefix] {
        let stand_ins = stand_ins(masking);
        for text in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"] {
            assert_eq!(stand_ins.of(address(text)), address(text));
        }
    }
}

#[test]
fn a_network_of_ipv4_stays_and_its_hosts_change_places() {
    let stand_ins = stand_ins(Masking::Prefix);
    let places = |network: [u8; 3]| {
        let [a, b, c] = network;
        let of = |host| match stand_ins.of(Ipv4Addr::new(a, b, c, host).into()) {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => panic!("{address} is no IPv4"),
        };
        let octets: Vec<[u8; 4]> = (0..=255).map(of).collect();
        assert!(octets.iter().all(|octets| octets[..3] == network), "{octets:?}");
        octets.iter().map(|octets| octets[3]).collect::<Vec<u8>>()
    };
    let one = places([192, 0, 2]);
    let distinct: BTreeSet<u8> = one.iter().copied().collect();
    assert_eq!(distinct.len(), 256);
    let unmoved = (0..=255).zip(&one).filter(|(host, place)| host == *place).count();
    assert!(unmoved < 16, "{unmoved} of 256 stay where they are");
    assert_ne!(one, places([192, 0, 3]), "each network has an order of its own");
    // 0.0.0.0 has its place already.
    assert_eq!(places([0, 0, 0]).into_iter().collect::<BTreeSet<_>>().len(), 256);
}

#[test]
fn a_network_of_ipv6_stays_and_of_6to4_what_is_its_ipv4_network() {
    let stand_ins = stand_ins(Masking::Prefix);
    let of = |text: &str| match stand_ins.of(address(text)) {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => panic!("{address} is no IPv6"),
    };
    let (one, other) = (of("2001:db8:7:8::9"), of("2001:db8:7:8::a"));
    assert_eq!(one.segments()[..3], [0x2001, 0xdb8, 7]);
    assert_eq!(other.segments()[..3], [0x2001, 0xdb8, 7]);
    assert!(one != other && one.segments()[3..] != [8, 0, 0, 0, 9]);
    // 192.0.2.7
    let old = of("2002:c000:207::1");
    assert_eq!(old.to_bits() >> 88, Ipv6Addr::new(0x2002, 0xc000, 0x200, 0, 0, 0, 0, 0).to_bits() >> 88);
    assert_ne!(old.segments()[2], 0x207);
}

#[test]
fn the_peer_is_masked_and_not_this_host() {
    let mut mask = Mask::new(Masking::Hash, &KEY);
    let (own, client) = (end("10.0.0.5", 80), end("192.0.2.7", 40_000));
    let (local, peer) = masked(&mut mask, flushed(own, client));
    assert_eq!((local, peer.port), (own, 40_000));
    assert_ne!(peer.address, client.address);
    let reset = Reset {
        reason: ResetKind::Refused,
        local: own,
        peer: client,
        netns: 1,
        state: Some(TcpState::Listen),
        payload: 0,
    };
    assert_eq!(
        masked(&mut mask, event(Kind::Reset(reset))),
        (local, peer),
        "the same peer, the same stand-in"
    );
    let itself = end("10.0.0.5", 40_001);
    assert_eq!(masked(&mut mask, flushed(own, itself)), (own, itself), "this host is no stranger");
}

#[test]
fn a_proxy_and_its_upstream_tell_of_the_same_ends() {
    let mut mask = Mask::new(Masking::Hash, &KEY);
    let (proxy, server) = (end("10.0.0.5", 40_000), end("10.0.0.6", 3_000));
    // Of loopback, of one address, and of two, of which one is known by a listener.
    for (client, server) in [
        (end("127.0.0.1", 40_000), end("127.0.0.1", 3_000)),
        (end("10.0.0.5", 40_000), end("10.0.0.5", 3_000)),
    ] {
        assert_eq!(masked(&mut mask, upstream(client, server)), (client, server));
        assert_eq!(masked(&mut mask, flushed(server, client)), (server, client));
    }
    let listener = crate::event::ListenerSeen {
        key: ListenerKey { netns: 1, local: server.into() },
        cookie: 1,
        inode: 1,
        queue: 0,
        limit: 128,
        holders: Vec::new(),
        unix: None,
    };
    mask.apply(&mut event(Kind::ListenerSeen(listener)));
    let (client_end, server_end) = masked(&mut mask, upstream(proxy, server));
    assert_eq!(masked(&mut mask, flushed(server, proxy)), (server_end, client_end));
    assert_eq!(server_end, server);
}

#[test]
fn an_upstream_elsewhere_is_masked() {
    let mut mask = Mask::new(Masking::Prefix, &KEY);
    let (proxy, elsewhere) = (end("10.0.0.5", 40_000), end("203.0.113.9", 443));
    let (_, server) = masked(&mut mask, upstream(proxy, elsewhere));
    assert_ne!(server.address, elsewhere.address);
    assert_eq!(server.port, 443);
}

#[test]
fn the_key_is_not_shown() {
    assert_eq!(format!("{:?}", Mask::new(Masking::Hash, &KEY)), "Mask { .. }");
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        // Near to each other, where permutations could fail.
        any::<u8>().prop_map(|host| Ipv4Addr::new(192, 0, 2, host).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        any::<u16>().prop_map(|host| Ipv6Addr::from_bits(u128::from(host)).into()),
    ]
}

proptest! {
    #[test]
    fn no_two_peers_become_one(
        addresses in prop::collection::vec(any_address(), 2..200),
        key: [u8; KEY_BYTES],
        hash: bool,
    ) {
        let stand_ins = StandIns::new(if hash { Masking::Hash } else { Masking::Prefix }, &key);
        let mut of: BTreeMap<IpAddr, IpAddr> = BTreeMap::new();
        for address in addresses {
            let address = address.to_canonical();
            let other = of.insert(stand_ins.of(address), address);
            prop_assert!(other.is_none_or(|other| other == address), "{other:?} and {address} are one");
        }
    }

    #[test]
    fn a_prefix_keeps_what_it_says(address in any_address(), key: [u8; KEY_BYTES]) {
        let stand_in = StandIns::new(Masking::Prefix, &key).of(address);
        match (address.to_canonical(), stand_in) {
            (IpAddr::V4(a), IpAddr::V4(b)) => prop_assert_eq!(a.octets()[..3].to_vec(), b.octets()[..3].to_vec()),
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let kept = if a.segments()[0] == 0x2002 { 40 } else { 48 };
                prop_assert_eq!(a.to_bits() >> (128 - kept), b.to_bits() >> (128 - kept));
            }
            (a, b) => prop_assert!(false, "{} and {} are of two families", a, b),
        }
    }
}
