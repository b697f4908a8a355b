//! Numbers and times as the screens say them.

use crate::correlate::{RestartFact, Severity, Verdict};
use crate::event::BootNs;
use crate::report::{WallClock, words};
use crate::tui::theme::{Role, Theme};
use ratatui::text::Span;

const SECOND: BootNs = 1_000_000_000;

/// `0.4s`, `12.3s`, `2m05s`, `3h04m`, `2d03h`.
pub(crate) fn duration(ns: BootNs) -> String {
    let tenths = ns / (SECOND / 10);
    let seconds = ns / SECOND;
    match seconds {
        0..60 => format!("{}.{}s", seconds, tenths % 10),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `0.941s`: milliseconds below a minute.
pub(crate) fn precise(ns: BootNs) -> String {
    if ns < 60 * SECOND { format!("{:.3}s", ns as f64 / 1e9) } else { duration(ns) }
}

/// When, seen from the beginning of a restart: `+1.210s`, `-0.020s`; `2m05s before` or `after` from a minute on.
pub(crate) fn relative(at: BootNs, started: BootNs) -> String {
    let apart = at.abs_diff(started);
    match (apart < 60 * SECOND, at < started) {
        (true, true) => format!("-{:.3}s", apart as f64 / 1e9),
        (true, false) => format!("+{:.3}s", apart as f64 / 1e9),
        (false, true) => format!("{} before", duration(apart)),
        (false, false) => format!("{} after", duration(apart)),
    }
}

/// Wall-clock time: `2026-01-02 03:04:05.123`.
pub(crate) fn wall(at: BootNs, clock: &WallClock) -> String {
    clock.time(at).to_string().get(..23).unwrap_or_default().replace('T', " ")
}

/// `1 connection`, `2 connections`.
pub(crate) fn connections(count: u64) -> String {
    format!("{count} {}", words::plural(count, "connection", "connections"))
}

/// `1 process`, `2 processes`.
pub(crate) fn processes(count: usize) -> String {
    format!("{count} {}", words::plural(count as u64, "process", "processes"))
}

/// What is thought of a restart, as a badge: its verdict, or that it goes on, with what is known already.
pub(crate) fn badge(fact: &RestartFact, theme: Theme) -> Span<'static> {
    let verdict = words::verdict(fact.verdict);
    let word = match (fact.ended, fact.verdict) {
        (Some(_), _) => verdict.to_owned(),
        (None, Verdict::Inconclusive | Verdict::Clean) => "UNDER WAY".to_owned(),
        (None, Verdict::Lossy) => "UNDER WAY, LOSSY".to_owned(),
        (None, _) => format!("{verdict} so far"),
    };
    let role = match fact.verdict {
        Verdict::Clean => Role::Good,
        Verdict::Lossy | Verdict::Down => Role::Alert,
        Verdict::Inconclusive if fact.ended.is_none() => Role::Accent,
        Verdict::NotRestarted | Verdict::Stuck | Verdict::Inconclusive => Role::Caution,
    };
    let symbols = theme.symbols();
    let mark = match role {
        Role::Alert => symbols.cross,
        Role::Good => symbols.check,
        Role::Accent => symbols.cursor,
        _ => "!",
    };
    Span::styled(format!(" {mark} {word} "), theme.style(role))
}

/// How bad a finding is, in a word and its role.
pub(crate) fn severity(severity: Severity) -> (&'static str, Role) {
    match severity {
        Severity::Info => ("info", Role::Plain),
        Severity::Warning => ("warning", Role::Warning),
        Severity::Error => ("error", Role::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let shown = [0, 380, 12_340, 59_999, 60_000, 125_000, 11_040_000, 183_600_000];
        let shown = shown.map(|ms| duration(ms * 1_000_000));
        assert_eq!(shown, ["0.0s", "0.3s", "12.3s", "59.9s", "1m00s", "2m05s", "3h04m", "2d03h"]);
        assert_eq!(precise(941_000_000), "0.941s");
        assert_eq!(relative(5 * SECOND, 6 * SECOND), "-1.000s");
        assert_eq!(relative(200 * SECOND, 75 * SECOND), "2m05s after");
    }
}
