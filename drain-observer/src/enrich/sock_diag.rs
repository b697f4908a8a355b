//! TCP sockets by NETLINK_SOCK_DIAG: `struct inet_diag_req_v2` out, `struct inet_diag_msg` and attributes
//! back (include/uapi/linux/inet_diag.h, tcp.h). Replies are length-checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;

use super::netlink::{self, ATTRIBUTE, Netlink, split_attribute, word};
use super::sockets::{Counters, Family, Query, SocketError, SocketList, State, TcpSocket};

/// Lists sockets of the calling thread's network namespace.
pub fn dump(query: &Query) -> Result<SocketList, SocketError> {
    let mut netlink = Netlink::open()?;
    let mut list = SocketList::default();
    for (sequence, family) in [(1, Family::V4), (2, Family::V6)] {
        netlink.dump(sequence, &request(family, query), |datagram| {
            read_datagram(datagram, sequence, query, &mut list)
        })?;
    }
    list.sort();
    Ok(list)
}

/// Lists sockets of another network namespace, given an open /proc/PID/ns/net.
pub fn dump_in(namespace: BorrowedFd<'_>, query: &Query) -> Result<SocketList, SocketError> {
    netlink::in_namespace(namespace, || dump(query))
}

/// Takes in the messages of one datagram of the dump with this sequence number; says whether the dump is over.
pub fn read_datagram(
    datagram: &[u8],
    sequence: u32,
    query: &Query,
    list: &mut SocketList,
) -> Result<bool, SocketError> {
    let part = netlink::read_datagram(datagram, sequence, |message| match read_socket(message) {
        Some(socket) => list.keep(socket, query),
        None => list.malformed += 1,
    })?;
    list.interrupted |= part.interrupted;
    Ok(part.over)
}

/// `struct inet_diag_req_v2`
const REQUEST: usize = 56;
/// `struct inet_diag_msg`
const MESSAGE: usize = 72;
const INET_DIAG_REQ_BYTECODE: u16 = 1;
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_SKV6ONLY: u16 = 11;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

fn request(family: Family, query: &Query) -> Vec<u8> {
    let family = match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    let extensions = if query.counters { 1u8 << (INET_DIAG_INFO - 1) } else { 0 };
    let mut bytes = vec![0; REQUEST];
    bytes[..4].copy_from_slice(&[family, IPPROTO_TCP, extensions, 0]);
    bytes[4..8].copy_from_slice(&query.states.to_ne_bytes());
    if query.ports != (0, u16::MAX) {
        let program = port_range(query.ports.0, query.ports.1);
        bytes.extend(((ATTRIBUTE + program.len()) as u16).to_ne_bytes());
        bytes.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
        bytes.extend(program);
    }
    bytes
}

/// `struct inet_diag_bc_op` (code, bytes to the next one if so, if not), each followed by one whose last field is the
/// port. A jump of 4 beyond the end rejects (net/ipv4/inet_diag.c, `inet_diag_bc_run`).
fn port_range(first: u16, last: u16) -> [u8; 16] {
    const NOT_BELOW: u8 = 2;
    const NOT_ABOVE: u8 = 3;
    let mut program = [0; 16];
    for (at, code, port) in [(0, NOT_BELOW, first), (8, NOT_ABOVE, last)] {
        let reject = 16 - at as u16 + 4;
        program[at..at + 2].copy_from_slice(&[code, 8]);
        program[at + 2..at + 4].copy_from_slice(&reject.to_ne_bytes());
        program[at + 6..at + 8].copy_from_slice(&port.to_ne_bytes());
    }
    program
}

fn read_socket(message: &[u8]) -> Option<TcpSocket> {
    let mut attributes = message.get(MESSAGE..)?;
    let family = match message[0] {
        AF_INET => Family::V4,
        AF_INET6 => Family::V6,
        _ => return None,
    };
    let cookie = u64::from(word(message, 48)?) << 32 | u64::from(word(message, 44)?);
    let mut socket = TcpSocket {
        family,
        state: State::from_number(message[1]),
        local: SocketAddr::new(address(family, message, 8)?, port(message, 4)?),
        peer: SocketAddr::new(address(family, message, 24)?, port(message, 6)?),
        inode: u64::from(word(message, 68)?),
        cookie,
        uid: word(message, 64)?,
        rqueue: word(message, 56)?,
        wqueue: word(message, 60)?,
        v6_only: None,
        counters: None,
    };
    while let Some((kind, value)) = split_attribute(&mut attributes) {
        match kind {
            INET_DIAG_INFO => socket.counters = counters(value),
            INET_DIAG_SKV6ONLY => socket.v6_only = value.first().map(|&only| only != 0),
            _ => {}
        }
    }
    Some(socket)
}

/// `struct tcp_info` grows at its end; kernels before 4.1 stop short of the byte counters.
fn counters(info: &[u8]) -> Option<Counters> {
    Some(Counters {
        last_data_sent_ms: word(info, 44)?,
        last_data_received_ms: word(info, 52)?,
        bytes_acked: long(info, 120)?,
        bytes_received: long(info, 128)?,
    })
}

fn address(family: Family, bytes: &[u8], at: usize) -> Option<IpAddr> {
    let bytes = bytes.get(at..)?;
    Some(match family {
        Family::V4 => Ipv4Addr::from(*bytes.first_chunk::<4>()?).into(),
        Family::V6 => Ipv6Addr::from(*bytes.first_chunk::<16>()?).into(),
    })
}

fn port(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::netlink::{BY_FAMILY, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, message};
    use super::*;

    /// 10.0.0.1:8080 from 10.0.0.2:40000, with counters.
    fn connection() -> Vec<u8> {
        let mut payload = vec![0; MESSAGE];
        payload[..4].copy_from_slice(&[AF_INET, 8, 0, 0]);
        payload[4..6].copy_from_slice(&8080u16.to_be_bytes());
        payload[6..8].copy_from_slice(&40000u16.to_be_bytes());
        payload[8..12].copy_from_slice(&[10, 0, 0, 1]);
        payload[24..28].copy_from_slice(&[10, 0, 0, 2]);
        for (at, value) in [(44, 7u32), (48, 1), (56, 100), (60, 3), (64, 33), (68, 4242)] {
            payload[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        let mut info = vec![0; 140];
        info[44..48].copy_from_slice(&12u32.to_ne_bytes());
        info[52..56].copy_from_slice(&34u32.to_ne_bytes());
        info[120..128].copy_from_slice(&(5u64 << 32).to_ne_bytes());
        info[128..136].copy_from_slice(&9u64.to_ne_bytes());
        payload.extend(((ATTRIBUTE + info.len()) as u16).to_ne_bytes());
        payload.extend(INET_DIAG_INFO.to_ne_bytes());
        payload.extend(info);
        payload
    }

    fn read(datagram: &[u8]) -> (Result<bool, SocketError>, SocketList) {
        let mut list = SocketList::default();
        let over = read_datagram(datagram, 1, &Query::connections(), &mut list);
        (over, list)
    }

    #[test]
    fn a_connection_is_read_field_by_field() {
        let (over, list) = read(&message(BY_FAMILY, 0, &connection()));
        assert!(!over.expect("a good message"));
        let counters = Counters {
            bytes_acked: 5 << 32,
            bytes_received: 9,
            last_data_sent_ms: 12,
            last_data_received_ms: 34,
        };
        let expected = TcpSocket {
            family: Family::V4,
            state: State::CloseWait,
            local: "10.0.0.1:8080".parse().expect("an address"),
            peer: "10.0.0.2:40000".parse().expect("an address"),
            inode: 4242,
            cookie: 1 << 32 | 7,
            uid: 33,
            rqueue: 100,
            wqueue: 3,
            v6_only: None,
            counters: Some(counters),
        };
        assert_eq!(list.sockets, [expected]);
    }

    #[test]
    fn ends_errors_and_interruptions_are_told_apart() {
        let done = message(NLMSG_DONE, 0, &0u32.to_ne_bytes());
        assert!(read(&done).0.expect("the end"));
        let (over, list) = read(&message(NLMSG_DONE, NLM_F_DUMP_INTR, &0u32.to_ne_bytes()));
        assert!(over.expect("the end") && list.interrupted);
        let none = message(NLMSG_ERROR, 0, &(-2i32).to_ne_bytes());
        assert!(matches!(read(&none).0, Err(SocketError::Unsupported(_))));
        let denied = message(NLMSG_ERROR, 0, &(-13i32).to_ne_bytes());
        let error = read(&denied).0.expect_err("refused").to_string();
        assert!(error.contains("Permission denied"), "{error}");
        for odd in [1, i32::MAX, i32::MIN, -100_000] {
            let odd = message(NLMSG_DONE, 0, &odd.to_ne_bytes());
            assert!(matches!(read(&odd).0, Err(SocketError::Netlink { .. })));
        }
        assert!(matches!(read(&[]).0, Err(SocketError::Reply(_))));
    }

    #[test]
    fn a_short_message_is_counted_and_a_cut_one_is_an_error() {
        let payload = connection();
        for length in 0..MESSAGE {
            let (over, list) = read(&message(BY_FAMILY, 0, &payload[..length]));
            assert!(!over.expect("framed well"));
            assert_eq!((list.malformed, list.sockets.len()), (1, 0));
        }
        let whole = message(BY_FAMILY, 0, &payload);
        for length in 1..whole.len() {
            assert!(matches!(read(&whole[..length]).0, Err(SocketError::Reply(_))), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_datagram_panics(
            kind in prop::sample::select(&[BY_FAMILY, NLMSG_DONE, NLMSG_ERROR, 1, 4][..]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            tail in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = message(kind, 0, &connection());
            bytes.extend(tail);
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            let _ = read(&bytes);
        }
    }
}
