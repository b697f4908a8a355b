//! What the user is told, and the keys of the moment.

use crate::tui::app::{App, keys};
use crate::tui::text;
use crate::tui::theme::Role;
use ratatui::text::{Line, Span};

/// What the user is told, if anything.
pub(super) fn notice(app: &App) -> Vec<Line<'static>> {
    let style = app.theme().style(Role::Caution);
    let mark = app.theme().symbols().arrow;
    app.notice()
        .map(|notice| Line::styled(format!("{mark} {}", text::safe(notice)), style))
        .into_iter()
        .collect()
}

/// The keys of the moment, the most useful first, as many as fit; help and quit always.
pub(super) fn keys(app: &App) -> Line<'static> {
    let theme = app.theme();
    let all = keys::works(app.place(), app.is_replay()).filter(|binding| !binding.short.is_empty());
    let (last, first): (Vec<_>, Vec<_>) =
        all.partition(|binding| matches!(binding.command, keys::Command::Help | keys::Command::Quit));
    let width = |binding: &keys::Binding| text::width(&binding.name(theme)) + text::width(binding.short) + 3;
    let mut left = usize::from(app.size().width).saturating_sub(last.iter().map(|one| width(one)).sum());
    let mut spans = Vec::new();
    for binding in first
        .into_iter()
        .take_while(|binding| {
            let fits = width(binding) <= left;
            left = left.saturating_sub(width(binding));
            fits
        })
        .chain(last)
    {
        spans.push(Span::styled(binding.name(theme), theme.style(Role::Accent)));
        spans.push(Span::raw(format!(" {}  ", binding.short)));
    }
    spans.into()
}
