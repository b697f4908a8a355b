//! The daemon's local socket, seen from both sides: people on call look at what it observes, and need no privileges.
//!
//! A client says what it wants in one line of JSON and is answered by another, to which open files of the journal may be
//! attached. What goes on is then told in the journal's own lines, as it happens.

mod client;
mod descriptors;
mod follow;
mod office;
mod peer;
mod server;
mod teller;
mod wire;

pub use client::{Connection, Live, SocketError};
pub use follow::{Ending, follow};
pub use server::{Bound, Server, SocketSettings, SocketStatus};
pub use teller::{Teller, teller};
pub use wire::{NotAsked, VERSION};

/// Whether bytes are a client's question, as a daemon reads them.
pub fn is_question(bytes: &[u8]) -> Result<(), NotAsked> {
    wire::asked(bytes).map(drop)
}

/// Where a daemon listens, unless it is told otherwise.
pub const DEFAULT_PATH: &str = "/run/drain-observer/socket";
