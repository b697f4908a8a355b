//! What is told while it happens: one line for each event of note.

use super::{Connection, LostEvents, Restart, Step};
use crate::mask::Masking;
use schemars::JsonSchema;
use serde::Serialize;

/// One event of note. In JSON each has its `type`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveLine {
    /// A restart began.
    RestartBegan(Box<Restart>),
    /// Something happened in a restart.
    Step {
        /// Id of the restart.
        restart: String,
        /// Name of its service.
        service_name: String,
        /// What happened.
        #[serde(flatten)]
        step: Box<Step>,
    },
    /// A connection was lost.
    Connection {
        /// Name of its service.
        service_name: String,
        /// The connection, as in the report.
        #[serde(flatten)]
        connection: Box<Connection>,
        /// How the peer's address is masked; none = it is the true one.
        #[serde(skip_serializing_if = "Option::is_none")]
        masked_peers: Option<Masking>,
    },
    /// A restart ended.
    RestartEnded(Box<Restart>),
    /// Events were dropped: what follows may be incomplete.
    Lost(LostEvents),
}
