//! What a gate says, in one word.

use schemars::JsonSchema;
use serde::Serialize;

/// How the gate's waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every restart was over, and nothing more came.
    Settled,
    /// The time was up before.
    TimedOut,
    /// Somebody ended it before.
    Interrupted,
}

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go on.
    Pass,
    /// A limit was exceeded, or a restart did not come to a good end.
    Fail,
    /// Not everything was seen.
    Inconclusive,
    /// The command failed, whatever its restart did.
    CommandFailed,
}

impl Verdict {
    /// The exit code. Where several would do, the command's failure comes before the verdict's, and a failure before
    /// a doubt: what was seen to be lost stays lost, whatever was missed.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Inconclusive => 3,
            Self::CommandFailed => 4,
        }
    }
}
