//! drain-observer: which client connections a restart lost, why, and which process and signal did it.
//!
//! Events ([`event`]) come from the probes ([`kernel`]) and from `/proc` and sock_diag ([`enrich`]), go into the
//! [`journal`] and through the pure [`correlate`], and what that concludes is shown by [`report`], by [`tui`] and, as
//! metrics, by [`exporter`]. [`runtime`] is the loop that moves them, [`serve`] the daemon; [`cli`] has a file for each
//! subcommand.

pub mod cli;
pub mod clock;
pub mod config;
pub mod correlate;
pub mod decode;
mod diagnostics;
pub mod enrich;
pub mod event;
pub mod exporter;
pub mod gate;
pub mod journal;
pub mod kernel;
pub mod mask;
pub mod privilege;
pub mod report;
pub mod runtime;
pub mod selection;
pub mod serve;
pub mod socket;
pub mod tui;
