//! Events of note in words, one line each.

use super::page::escaped;
use crate::report::model::{LiveLine, LostEvents, Restart, Time};
use crate::report::words::{self, plural};
use std::io::{self, Write};

/// Writes one event of note.
pub fn write_live(line: &LiveLine, mut out: impl Write) -> io::Result<()> {
    let text = match line {
        LiveLine::RestartBegan(restart) => {
            let cause = restart.cause.as_ref().map_or("nobody knows why", |cause| cause.text.as_str());
            format!("{} {}: restart began: {cause}", clock(&restart.started_at), restart.service_name)
        }
        LiveLine::Step { service_name, step, .. } => {
            format!("{} {service_name}: {:+.3}s {}", clock(&step.at), step.relative_seconds, step.text)
        }
        LiveLine::Connection { service_name, connection, .. } => {
            let by = connection.process.as_ref().map(|by| format!(", by {} (pid {})", by.comm, by.pid));
            let why = connection.evidence.first().map(String::as_str).unwrap_or_default();
            format!(
                "{} {service_name}: LOST {} {} > {}{}: {why}",
                clock(&connection.ended_at),
                connection.outcome.as_str(),
                connection.peer,
                connection.local,
                by.unwrap_or_default(),
            )
        }
        LiveLine::RestartEnded(restart) => ended(restart),
        LiveLine::Lost(LostEvents { kind, reason, count }) => {
            format!("{count} events lost: {kind} ({reason}); what follows may be incomplete")
        }
    };
    writeln!(out, "{}", escaped(&text))
}

fn ended(restart: &Restart) -> String {
    let at = restart.ended_at.as_ref().unwrap_or(&restart.started_at);
    let lost = restart.lost;
    let took = restart.durations.total.map(|seconds| format!(" in {seconds:.3}s")).unwrap_or_default();
    let ids: Vec<&str> = restart.findings.iter().map(|finding| finding.id.as_str()).collect();
    let count = ids.len() as u64;
    let findings = match count {
        0 => String::new(),
        _ => format!("; {count} {}: {}", plural(count, "finding", "findings"), ids.join(", ")),
    };
    format!(
        "{} {}: restart ended{took}: {}, {}: {lost} {} lost; {}{findings}",
        clock(at),
        restart.service_name,
        words::verdict(restart.verdict),
        words::kind(restart.kind),
        plural(lost, "connection", "connections"),
        restart.reason,
    )
}

/// `2026-01-02T03:04:05.123456789Z` as `03:04:05.123`.
fn clock(time: &Time) -> String {
    time.to_string().get(11..23).unwrap_or_default().to_owned()
}
