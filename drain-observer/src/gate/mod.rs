//! The deploy gate: a command that restarts something, and the judgement whether it may count as done.
//!
//! [`decide()`] and [`is_over`] are pure functions of what the correlator concluded; [`Watch`] asks them while the
//! observation goes on, [`follow`] goes with the command.

mod command;
mod decide;
mod over;
mod scope;
mod silence;
#[cfg(test)]
mod tests;
pub(crate) mod verdict;
mod watch;

pub use command::{Ended, follow, start};
pub use decide::{Command, Decision, Policy, decide};
pub use over::{News, is_over};
pub use verdict::{End, Verdict};
pub use watch::Watch;
