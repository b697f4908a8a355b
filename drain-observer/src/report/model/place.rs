//! Where listeners are, and both ends of a connection.

use super::ProcessRef;
use crate::event::{self, Endpoint, Local};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// An end of a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Address {
    /// IPv4 or IPv6 address. An IPv4 client of an IPv6 listener has its IPv4 address.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// What a unix socket was bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Path {
    /// The whole path, also where it was bound by a relative name, unless that is longer than 108 bytes or its process is
    /// not known. An abstract name begins with `@`. A backslash, a first `@` of a path, and whatever is no letter, digit or
    /// usual sign are the bytes `\xNN`.
    pub path: String,
}

/// Where a listener is, or this host's end of a connection: an address and port, or a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Place {
    /// Of TCP.
    Inet(Address),
    /// Of AF_UNIX.
    Unix(Path),
}

/// The other end of a connection: an address and port, or a process of this host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Peer {
    /// Of TCP.
    Inet(Address),
    /// Of AF_UNIX: who connected; pid 0 where that is not known.
    Process(ProcessRef),
}

impl From<&Endpoint> for Address {
    fn from(endpoint: &Endpoint) -> Self {
        Self { address: endpoint.address.to_canonical().to_string(), port: endpoint.port }
    }
}

impl From<&Local> for Place {
    fn from(local: &Local) -> Self {
        match local {
            Local::Inet(endpoint) => Self::Inet(endpoint.into()),
            Local::Unix(path) => Self::Unix(Path { path: path.to_string() }),
        }
    }
}

impl From<&event::Peer> for Peer {
    fn from(peer: &event::Peer) -> Self {
        match peer {
            event::Peer::Inet(endpoint) => Self::Inet(endpoint.into()),
            event::Peer::Process(task) => Self::Process(task.into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, port } = self;
        if address.contains(':') { write!(f, "[{address}]:{port}") } else { write!(f, "{address}:{port}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => f.write_str(&path.path),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Process(ProcessRef { pid: 0, .. }) => f.write_str("an unknown process"),
            Self::Process(process) => write!(f, "{} (pid {})", process.comm, process.pid),
        }
    }
}
