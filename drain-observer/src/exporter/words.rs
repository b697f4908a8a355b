//! The words that labels use: those of the reports.

use crate::correlate::{Outcome, RestartKind, ServiceState, Severity, Verdict};
use crate::event::HookState;

/// What a restart can be.
pub(super) const KINDS: [(RestartKind, &str); 8] = [
    (RestartKind::Reload, "reload"),
    (RestartKind::Reexec, "reexec"),
    (RestartKind::Upgrade, "upgrade"),
    (RestartKind::Replace, "replace"),
    (RestartKind::Takeover, "takeover"),
    (RestartKind::Stop, "stop"),
    (RestartKind::Crash, "crash"),
    (RestartKind::Unknown, "unknown"),
];

/// What can be thought of it.
pub(super) const VERDICTS: [(Verdict, &str); 6] = [
    (Verdict::Clean, "clean"),
    (Verdict::Lossy, "lossy"),
    (Verdict::NotRestarted, "not_restarted"),
    (Verdict::Stuck, "stuck"),
    (Verdict::Down, "down"),
    (Verdict::Inconclusive, "inconclusive"),
];

/// What can become of a connection.
pub(super) const OUTCOMES: [Outcome; 14] = [
    Outcome::Served,
    Outcome::IdleClosed,
    Outcome::ClientGone,
    Outcome::TimedOut,
    Outcome::KilledByAdmin,
    Outcome::QueueReset,
    Outcome::UnreadReset,
    Outcome::Unanswered,
    Outcome::Truncated,
    Outcome::LateRequest,
    Outcome::Refused,
    Outcome::GaveUp,
    Outcome::Overflowed,
    Outcome::Unknown,
];

/// How a service can do.
pub(super) const STATES: [ServiceState; 4] =
    [ServiceState::Serving, ServiceState::Draining, ServiceState::Silent, ServiceState::Down];

/// How bad a finding is.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// What became of a hook.
pub(super) fn hook_state(state: HookState) -> &'static str {
    match state {
        HookState::Attached => "attached",
        HookState::Degraded => "degraded",
        HookState::Unused => "unused",
        HookState::Missing => "missing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    fn said(what: impl Serialize) -> String {
        let json = serde_json::to_value(what).expect("it can be written");
        json.as_str().expect("it is a word").to_owned()
    }

    #[test]
    fn labels_and_reports_use_the_same_words() {
        for (kind, word) in KINDS {
            assert_eq!(said(kind), word);
        }
        for (verdict, word) in VERDICTS {
            assert_eq!(said(verdict), word);
        }
        for outcome in OUTCOMES {
            assert_eq!(said(outcome), outcome.as_str());
        }
        for state in STATES {
            assert_eq!(said(state), state.as_str());
        }
        for state in [HookState::Attached, HookState::Degraded, HookState::Unused, HookState::Missing] {
            assert_eq!(said(state), hook_state(state));
        }
        for one in [Severity::Info, Severity::Warning, Severity::Error] {
            assert_eq!(said(one), severity(one));
        }
    }
}
