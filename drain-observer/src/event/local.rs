//! Where listeners are, and who is at the other end of a connection.

use super::{Endpoint, Task, UnixPath};
use serde::{Deserialize, Serialize};
use std::fmt;

/// This host's end of a connection, or the place of a listener. In JSON `{"address": .., "port": ..}` or
/// `{"path": ..}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Local {
    /// Of TCP.
    Inet(Endpoint),
    /// Of AF_UNIX.
    #[serde(with = "named")]
    Unix(UnixPath),
}

impl Local {
    /// The address and port, if it is one.
    pub fn inet(&self) -> Option<&Endpoint> {
        match self {
            Self::Inet(endpoint) => Some(endpoint),
            Self::Unix(_) => None,
        }
    }

    /// The path, if it is one.
    pub fn path(&self) -> Option<&UnixPath> {
        match self {
            Self::Inet(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// The port, if it has one.
    pub fn port(&self) -> Option<u16> {
        self.inet().map(|endpoint| endpoint.port)
    }

    /// Whether a listener at `self` takes connections for `local`: see [`Endpoint::accepts`]; a path takes its own.
    pub fn accepts(&self, local: &Self) -> bool {
        match (self, local) {
            (Self::Inet(own), Self::Inet(other)) => own.accepts(other),
            (Self::Unix(own), Self::Unix(other)) => own == other,
            _ => false,
        }
    }

    /// Its text, a path with its middle left out where that has more than `columns` characters.
    pub fn shortened(&self, columns: usize) -> String {
        match self {
            Self::Inet(endpoint) => endpoint.to_string(),
            Self::Unix(path) => path.shortened(columns),
        }
    }
}

impl From<Endpoint> for Local {
    fn from(endpoint: Endpoint) -> Self {
        Self::Inet(endpoint)
    }
}

impl From<UnixPath> for Local {
    fn from(path: UnixPath) -> Self {
        Self::Unix(path)
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(endpoint) => endpoint.fmt(f),
            Self::Unix(path) => path.fmt(f),
        }
    }
}

/// The other end of a connection. In JSON `{"address": .., "port": ..}` or `{"pid": .., "comm": ..}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Peer {
    /// Of TCP.
    Inet(Endpoint),
    /// Of AF_UNIX: the process that connected; pid 0 where that is not known.
    Process(Task),
}

impl Peer {
    /// The process, if it is one.
    pub fn process(&self) -> Option<&Task> {
        match self {
            Self::Inet(_) => None,
            Self::Process(task) => Some(task),
        }
    }

    /// The address and port, if it is one.
    pub fn inet(&self) -> Option<&Endpoint> {
        match self {
            Self::Inet(endpoint) => Some(endpoint),
            Self::Process(_) => None,
        }
    }
}

impl From<Endpoint> for Peer {
    fn from(endpoint: Endpoint) -> Self {
        Self::Inet(endpoint)
    }
}

impl From<Task> for Peer {
    fn from(task: Task) -> Self {
        Self::Process(task)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(endpoint) => endpoint.fmt(f),
            Self::Process(Task { pid: 0, .. }) => f.write_str("an unknown process"),
            Self::Process(Task { pid, comm }) if comm.as_str().is_empty() => write!(f, "pid {pid}"),
            Self::Process(task) => write!(f, "{} (pid {})", task.comm, task.pid),
        }
    }
}

/// Where a listener is: what clients connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListenerKey {
    /// Inode of the network namespace.
    pub netns: u32,
    /// Local address and port (`0.0.0.0` as the kernel shows it and `::` are different listeners), or path: sockets
    /// that were bound to one path one after the other are at one place.
    pub local: Local,
}

/// A path as `{"path": ..}`.
mod named {
    use super::UnixPath;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Named {
        path: UnixPath,
    }

    pub(super) fn serialize<S: Serializer>(path: &UnixPath, serializer: S) -> Result<S::Ok, S::Error> {
        Named { path: *path }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixPath, D::Error> {
        Named::deserialize(deserializer).map(|named| named.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Comm;

    fn round_trip<T>(value: &T) -> String
    where
        T: Serialize + for<'de> Deserialize<'de> + PartialEq + fmt::Debug,
    {
        let json = serde_json::to_string(value).expect("JSON");
        assert_eq!(serde_json::from_str::<T>(&json).expect("its own JSON"), *value);
        json
    }

    #[test]
    fn an_end_reads_as_what_it_is() {
        let endpoint = Endpoint { address: [127, 0, 0, 1].into(), port: 80 };
        let path = UnixPath::new(b"\0puma");
        let task = Task { pid: 7, comm: Comm::new(b"nginx") };
        assert_eq!(round_trip(&Local::from(endpoint)), r#"{"address":"127.0.0.1","port":80}"#);
        assert_eq!(round_trip(&Local::from(path)), r#"{"path":"@puma"}"#);
        assert_eq!(round_trip(&Peer::from(endpoint)), r#"{"address":"127.0.0.1","port":80}"#);
        assert_eq!(round_trip(&Peer::from(task)), r#"{"pid":7,"comm":"nginx"}"#);
        let key = ListenerKey { netns: 1, local: path.into() };
        assert_eq!(round_trip(&key), r#"{"netns":1,"local":{"path":"@puma"}}"#);
        assert_eq!(Peer::from(task).to_string(), "nginx (pid 7)");
    }

    #[test]
    fn a_path_takes_its_own_connections_alone() {
        let path: Local = UnixPath::new(b"/a").into();
        let any: Local = Endpoint { address: [0, 0, 0, 0].into(), port: 80 }.into();
        assert!(path.accepts(&path) && !path.accepts(&any) && !any.accepts(&path));
        assert!(!path.accepts(&UnixPath::new(b"/b").into()));
    }
}
