//! Where a server listens.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{load, ports, sockets};

/// An address and port, or a socket file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Of TCP.
    Inet(SocketAddr),
    /// Of AF_UNIX.
    Path(PathBuf),
}

impl Place {
    /// A free port of 127.0.0.1.
    pub fn free() -> Result<Self> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?)).into())
    }

    /// The address, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Path(_) => None,
        }
    }

    /// The socket file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Inet(_) => None,
            Self::Path(path) => Some(path),
        }
    }

    /// As nginx and gunicorn write it: `127.0.0.1:8080` or `unix:/run/app.sock`.
    pub fn written(&self) -> String {
        match self {
            Self::Inet(address) => address.to_string(),
            Self::Path(path) => format!("unix:{}", path.display()),
        }
    }

    /// Whether somebody listens there.
    pub(crate) fn has_listener(&self) -> Result<bool> {
        match self {
            Self::Inet(address) => Ok(!sockets::listeners(address.port())?.is_empty()),
            Self::Path(path) => sockets::unix::listens(path),
        }
    }

    /// Waits for an answer at a socket file; whoever asks at a port wants to know the connections' fates.
    pub(crate) fn wait_for_answer_at_path(&self) -> Result<()> {
        match self {
            Self::Inet(_) => Ok(()),
            Self::Path(path) => load::expect_served_at(path),
        }
    }
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}
