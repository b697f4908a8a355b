//! Whether everything was seen.

use crate::event;
use schemars::JsonSchema;
use serde::Serialize;

/// Whether everything was seen, and what was not. Where it was not, a verdict is never `clean` without reason,
/// and counts are lower bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Completeness {
    /// Nothing is known to be missing.
    pub complete: bool,
    /// Something of what was observed is selected; or nothing was observed at all.
    pub matched: bool,
    /// Events that were dropped.
    pub lost_events: Vec<LostEvents>,
    /// Limits of memory that were reached, so that something was forgotten.
    pub bounds: Vec<Bound>,
    /// The kernel hooks and their state.
    pub hooks: Vec<Hook>,
    /// What is missing, and what that means, in words.
    pub notes: Vec<String>,
    /// State of the journal; null = the report was made while observing.
    pub journal: Option<JournalHealth>,
}

/// Events that were dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct LostEvents {
    /// What.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Bound {
    /// Which.
    pub bound: String,
    /// How often.
    pub hits: u64,
}

/// A kernel hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hook {
    /// The kernel's name for it.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Nothing works without it.
    pub required: bool,
    /// What became of it.
    pub state: HookState,
    /// Why it is not simply attached, and what is lost by that.
    pub reason: Option<String>,
}

impl From<&event::Hook> for Hook {
    fn from(hook: &event::Hook) -> Self {
        Self {
            name: hook.name.clone(),
            purpose: hook.purpose.clone(),
            required: hook.required,
            state: match hook.state {
                event::HookState::Attached => HookState::Attached,
                event::HookState::Degraded => HookState::Degraded,
                event::HookState::Unused => HookState::Unused,
                event::HookState::Missing => HookState::Missing,
            },
            reason: hook.reason.clone(),
        }
    }
}

/// State of a kernel hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// In place.
    Attached,
    /// In place, but this kernel tells less.
    Degraded,
    /// Not needed on this kernel, or not asked for.
    Unused,
    /// Wanted and not to be had.
    Missing,
}

/// State of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JournalHealth {
    /// Events read from it.
    pub events: u64,
    /// Lines that could not be understood.
    pub broken_lines: u64,
    /// Events of a kind that this version does not know.
    pub unknown_events: u64,
    /// The file ends within a line.
    pub tail_cut: bool,
}
