//! What was lost, by outcome, with who did it; and what was not.

use crate::correlate::{Outcome, RestartFact, StepKind};
use crate::event::Task;
use crate::report::words;
use crate::tui::text::{clip_line, hanging, heading};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::connections;
use ratatui::text::{Line, Span};

/// More processes that lost connections in one way share a line.
const MAX_CLOSERS: usize = 4;
const BAR: u16 = 10;

/// The losses of a restart.
pub(crate) fn losses(fact: &RestartFact, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let lost = fact.lost();
    let so_far = if fact.ended.is_none() { " so far" } else { "" };
    let mut lines = vec![heading(&format!("lost: {}{so_far}", connections(lost)), theme)];
    for (outcome, count) in fact.counts.iter().filter(|(outcome, count)| outcome.is_lost() && **count > 0) {
        let mut label = vec![Span::styled(format!("{count:>6} "), theme.style(Role::Bad))];
        if width >= 80 {
            label.push(Span::styled(theme.bar(*count, lost, BAR), theme.style(Role::Bad)));
        }
        label.push(Span::styled(format!(" {:<12} ", outcome.as_str()), theme.style(Role::Title)));
        let plain = theme.style(Role::Plain);
        lines.extend(hanging(Line::from(label), words::outcome(*outcome), plain, columns));
        let who = closers(fact, *outcome, *count);
        if !who.is_empty() {
            lines.extend(hanging(Line::from("       "), &who, theme.style(Role::Dim), columns));
        }
    }
    let other = |outcome: &Outcome| !outcome.is_lost();
    let others: Vec<String> = fact
        .counts
        .iter()
        .filter(|(outcome, count)| other(outcome) && **count > 0)
        .map(|(outcome, count)| format!("{count} {}", outcome.as_str()))
        .collect();
    let mut remark = |label: &str, text: &str, role: Role| {
        let label = Line::from(Span::styled(label.to_owned(), theme.style(Role::Dim)));
        lines.extend(hanging(label, text, theme.style(role), columns));
    };
    if !others.is_empty() {
        remark("not lost  ", &others.join(", "), Role::Plain);
    }
    if fact.outgoing_lost > 0 {
        let text = format!(
            "{} opened by the old generation died with data undelivered",
            connections(fact.outgoing_lost)
        );
        remark("outgoing  ", &text, Role::Bad);
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

/// Who closed the connections of an outcome, as far as the timeline says; empty where no process did.
fn closers(fact: &RestartFact, outcome: Outcome, count: u64) -> String {
    let mut known: Vec<(Option<Task>, u64)> = Vec::new();
    for step in &fact.timeline {
        let StepKind::Lost { outcome: of, task } = &step.what else { continue };
        if *of != outcome {
            continue;
        }
        let many = u64::from(step.count.max(1));
        match known.iter_mut().find(|(one, _)| one.map(|one| one.pid) == task.map(|task| task.pid)) {
            Some((_, sum)) => *sum += many,
            None => known.push((*task, many)),
        }
    }
    known.sort_by_key(|(_, many)| std::cmp::Reverse(*many));
    if known.iter().all(|(task, _)| task.is_none()) {
        return String::new();
    }
    let rest: u64 = known.iter().skip(MAX_CLOSERS).map(|(_, many)| many).sum();
    let told: u64 = known.iter().map(|(_, many)| many).sum();
    let others = rest + count.saturating_sub(told);
    let mut parts: Vec<String> = known
        .iter()
        .take(MAX_CLOSERS)
        .map(|(task, many)| match task {
            Some(task) if known.len() == 1 && others == 0 => format!("by {}", words::process(task)),
            Some(task) => format!("{many} by {}", words::process(task)),
            None => format!("{many} by no process"),
        })
        .collect();
    if others > 0 {
        parts.push(format!("{others} by others"));
    }
    parts.join(", ")
}
