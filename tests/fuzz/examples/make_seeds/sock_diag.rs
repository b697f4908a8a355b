//! Netlink messages as the kernel answers a dump of sockets.

const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const INFO: u16 = 2;
const ONLY_V6: u16 = 11;

/// A connection with counters, a listener, the end.
pub(crate) fn connections() -> Vec<u8> {
    let mut connection = socket(2, 8, 40_000);
    let mut info = vec![0; 136];
    info[120..128].copy_from_slice(&100u64.to_ne_bytes());
    connection.extend(attribute(INFO, &info));
    let mut listener = socket(10, 10, 0);
    listener.extend(attribute(ONLY_V6, &[1, 0, 0, 0]));
    [message(BY_FAMILY, &connection), message(BY_FAMILY, &listener), message(DONE, &[0; 4])].concat()
}

/// A unix listener at `@a` with 3 in its queue of 5, the end.
pub(crate) fn unix_listener() -> Vec<u8> {
    let mut bytes = vec![1, 1, 10, 0];
    bytes.extend([4242u32, 7, 1].map(u32::to_ne_bytes).concat());
    for (kind, value) in [(0, &b"\0a\0\0"[..]), (4, &[3, 0, 0, 0, 5, 0, 0, 0]), (6, &[1, 0, 0, 0])] {
        bytes.extend(attribute(kind, value));
    }
    [message(BY_FAMILY, &bytes), message(DONE, &[0; 4])].concat()
}

/// EACCES.
pub(crate) fn denied() -> Vec<u8> {
    message(ERROR, &(-13i32).to_ne_bytes())
}

fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (16 + payload.len()) as u32;
    let header =
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 2], &1u32.to_ne_bytes(), &[0; 4]].concat();
    [&header[..], payload].concat()
}

/// `struct inet_diag_msg` of a socket at port 8080.
fn socket(family: u8, state: u8, peer_port: u16) -> Vec<u8> {
    let mut bytes = vec![0; 72];
    bytes[..2].copy_from_slice(&[family, state]);
    bytes[4..6].copy_from_slice(&8080u16.to_be_bytes());
    bytes[6..8].copy_from_slice(&peer_port.to_be_bytes());
    bytes[8..12].copy_from_slice(&[10, 0, 0, 1]);
    bytes[44] = 7;
    bytes[68..72].copy_from_slice(&4242u32.to_ne_bytes());
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
}
