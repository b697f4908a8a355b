//! Segments: the journals that a flight recorder leaves in a directory, one after the other. What of them can be
//! told from their names and their ends, and which of them a reader needs.

mod catalog;
mod choose;
mod end;
mod name;
#[cfg(test)]
mod tests;

pub use catalog::{Catalog, Segment};
pub use choose::{Between, choose};
pub(super) use end::is_barely_begun;
pub use end::last_event;
pub use name::{RunId, SegmentName};
