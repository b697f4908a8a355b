//! The first line of a journal.

use crate::mask::Masking;
use crate::selection::Selection;
use serde::{Deserialize, Serialize};

/// Version of the journal's format. Raised when an older reader would misunderstand a newer journal;
/// further kinds of events and further fields do not raise it.
pub const VERSION: u64 = 1;

/// What has to be known before the first event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`] of the writer. Its name is what marks a file as a journal.
    #[serde(rename = "drain_observer_journal")]
    pub version: u64,
    /// The program that wrote it.
    pub tool: Tool,
    /// Where.
    pub host: Host,
    /// When, RFC 3339 in UTC.
    pub created_at: String,
    /// How its clocks relate.
    pub clock: Clock,
    /// What was recorded.
    #[serde(default)]
    pub selection: Selection,
    /// Connections that ended cleanly are recorded one by one, not only counted.
    #[serde(default)]
    pub all_connections: bool,
    /// How the addresses of peers are masked; none = they are the true ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_peers: Option<Masking>,
    /// Its place among a flight recorder's; none = it stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentInfo>,
}

/// The place of a journal among those of one run of a flight recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentInfo {
    /// Milliseconds from boot to the recorder's start.
    pub run: u64,
    /// Its number in this run, from 1 on.
    pub sequence: u64,
    /// So many events at its beginning say what was known then, for who has not read the segments before it.
    pub recap: u64,
    /// Nothing was dropped between the segment before it and this one.
    pub continues: bool,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// A machine, from one boot to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// The kernel's random id of this boot.
    pub boot_id: String,
}

/// How the clocks of the journal relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// `CLOCK_REALTIME - CLOCK_BOOTTIME`, ns, when the journal began.
    pub wall_minus_boot_ns: i64,
    /// Jiffies a second.
    pub hz: u32,
}
