//! What is always to be seen: where the facts come from, and whether they are all there. In words, not only in
//! colour.

use super::{restart_began_before, times};
use crate::event::HookState;
use crate::report::words::plural;
use crate::tui::app::App;
use crate::tui::frame::{Frame, Playback, Source};
use crate::tui::text;
use crate::tui::theme::Role;
use ratatui::text::{Line, Span};

/// The lines of the header.
pub(crate) fn lines(app: &App) -> Vec<Line<'static>> {
    let mut parts = vec![("drain-observer".to_owned(), Role::Title)];
    match app.shown() {
        Some(frame) => parts.extend(of(app, frame)),
        None => parts.push(("no facts yet".into(), Role::Caution)),
    }
    wrapped(app, parts)
}

fn of(app: &App, frame: &Frame) -> Vec<(String, Role)> {
    let seen = &frame.observation;
    let mut parts = vec![
        (text::safe(&seen.host), Role::Plain),
        (text::safe(&seen.selection), Role::Plain),
        source(app, frame),
    ];
    if let Some(masking) = seen.masked_peers {
        parts.push((format!("peers masked ({})", masking.as_str()), Role::Accent));
    }
    parts.push((times::clock(&frame.clock, app.at()), Role::Plain));
    let observed = times::span(app.at().saturating_sub(seen.from));
    parts.push((format!("observed for {observed}"), Role::Plain));
    parts.push(match seen.attached_at {
        None => ("PROBES NOT SEEN IN PLACE".into(), Role::Caution),
        Some(attached) if restart_began_before(frame, attached) => {
            ("ATTACHED LATE: a restart had begun".into(), Role::Caution)
        }
        Some(attached) => (format!("probes since {}", times::clock(&frame.clock, attached)), Role::Plain),
    });
    let lost: u64 = seen.lost_events.values().fold(0, |sum, count| sum.saturating_add(*count));
    parts.push(match lost {
        0 => ("no events lost".into(), Role::Plain),
        _ => (format!("{lost} {} LOST (!)", plural(lost, "EVENT", "EVENTS")), Role::Alert),
    });
    let missing = seen.hooks.iter().filter(|hook| hook.state == HookState::Missing).count() as u64;
    let less = seen.hooks.iter().filter(|hook| hook.state == HookState::Degraded).count() as u64;
    parts.push(match (missing, less) {
        (0, 0) if seen.hooks.is_empty() => ("hooks not known".into(), Role::Caution),
        (0, 0) => ("all hooks in place".into(), Role::Plain),
        (0, _) => (format!("{less} {} less (!)", plural(less, "hook tells", "hooks tell")), Role::Caution),
        _ => (format!("{missing} {} MISSING (!)", plural(missing, "HOOK", "HOOKS")), Role::Caution),
    });
    let bounds = seen.bounds.values().filter(|hits| **hits > 0).count() as u64;
    if bounds > 0 {
        parts.push((format!("{bounds} {} reached (!)", plural(bounds, "bound", "bounds")), Role::Caution));
    }
    if let Some(behind) = app.history().behind() {
        let behind = behind / 1_000_000_000;
        parts.push((format!("PAUSED at -{behind}s"), Role::Caution));
    }
    parts
}

fn source(app: &App, frame: &Frame) -> (String, Role) {
    match &frame.source {
        Source::Live => ("live".into(), Role::Good),
        Source::Replay(playback) => (replay(playback, app.at()), Role::Accent),
    }
}

fn replay(playback: &Playback, at: u64) -> String {
    let done = times::span(at.saturating_sub(playback.from));
    let all = times::span(playback.until.saturating_sub(playback.from));
    let how = match (at >= playback.until, playback.playing) {
        (true, _) => "at its end".to_owned(),
        (false, true) => format!("playing x{}", playback.speed),
        (false, false) => format!("stopped, x{}", playback.speed),
    };
    format!("replay of {} {done}/{all} {how}", text::safe(&playback.file))
}

/// The parts, one after the other, in as many lines as they need.
fn wrapped(app: &App, parts: Vec<(String, Role)>) -> Vec<Line<'static>> {
    let theme = app.theme();
    let columns = usize::from(app.size().width);
    let gap = format!(" {} ", theme.symbols().separator);
    let mut lines = vec![Line::default()];
    let mut used = 0;
    for (part, role) in parts {
        let part = text::clip(&part, columns, theme);
        let width = text::width(&part);
        if used > 0 && used + text::width(&gap) + width > columns {
            lines.push(Line::default());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push_span(Span::styled(gap.clone(), theme.style(Role::Dim)));
                used += text::width(&gap);
            }
            line.push_span(Span::styled(part, theme.style(role)));
            used += width;
        }
    }
    lines
}
