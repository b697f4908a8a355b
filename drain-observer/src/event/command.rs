//! How a process was started.

use serde::{Deserialize, Serialize};

/// A process's command line, as its program left it: it may have written over it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// Its arguments, the program's name first.
    pub arguments: Vec<String>,
    /// It goes on: only the first [`CommandLine::MAX`] bytes were taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl CommandLine {
    /// So many bytes of one are taken, with those between arguments.
    pub const MAX: usize = 4_096;
}
