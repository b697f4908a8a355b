//! drain-observer: which client connections a restart lost, why, and which process and signal did it.

pub mod correlate;
pub mod event;
