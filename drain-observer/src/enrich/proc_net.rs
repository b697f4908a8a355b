//! TCP sockets from /proc/PID/net/tcp{,6} (net/ipv4/tcp_ipv4.c `get_tcp4_sock`), for kernels without
//! INET_DIAG and namespaces that may not be entered.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::sockets::{Family, Query, SocketError, SocketList, Source, State, TcpSocket};

/// Lists sockets of the namespace of process `pid`, or of the calling thread. Cookies, counters and limits
/// of listeners are not to be had here and stay 0.
pub fn dump(pid: Option<u32>, query: &Query) -> Result<SocketList, SocketError> {
    let process = pid.map_or("thread-self".to_owned(), |pid| pid.to_string());
    let source = Source::Proc { instead: "it was not asked".to_owned() };
    let mut list = SocketList { source, ..SocketList::default() };
    for (family, name) in [(Family::V4, "tcp"), (Family::V6, "tcp6")] {
        let path = format!("/proc/{process}/net/{name}");
        match File::open(&path).and_then(|file| read(BufReader::new(file), family, query, &mut list)) {
            // No such file without IPv6.
            Err(error) if family == Family::V6 && error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SocketError::Proc { path, source }),
            Ok(()) => {}
        }
    }
    list.sort();
    Ok(list)
}

/// Reads a table of one address family, whose first line is a heading; lines that make no sense are counted.
pub fn read(mut table: impl BufRead, family: Family, query: &Query, list: &mut SocketList) -> io::Result<()> {
    let mut line = Vec::new();
    let mut heading = true;
    loop {
        line.clear();
        if table.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if std::mem::take(&mut heading) {
            continue;
        }
        match std::str::from_utf8(&line).ok().and_then(|line| parse(line, family)) {
            Some(socket) => list.keep(socket, query),
            None => list.malformed += 1,
        }
    }
}

/// Lines are about 150 bytes long.
const LINE: u64 = 1024;

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...`
fn parse(line: &str, family: Family) -> Option<TcpSocket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?, family)?;
    let peer = address(fields.next()?, family)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let (wqueue, rqueue) = fields.next()?.split_once(':')?;
    let mut fields = fields.skip(2);
    let uid = fields.next()?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(TcpSocket {
        family,
        state: State::from_number(state),
        local,
        peer,
        inode,
        cookie: 0,
        uid,
        rqueue: u32::from_str_radix(rqueue, 16).ok()?,
        wqueue: u32::from_str_radix(wqueue, 16).ok()?,
        v6_only: None,
        counters: None,
    })
}

/// Addresses are printed word by word in the machine's byte order, ports as numbers.
fn address(text: &str, family: Family) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip: IpAddr = match family {
        Family::V4 => Ipv4Addr::from(words::<1>(address)?[0]).into(),
        Family::V6 => Ipv6Addr::from_octets(*words::<4>(address)?.as_flattened().first_chunk()?).into(),
    };
    Some(SocketAddr::new(ip, port))
}

fn words<const N: usize>(text: &str) -> Option<[[u8; 4]; N]> {
    if text.len() != N * 8 {
        return None;
    }
    let mut words = [[0; 4]; N];
    for (i, word) in words.iter_mut().enumerate() {
        *word = u32::from_str_radix(text.get(i * 8..i * 8 + 8)?, 16).ok()?.to_ne_bytes();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000    33        0 5551 1 0 100 0 0 10 0
   1: 0100007F:1F90 0200007F:9C40 08 00000010:00000020 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0200007F:9C41 06 00000000:00000000 03:00000567 00000000     0        0 0 3 0
   3: nonsense
";

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_are_read_field_by_field() {
        let mut list = SocketList::default();
        let query = Query { states: u32::MAX, ..Query::listeners() };
        read(TCP.as_bytes(), Family::V4, &query, &mut list).expect("readable text");
        assert_eq!((list.sockets.len(), list.malformed), (3, 1));
        let listener = &list.sockets[0];
        assert_eq!(listener.local.to_string(), "127.0.0.1:8080");
        assert_eq!((listener.state, listener.inode, listener.uid), (State::Listen, 5551, 33));
        assert_eq!((listener.rqueue, listener.wqueue, listener.cookie), (3, 0, 0));
        let waiting = &list.sockets[1];
        assert_eq!(waiting.peer.to_string(), "127.0.0.2:40000");
        assert_eq!((waiting.state, waiting.inode), (State::CloseWait, 0));
        assert_eq!((waiting.rqueue, waiting.wqueue), (32, 16));
        assert_eq!(list.sockets[2].state, State::Other(6));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn ipv6_addresses_are_put_in_order() {
        let parsed = address("B80D0120000000000000000001000000:0050", Family::V6).expect("an address");
        assert_eq!(parsed.to_string(), "[2001:db8::1]:80");
        let mapped = address("0000000000000000FFFF00000100007F:0050", Family::V6).expect("an address");
        assert_eq!(mapped.to_string(), "[::ffff:127.0.0.1]:80");
        assert_eq!(address("0100007F:0050", Family::V6), None);
        assert_eq!(address("0100007F:10050", Family::V4), None);
        assert_eq!(address("é00007F:0050", Family::V4), None);
    }

    #[test]
    fn endless_lines_are_cut() {
        let text = vec![b'x'; 10_000];
        let mut list = SocketList::default();
        read(text.as_slice(), Family::V4, &Query::listeners(), &mut list).expect("readable text");
        assert_eq!(list.malformed, 9);
    }
}
