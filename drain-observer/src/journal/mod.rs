//! The journal: everything the observer saw, in one file of JSON lines. Line one is the [`Header`], every
//! other line one [`Event`](crate::event::Event), in the order in which the correlator got them.

mod baseline;
mod content;
mod error;
mod events;
mod header;
mod input;
mod line;
mod reader;
mod recorder;
mod segments;
mod stretch;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use baseline::Baseline;
pub use content::{Content, Handed};
pub use error::{JournalError, WriteError};
pub use events::Events;
pub use header::{Clock, Header, Host, SegmentInfo, Tool, VERSION};
pub use input::Input;
pub use reader::{Reader, Stats};
pub use recorder::{
    QUEUE_FULL, Recorder, RecorderDirectory, RecorderError, RecorderMonitor, RecorderSettings,
    RecorderStatus, Retention, Unfinished, WRITE_FAILED,
};
pub use segments::{Between, Catalog, RunId, Segment, SegmentName, choose, last_event};
pub use stretch::{Break, Pending, Stretch};
pub use writer::Writer;
