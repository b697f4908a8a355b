//! What keeps the project's structure as `drain-observer/docs/ARCHITECTURE.md` tells it.
//!
//! Each rule is a function of texts that gives the [`Offence`]s against it; its own tests try it on small made-up ones.
//! The test `tidy` applies all of them to this checkout. Where a rule needs a table, the table is the document's.

pub mod commands;
pub mod core;
pub mod document;
pub mod faults;
pub mod fuzzing;
pub mod layers;
pub mod licences;
pub mod modules;
pub mod packaging;
pub mod paths;
pub mod prototypes;
pub mod size;
pub mod sources;
pub mod unsafety;

use std::fmt;

/// Something that is against a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    /// Where: a file, or a table's row.
    pub place: String,
    /// What is wrong there.
    pub wrong: String,
    /// What to do about it.
    pub remedy: String,
}

impl Offence {
    /// An offence at a place.
    pub fn new(place: &str, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.to_owned(), wrong: wrong.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    -> {}", self.place, self.wrong, self.remedy)
    }
}
