//! What daemon and client say to each other at the local socket.

use drain_observer::correlate::Config;
use drain_observer::socket::{Connection, is_question};
use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// What a socket takes without anybody reading.
const FITS: usize = 32 << 10;

/// Takes the input for a client's question, and for a daemon's answers to either of a client's.
pub fn socket(bytes: &[u8]) {
    let _ = is_question(bytes);
    let bytes = &bytes[..bytes.len().min(FITS)];
    let (connection, _daemon) = answered(bytes);
    if let Ok(mut live) = connection.live(true) {
        let mut events = 0_usize;
        let caught_up = live.catch_up(Config::default(), |_| events += 1);
        assert!(caught_up.is_err() || events <= bytes.len(), "{events} events of {} bytes", bytes.len());
    }
    let (connection, _daemon) = answered(bytes);
    if let Ok((segments, _)) = connection.journal() {
        assert!(segments.is_empty(), "files that were never sent: {segments:?}");
    }
}

/// A connection to a daemon that says this and no more, and the daemon's end of it, where nobody reads.
fn answered(bytes: &[u8]) -> (Connection, UnixStream) {
    let (client, mut daemon) = UnixStream::pair().expect("sockets are to be had");
    daemon.write_all(bytes).expect("it fits");
    daemon.shutdown(Shutdown::Write).expect("it is connected");
    let connection = Connection::over(client, PathBuf::from("socket"));
    (connection.expect("it is connected"), daemon)
}
