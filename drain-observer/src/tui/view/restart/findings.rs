//! What went wrong, where that is seen, and what to change.

use crate::correlate::{Found, RestartFact};
use crate::tui::text::{clip_line, hanging, heading, safe};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::{relative, severity};
use ratatui::text::{Line, Span};

/// More moments of evidence are only counted.
const MAX_EVIDENCE: usize = 4;
const HANG: &str = "         ";

/// The findings of a restart, the worst first.
pub(crate) fn findings(fact: &RestartFact, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    if fact.findings.is_empty() {
        let yet = if fact.ended.is_none() { "none so far" } else { "none" };
        return vec![clip_line(heading(&format!("findings: {yet}"), theme), columns, theme)];
    }
    let mut lines = vec![heading("findings", theme)];
    for found in &fact.findings {
        lines.extend(finding(found, fact, theme, columns));
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

fn finding(found: &Found, fact: &RestartFact, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let (word, role) = severity(found.finding.severity());
    let label = Line::from(Span::styled(format!("{word:<9}"), theme.style(role)));
    let sentence = format!("{}: {}", found.finding.id(), safe(&found.finding.sentence()));
    let mut lines = hanging(label, &sentence, theme.style(Role::Plain), columns);
    let arrow = Line::from(vec![
        Span::raw(HANG),
        Span::styled(format!("{} ", theme.symbols().arrow), theme.style(Role::Accent)),
    ]);
    lines.extend(hanging(arrow, &safe(&found.hint), theme.style(Role::Plain), columns));
    let evidence = evidence(found, fact);
    if !evidence.is_empty() {
        lines.extend(hanging(Line::from(HANG), &evidence, theme.style(Role::Dim), columns));
    }
    lines
}

fn evidence(found: &Found, fact: &RestartFact) -> String {
    let steps = found.finding.evidence().iter().filter_map(|step| fact.timeline.get(*step));
    let mut steps: Vec<String> = steps.map(|step| relative(step.at, fact.started)).collect();
    steps.dedup();
    if steps.is_empty() {
        return String::new();
    }
    let more = match steps.len().saturating_sub(MAX_EVIDENCE) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("seen at {}{more}", steps[..steps.len().min(MAX_EVIDENCE)].join(", "))
}
