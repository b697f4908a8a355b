//! The signals of a restart: who sent which to whom, and what it did.

use crate::correlate::{RestartFact, SignalFact};
use crate::event::{SignalAction, signal_name};
use crate::report::words::{plural, process};
use crate::tui::text;
use crate::tui::theme::{Role, Theme};
use ratatui::text::{Line, Span};

/// One after the other, with times since the restart began.
pub(crate) fn signals(restart: &RestartFact, theme: Theme, width: u16) -> Vec<Line<'static>> {
    if restart.signals.is_empty() {
        return vec![Line::raw("  no signal was seen")];
    }
    restart.signals.iter().flat_map(|signal| line(restart, signal, theme, width)).collect()
}

fn line(restart: &RestartFact, signal: &SignalFact, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let since = |at: u64| (i128::from(at) - i128::from(restart.started)) as f64 / 1e9;
    let sender = signal.sender.as_ref().map_or_else(|| "the kernel".to_owned(), process);
    let arrow = theme.symbols().arrow;
    let role = if signal.to_master { "master" } else { "worker" };
    let mut words = format!("{sender} {arrow} {} ({role})", process(&signal.target));
    if signal.internal {
        words.push_str(", within the service");
    }
    if signal.ignored {
        words.push_str(", ignored by its receiver");
    }
    match signal.delivered {
        Some((at, action)) => {
            let did = match action {
                SignalAction::Default => "default action",
                SignalAction::Ignored => "ignored",
                SignalAction::Handler => "handled",
            };
            words.push_str(&format!(", delivered at {:+.3}s: {did}", since(at)));
        }
        None if !signal.ignored => words.push_str(", delivery not seen"),
        None => {}
    }
    if signal.repeats > 0 {
        let times = plural(signal.repeats.into(), "time", "times");
        words.push_str(&format!(", {} more {times} until {:+.3}s", signal.repeats, since(signal.last_at)));
    }
    let label = vec![
        Span::styled(format!("{:>+10.3}s  ", since(signal.at)), theme.style(Role::Dim)),
        Span::styled(format!("{:<8}", signal_name(signal.signal)), theme.style(Role::Accent)),
        Span::raw("  "),
    ];
    text::hanging(label.into(), &text::safe(&words), theme.style(Role::Plain), usize::from(width))
}
