//! The file of settings: TOML for what the daemon's flags can say. Its keys are read off the command line's own
//! definition and its values go through the flags' own parsers: a flag that is added has its key already.

mod changes;
mod error;
mod file;
mod parse;
mod schema;
mod settings;
mod show;
mod sources;
#[cfg(test)]
mod tests;

pub use changes::{Change, changes};
pub use error::{ConfigError, Problem, Problems};
pub use parse::{Entry, parse};
pub use schema::{Key, SELECTION, Schema, Wanted};
pub use settings::{Origin, Settings};
pub use show::show;
pub use sources::{Choice, DEFAULT_PATH, Sources};
