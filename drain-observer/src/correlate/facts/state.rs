//! How a service does, in one word.

use serde::{Deserialize, Serialize};

/// How a service does at the moment.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Somebody listens, and somebody is there to accept.
    Serving,
    /// The same, while processes of an old generation are still there.
    Draining,
    /// Somebody listens, and nobody is there to accept, or nobody has accepted yet since a restart.
    Silent,
    /// Nobody listens at any of its places, or (during a restart) at one of them.
    Down,
}

impl ServiceState {
    /// The word used in JSON, metrics and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Down => "down",
        }
    }
}
