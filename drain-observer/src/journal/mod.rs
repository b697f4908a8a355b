//! The journal: everything the observer saw, in one file of JSON lines. Line one is the [`Header`], every
//! other line one [`Event`](crate::event::Event), in the order in which the correlator got them.

mod error;
mod header;
mod line;
mod reader;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use error::{JournalError, WriteError};
pub use header::{Clock, Header, Host, Tool, VERSION};
pub use reader::{Reader, Stats};
pub use writer::Writer;
