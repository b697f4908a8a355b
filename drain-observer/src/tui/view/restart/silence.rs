//! What the listeners of a restart went through.

use crate::correlate::{RestartFact, SilenceFact};
use crate::report::words::drops;
use crate::tui::text::{clip_line, hanging, heading};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::{connections, precise};
use ratatui::text::{Line, Span};

const BAR: u16 = 10;
/// Shorter than what is shown of a time.
const MS: u64 = 1_000_000;

/// A paragraph for each place where something is worth saying; nothing where there is none.
pub(crate) fn silence(fact: &RestartFact, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let mut lines = Vec::new();
    for place in &fact.silence {
        let text = in_words(place);
        if text.is_empty() {
            continue;
        }
        let bar = theme.bar(place.peak_queue.into(), place.queue_limit.into(), BAR);
        let mut label = vec![Span::styled(
            format!("{} ", place.listener.local.shortened(columns / 3)),
            theme.style(Role::Accent),
        )];
        if place.queue_limit > 0 && width >= 80 {
            label.push(Span::styled(format!("{bar} "), theme.style(Role::Queue)));
        }
        lines.extend(hanging(Line::from(label), &text, theme.style(Role::Plain), columns));
    }
    if !lines.is_empty() {
        lines.insert(0, heading("listeners", theme));
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

fn in_words(place: &SilenceFact) -> String {
    let mut parts = Vec::new();
    if place.not_listening > 0 {
        let yet = if place.listens { "" } else { " so far" };
        let bound = if place.not_listening - place.not_listening_at_least < MS { "" } else { "at most " };
        parts.push(format!("nobody listened for {bound}{}{yet}", precise(place.not_listening)));
    }
    if place.refused > 0 {
        parts.push(format!("{} refused", place.refused));
    }
    if let Some(it) = &place.not_accepting {
        let bound = if it.exact { "" } else { "at most " };
        let waited = connections(it.waiting);
        parts.push(format!(
            "nobody accepted for {bound}{} while {waited} waited",
            precise(it.until.saturating_sub(it.from))
        ));
        if it.reset > 0 {
            parts.push(format!("{} of them reset", it.reset));
        }
        if it.gave_up > 0 {
            parts.push(format!("{} gave up", it.gave_up));
        }
    }
    if place.peak_queue > 0 {
        parts.push(format!("queue at most {} (limit {})", place.peak_queue, place.queue_limit));
    }
    if let Some(wait) = &place.longest_wait {
        let bound = if wait.exact { "" } else { "at most " };
        parts.push(format!("longest wait {bound}{}", precise(wait.ns)));
    }
    if place.drops > 0 {
        parts.push(drops(place.listener.local.path().is_some(), place.drops));
    }
    parts.join(", ")
}
