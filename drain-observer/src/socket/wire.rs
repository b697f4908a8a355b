//! What is said, one line of JSON at a time.

use crate::journal::{Header, Tool};
use serde::{Deserialize, Serialize};

/// Version of what is said. Raised when the other side would misunderstand it; further fields do not raise it.
pub const VERSION: u64 = 1;
/// No line that a client sends is longer, in bytes.
pub(super) const MAX_HELLO: usize = 4 << 10;
/// No line that a daemon sends is longer: as in a journal.
pub(super) const MAX_LINE: usize = 1 << 20;
/// Files that come with one line.
pub(super) const MAX_FILES: usize = 64;
/// Files that come with one answer.
pub(super) const MAX_SEGMENTS: u64 = 1 << 14;

/// What every version begins its first line with, so that each can say which the other is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// [`VERSION`] of who says it.
    #[serde(rename = "drain_observer_socket")]
    pub(super) version: u64,
    /// The program.
    pub(super) tool: Tool,
}

impl Mark {
    /// This program's.
    pub(super) fn this() -> Self {
        Self { version: VERSION, tool: Tool::this() }
    }
}

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    #[serde(flatten)]
    pub(super) mark: Mark,
    /// What it wants.
    pub(super) ask: Ask,
}

/// What a client may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// What goes on from now on, as it happens.
    Live {
        /// What has happened lately, too, if that is recorded. Otherwise only what is known now.
        history: bool,
    },
    /// The files of the journal.
    Journal {},
}

/// What a daemon says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    pub(super) mark: Mark,
    /// Its answer.
    pub(super) answer: Reply,
}

/// What a daemon may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// What was asked for is not to be had; why, in words.
    Refused(String),
    /// After this line events follow, a line each.
    Live {
        /// What a journal made now would begin with.
        header: Box<Header>,
        /// The files that tell what happened before, in order; they come with this line.
        history: Vec<File>,
        /// So many events that follow first say what is known now.
        recap: u64,
    },
    /// After this line so many files follow, in lines of [`Files`].
    Journal {
        /// How many.
        segments: u64,
        /// The directory they are in, for messages.
        dir: String,
    },
}

/// Files that come with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Files {
    /// In the order of the descriptors.
    pub(super) segments: Vec<File>,
}

/// A segment of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    /// The file's name, which says where it belongs.
    pub(super) name: String,
    /// What is to be read of it.
    pub(super) bytes: u64,
}

/// Why a client's first line is no question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// It speaks another version.
    Version {
        /// The version.
        found: u64,
        /// Its program's, made harmless.
        program: String,
    },
    /// It says something else.
    Foreign,
}

/// What a client's first line asks for, and what follows the line does not matter.
pub(super) fn asked(bytes: &[u8]) -> Result<Ask, NotAsked> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mark: Mark = serde_json::from_slice(line).map_err(|_| NotAsked::Foreign)?;
    if mark.version != VERSION {
        return Err(NotAsked::Version { found: mark.version, program: harmless(&mark.tool.version) });
    }
    serde_json::from_slice(line).map(|hello: Hello| hello.ask).map_err(|_| NotAsked::Foreign)
}

/// What another program says, for a terminal or a log.
pub(super) fn harmless(text: &str) -> String {
    text.chars().take(300).flat_map(char::escape_debug).collect()
}

/// A line as it is sent.
pub(super) fn line(what: &impl Serialize) -> Vec<u8> {
    // Nothing here can fail to become JSON; an empty line would be refused by the other side.
    let mut line = serde_json::to_vec(what).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_other_versions_expect() {
        let hello = Hello { mark: Mark::this(), ask: Ask::Live { history: true } };
        let text = String::from_utf8(line(&hello)).expect("text");
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"{{"drain_observer_socket":1,"tool":{{"name":"drain-observer","version":"{version}"}},"ask":{{"live":{{"history":true}}}}}}"#
        );
        assert_eq!(text.trim_end(), expected);
        let later = r#"{"drain_observer_socket":7,"tool":{"name":"drain-observer","version":"9.9"},"ask":{"dance":1},"more":[]}"#;
        let mark: Mark = serde_json::from_str(later).expect("every version has it");
        assert_eq!(mark.version, 7);
        assert!(serde_json::from_str::<Hello>(later).is_err());
        let journal =
            r#"{"drain_observer_socket":1,"tool":{"name":"x","version":"1"},"ask":{"journal":{"new":1}}}"#;
        let hello: Hello = serde_json::from_str(journal).expect("further fields do no harm");
        assert_eq!(hello.ask, Ask::Journal {});
    }
}
