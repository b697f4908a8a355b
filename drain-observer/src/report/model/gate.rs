//! What a gate decided.

use super::ExitStatus;
use crate::gate::verdict::{End, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

/// A deploy gate's decision.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Gate {
    /// What it says.
    pub verdict: Verdict,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// Why, weightiest first.
    pub reasons: Vec<String>,
    /// How the waiting ended.
    pub end: End,
    /// The command that was run, with its arguments.
    pub command: Vec<String>,
    /// How it ended; null = it still ran, or that cannot be told.
    pub command_exit: Option<ExitStatus>,
}
