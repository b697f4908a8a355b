//! What a client speaks over: the bare connection, or TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use rustls::{ClientConnection, StreamOwned};

use super::tls::Tls;

/// A connection, spoken over in either way.
pub(super) enum Channel {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// What lies ready on a connection that nobody asked anything of.
pub(super) enum Unasked {
    /// Nothing that the user of the connection would see.
    Nothing,
    /// Data.
    Data,
    /// The server's end of stream.
    End,
}

impl Channel {
    /// Begins to speak; over TLS only when the handshake is done.
    pub(super) fn open(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::Plain(stream)) };
        let mut session = tls.over(stream).map_err(io::Error::other)?;
        while session.conn.is_handshaking() {
            session.conn.complete_io(&mut session.sock)?;
        }
        Ok(Self::Tls(Box::new(session)))
    }

    /// Looks at what is there without taking any of it; waits until there is something.
    pub(super) fn look(&mut self) -> io::Result<Unasked> {
        match self {
            Self::Plain(stream) => match stream.peek(&mut [0])? {
                0 => Ok(Unasked::End),
                _ => Ok(Unasked::Data),
            },
            Self::Tls(session) => {
                // Session tickets are no answer to anything.
                let ended = session.conn.read_tls(&mut session.sock)? == 0;
                let state = session.conn.process_new_packets().map_err(io::Error::other)?;
                Ok(if state.plaintext_bytes_to_read() > 0 {
                    Unasked::Data
                } else if ended || state.peer_has_closed() {
                    Unasked::End
                } else {
                    Unasked::Nothing
                })
            }
        }
    }

    /// Whether data was taken from the connection that nobody has read yet.
    pub(super) fn holds_data(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(session) => {
                session.conn.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
            }
        }
    }

    /// Says goodbye before it is closed, in TLS only; nobody waits for an answer.
    pub(super) fn say_goodbye(&mut self) {
        if let Self::Tls(session) = self {
            session.conn.send_close_notify();
            // The server may have gone long ago.
            let _ = session.conn.write_tls(&mut session.sock);
        }
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            // A server that leaves without goodbye has ended the stream all the same.
            Self::Tls(session) => match session.read(buffer) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                result => result,
            },
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(session) => session.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(session) => session.flush(),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(session) => session.sock.as_fd(),
        }
    }
}
