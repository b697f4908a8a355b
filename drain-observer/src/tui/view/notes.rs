//! What is missing, and what is to be known.

use super::times;
use crate::event::HookState;
use crate::tui::frame::Frame;
use crate::tui::text;
use crate::tui::theme::{Role, Theme};
use ratatui::text::{Line, Span};

/// Events lost, hooks, bounds, remarks.
pub(crate) fn notes(frame: &Frame, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let seen = &frame.observation;
    let item = |label: &str, role: Role, text: &str| {
        let label = Span::styled(format!("  {label}"), theme.style(role));
        text::hanging(label.into(), &text::safe(text), theme.style(Role::Plain), usize::from(width))
    };
    let mut lines = item("host      ", Role::Dim, &format!("{}, kernel {}", seen.host, seen.kernel));
    let attached = match seen.attached_at {
        Some(at) => format!(
            "all probes in place since {}; what was before is not known",
            times::exact(&frame.clock, at)
        ),
        None => "the probes were never seen to be in place: what happened before may be missing".into(),
    };
    lines.extend(item("observed  ", Role::Dim, &attached));

    lines.push(Line::default());
    lines.push(text::heading("Events lost", theme));
    let lost = seen.lost_events.iter().filter(|(_, count)| **count > 0);
    let lost: Vec<_> = lost
        .flat_map(|((what, why), count)| {
            item("LOST ", Role::Alert, &format!("{count} {what} ({why}): counts are lower bounds"))
        })
        .collect();
    lines.extend(if lost.is_empty() { item("none", Role::Good, "") } else { lost });
    let bounds = seen.bounds.iter().filter(|(_, hits)| **hits > 0);
    lines.extend(bounds.flat_map(|(bound, hits)| {
        item(
            "bound ",
            Role::Warning,
            &format!("on {bound} was reached {hits} times: something was forgotten"),
        )
    }));

    lines.push(Line::default());
    lines.push(text::heading("Notes", theme));
    let notes: Vec<_> = seen.notes.iter().flat_map(|note| item("- ", Role::Dim, note)).collect();
    lines.extend(if notes.is_empty() { item("none", Role::Good, "") } else { notes });

    lines.push(Line::default());
    lines.push(text::heading("Hooks", theme));
    for hook in &seen.hooks {
        let (state, role) = match hook.state {
            HookState::Attached => ("in place   ", Role::Good),
            HookState::Degraded => ("tells less ", Role::Caution),
            HookState::Unused => ("not needed ", Role::Dim),
            HookState::Missing => ("MISSING    ", Role::Caution),
        };
        let reason = hook.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.extend(item(state, role, &format!("{} ({}){reason}", hook.name, hook.purpose)));
    }
    lines
}
