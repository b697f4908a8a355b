//! A small TLS server in Python that takes its leave as the standard says: with a goodbye, answered or not.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::{Server, certificate, command, directory, write};
use crate::load::tls::{Tls, Version};
use crate::ports;

/// Answers `/` and nothing else; names the rest in its log, one after the other in a line. At SIGTERM it says goodbye
/// on every connection, closes it and goes.
const PROGRAM: &str = r#"
import select, signal, socket, ssl, sys

port, version = int(sys.argv[1]), sys.argv[2]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)

def serve(connection):
    request = connection.recv(65536)
    if not request:
        return False
    path = request.split()[1].decode()
    if path != "/":
        print(path, end=" ", flush=True)
        return True
    last = b"Connection: close" in request
    header = b"Connection: close\r\n" if last else b""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nok" % header)
    return not last

def leave():
    for connection in connections:
        connection.setblocking(False)
        try:
            connection.unwrap()
        except ssl.SSLError:
            pass  # The goodbye is sent; the client's is not waited for.
        connection.close()
    sys.exit(0)

listener = socket.create_server(("127.0.0.1", port))
connections = []
waker, waking = socket.socketpair()
signal.signal(signal.SIGTERM, lambda *_: waking.send(b"."))
while True:
    ready, _, _ = select.select([listener, waker, *connections], [], [])
    for one in ready:
        if one is waker:
            leave()
        elif one is listener:
            connections.append(context.wrap_socket(listener.accept()[0], server_side=True))
        else:
            # What came along with the handshake is in the session already.
            alive = serve(one)
            while alive and one.pending():
                alive = serve(one)
            if not alive:
                connections.remove(one)
                one.close()
"#;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Python {
    address: SocketAddr,
    version: Version,
}

impl Python {
    /// On a free port, speaking this version of TLS.
    pub fn new(version: Version) -> Result<Self> {
        Ok(Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?)), version })
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("python")?;
        certificate::make(&dir)?;
        write(&dir, "server.py", PROGRAM)?;
        let tls = Tls::trusting(&dir.path().join(certificate::CERTIFICATE), self.version)?;
        let version = match self.version {
            Version::V12 => "TLSv1_2",
            Version::V13 => "TLSv1_3",
        };
        let mut python = command("python3")?;
        python.args(["server.py", &self.address.port().to_string(), version]);
        let mut server = Server::start_unserved(python, dir, self.address, None)?.speaks(tls);
        server.wait_until_serving()?;
        Ok(server)
    }
}
