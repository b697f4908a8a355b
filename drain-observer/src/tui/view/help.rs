//! The keys, all of them.

use crate::tui::app::keys::{self, Places};
use crate::tui::text;
use crate::tui::theme::{Role, Theme};
use ratatui::text::{Line, Span};

const PLACES: [(Places, &str); 5] = [
    (keys::SERVICES, "In the list of services"),
    (keys::RESTARTS, "In a list of restarts"),
    (keys::RESTART, "In a restart"),
    (keys::CONNECTIONS, "In a list of connections"),
    (keys::WRITING, "While a filter is being written"),
];

/// What works everywhere, and what works where.
pub(crate) fn help(theme: Theme, width: u16) -> Vec<Line<'static>> {
    let everywhere = |binding: &&keys::Binding| PLACES[..4].iter().all(|(place, _)| binding.is_for(*place));
    let mut lines = vec![text::heading("Everywhere", theme)];
    lines.extend(keys::all().iter().filter(everywhere).flat_map(|binding| line(binding, theme, width)));
    for (place, title) in PLACES {
        lines.push(Line::default());
        lines.push(text::heading(title, theme));
        let here = keys::all()
            .iter()
            .filter(|one| one.is_for(place) && (place == keys::WRITING || !everywhere(one)));
        lines.extend(here.flat_map(|binding| line(binding, theme, width)));
    }
    lines.push(Line::default());
    lines.push(text::heading("Mouse", theme));
    lines.push(Line::raw("  the wheel moves, a click selects, a click on what is selected opens it"));
    lines
}

fn line(binding: &keys::Binding, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let names = Span::styled(format!("  {:<22}", binding.names(theme)), theme.style(Role::Accent));
    let help = format!("{}{}", binding.condition(), binding.help);
    text::hanging(names.into(), &help, theme.style(Role::Plain), usize::from(width))
}
