//! One connection.

use super::{Cause, HostRef, Peer, Place, ProcessRef, Time};
use crate::correlate::Outcome;
use schemars::JsonSchema;
use serde::Serialize;

/// A connection and what became of it, as the server's kernel saw it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Connection {
    /// Where, if the report is made from several journals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostRef>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether its client lost something by that.
    pub lost: bool,
    /// The server's end.
    pub local: Place,
    /// The client's end.
    pub peer: Peer,
    /// Network namespace, by inode.
    pub netns: u32,
    /// When the handshake was done; null = not at all, before the observation began, or not known.
    pub established_at: Option<Time>,
    /// When it ended, or was refused.
    pub ended_at: Time,
    /// When it ended, nanoseconds since boot.
    pub ended_boot_ns: u64,
    /// Id of the restart that it fell to; null = it was outside any.
    pub restart: Option<String>,
    /// Id of its service, where that is known.
    pub service: Option<String>,
    /// The process that closed it, where it was closed by one.
    pub process: Option<ProcessRef>,
    /// What began its loss.
    pub cause: Option<Cause>,
    /// Payload bytes that the server received; null = they are not counted.
    pub bytes_received: Option<u64>,
    /// Payload bytes that the server wrote; null = they are not counted.
    pub bytes_written: Option<u64>,
    /// Whether an earlier request on it had been answered; null = cannot be told.
    pub reused: Option<bool>,
    /// The process at the client's end; null = it is on another host, or not known.
    pub client: Option<ProcessRef>,
    /// It was opened by the service, not by a client: `local` is the service's end all the same.
    pub outgoing: bool,
    /// Why that outcome is thought, most important first.
    pub evidence: Vec<String>,
}
