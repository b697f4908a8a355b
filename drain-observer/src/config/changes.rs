//! What became another setting.

use super::show::shown;
use super::{Key, Schema, Settings};

/// A setting that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// What it was, as the file would have it.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// The settings that two readings do not agree about.
pub fn changes(before: &Settings, after: &Settings, schema: &Schema) -> Vec<Change> {
    let change = |key: &Key| {
        let (old, new) = (before.values(key)?, after.values(key)?);
        let changed = || Change { key: key.clone(), before: shown(key, &old), after: shown(key, &new) };
        (old != new).then(changed)
    };
    schema.keys().iter().filter_map(change).collect()
}
