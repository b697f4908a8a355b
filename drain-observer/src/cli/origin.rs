//! Where events come from: a daemon that observes already, or probes of one's own.

use super::masking::MaskPeers;
use super::probing::Probing;
use super::record;
use crate::journal::Header;
use crate::privilege;
use crate::socket::{Connection, DEFAULT_PATH, SocketError};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};

/// Not `next_help_heading`, which would also take what comes after these.
const HEADING: &str = "Where events come from (default: the daemon if there is one, else probes of its own)";

/// Whom to ask.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Origin {
    /// Use the daemon that answers at this socket: `serve --socket` says where it is
    #[arg(help_heading = HEADING, long, value_name = "PATH")]
    connect: Option<PathBuf>,
    /// Attach probes of its own, even where a daemon runs; needs root
    #[arg(help_heading = HEADING, long, conflicts_with = "connect")]
    standalone: bool,
}

/// A daemon in words.
pub(super) fn described(header: &Header, path: &Path) -> String {
    let of = if header.selection.is_all() {
        String::new()
    } else {
        format!(", which observes {}", header.selection)
    };
    let masked = header.masked_peers.map(|masking| format!(", with peers masked ({})", masking.as_str()));
    format!("the daemon at {}{of}{}", path.display(), masked.unwrap_or_default())
}

impl Origin {
    /// The daemon to use; none = observe by oneself, which is allowed then.
    pub(super) fn find(&self, probing: Probing, masking: MaskPeers) -> Result<Option<Connection>> {
        let given = probing.given().or(masking.how().map(|_| "--mask-peers"));
        if let Some(path) = &self.connect {
            if let Some(flag) = given {
                bail!("{flag} is the daemon's to decide: give it to `serve`, or use --standalone");
            }
            return Ok(Some(Connection::open(path)?));
        }
        if self.standalone || given.is_some() {
            privilege::check()?;
            return Ok(None);
        }
        let privileged = privilege::check();
        match (Connection::open(Path::new(DEFAULT_PATH)), privileged) {
            (Ok(connection), _) => Ok(Some(connection)),
            (Err(SocketError::Missing(_)), Ok(())) => Ok(None),
            (Err(error), Ok(())) => {
                record::say(&format!("note: {error}; observing without it"));
                Ok(None)
            }
            (Err(SocketError::Missing(path)), Err(not_allowed)) => {
                Err(not_allowed).with_context(|| format!("no daemon listens at {}", path.display()))
            }
            (Err(error), Err(_)) => Err(error.into()),
        }
    }
}
