//! Reports: what the correlator concluded, in the published JSON format and in words.

mod build;
mod explain;
#[cfg(test)]
pub(crate) mod fixture;
mod gather;
mod json;
mod merge;
pub mod model;
mod replay;
#[cfg(test)]
mod tests;
mod text;
mod wall;
mod window;
pub(crate) mod words;

pub(crate) use build::restart_id;
pub use build::{Live, Options, Source, build};
pub use explain::{Explanation, Target, Unknown};
pub use gather::{Inputs, Reading, Ungathered, gather};
pub(crate) use json::schema_of;
pub use json::{lines_schema, live_schema, schema, write_json, write_jsonl, write_live_json};
pub use merge::merge;
pub use model::Report;
pub use replay::{Player, Replayed, replay};
pub(crate) use text::harmless;
pub use text::{write_live, write_text};
pub use wall::WallClock;
pub use window::{Moment, Reversed, Span};

use crate::correlate::Outcome;
use clap::ValueEnum;

/// Which connections a report lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ConnectionChoice {
    /// Those whose clients lost something
    #[default]
    Lost,
    /// Every one that was recorded
    All,
    /// None
    None,
}

impl ConnectionChoice {
    fn lists(self, outcome: Outcome) -> bool {
        match self {
            Self::Lost => outcome.is_lost(),
            Self::All => true,
            Self::None => false,
        }
    }
}
