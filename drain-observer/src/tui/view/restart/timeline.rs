//! What happened, step by step.

use crate::correlate::{RestartFact, Step, StepKind};
use crate::report::{WallClock, words};
use crate::tui::text::{clip_line, hanging, heading, safe};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::relative;
use ratatui::text::{Line, Span};
use std::collections::BTreeMap;

/// From this width on the time of day has room.
const WIDE: u16 = 120;

/// The steps of a restart in order of time, those in its future (of a replay) left out.
pub(crate) fn timeline(
    fact: &RestartFact,
    clock: &WallClock,
    theme: Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let mut lines = vec![heading("timeline", theme)];
    for step in folded(&fact.timeline) {
        let (mark, role) = look(&step, theme);
        let mut label = Vec::new();
        if width >= WIDE {
            let time = clock.time(step.at).to_string();
            let time = time.get(11..23).unwrap_or_default().to_owned();
            label.push(Span::styled(format!("{time} "), theme.style(Role::Dim)));
        }
        let when = format!("{:>12} ", relative(step.at, fact.started));
        label.push(Span::styled(when, theme.style(Role::Dim)));
        label.push(Span::styled(format!("{mark} "), theme.style(role)));
        lines.extend(hanging(Line::from(label), &safe(&words::step(&step)), theme.style(role), columns));
    }
    if fact.steps_dropped > 0 {
        let text = format!("{} further steps were not kept", fact.steps_dropped);
        lines.push(Line::from(Span::styled(text, theme.style(Role::Warning))));
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

/// The steps, with the signals that a master sends again and again to its workers told once, with their number.
fn folded(steps: &[Step]) -> Vec<Step> {
    let mut kept: Vec<Step> = Vec::new();
    let mut first: BTreeMap<(u32, Option<u32>, u32), usize> = BTreeMap::new();
    for step in steps {
        let StepKind::Signal(signal) = &step.what else {
            kept.push(step.clone());
            continue;
        };
        let key = (signal.signal, signal.sender.map(|sender| sender.pid), signal.target.pid);
        let again = first.get(&key).filter(|_| signal.internal).and_then(|place| kept.get_mut(*place));
        if let Some(Step { what: StepKind::Signal(before), .. }) = again {
            before.repeats = before.repeats.saturating_add(1 + signal.repeats);
            before.last_at = before.last_at.max(signal.last_at);
        } else {
            first.insert(key, kept.len());
            kept.push(step.clone());
        }
    }
    kept
}

fn look(step: &Step, theme: Theme) -> (&'static str, Role) {
    let symbols = theme.symbols();
    match &step.what {
        StepKind::Signal(signal) if signal.internal => (symbols.down, Role::Dim),
        StepKind::Signal(_) => (symbols.down, Role::Accent),
        StepKind::Lost { .. } => (symbols.cross, Role::Bad),
        StepKind::Exited { old: true, .. } => (symbols.old, Role::Plain),
        StepKind::Exited { old: false, .. } => (symbols.new, Role::Warning),
        StepKind::ListenerClosed { left: 0, .. } => (symbols.silent, Role::Warning),
        StepKind::ListenerClosed { .. } => (symbols.silent, Role::Plain),
        StepKind::Started { .. } | StepKind::Executed { .. } => (symbols.new, Role::Plain),
        StepKind::ListenerOpened { .. } => (symbols.listening, Role::Plain),
        StepKind::FirstServed { .. } | StepKind::OldGone => (symbols.check, Role::Good),
    }
}
