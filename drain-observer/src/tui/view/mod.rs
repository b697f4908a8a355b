//! What is drawn: functions from facts to lines and cells. They read, and change nothing.

pub(crate) mod connection;
mod connections;
mod footer;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod notes;
pub(crate) mod restart;
mod restarts;
mod services;
pub(crate) mod signals;
mod small;
mod table;
mod times;
mod words;

use super::app::{App, Screen, orders, tabs};
use super::text;
use super::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Where what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Areas {
    header: Rect,
    /// What is on the screen, or the tabs.
    pub(crate) title: Rect,
    /// The screen itself; a list has the names of its columns in its first line.
    pub(crate) body: Rect,
    notice: Rect,
    footer: Rect,
}

/// How the terminal is divided.
pub(crate) fn areas(app: &App) -> Areas {
    let size = app.size();
    let mut top = 0;
    let mut take = |height: u16| {
        let height = height.min(size.height - top);
        let area = Rect { x: 0, y: top, width: size.width, height };
        top += height;
        area
    };
    let header = take(u16::try_from(app.header().len()).unwrap_or(u16::MAX));
    let title = take(1);
    let body = take(size.height.saturating_sub(header.height + 3));
    Areas { header, title, body, notice: take(1), footer: take(1) }
}

/// Draws everything.
pub(crate) fn draw(app: &App, buffer: &mut Buffer) {
    if small::is_too_small(app.size()) {
        return small::draw(app, buffer);
    }
    let areas = areas(app);
    let theme = app.theme();
    lines(app.header(), areas.header, buffer, theme);
    lines(&[title(app)], areas.title, buffer, theme);
    body(app, areas.body, buffer);
    lines(&footer::notice(app), areas.notice, buffer, theme);
    lines(&[footer::keys(app)], areas.footer, buffer, theme);
}

fn body(app: &App, area: Rect, buffer: &mut Buffer) {
    if app.shown().is_none() {
        let waiting = Line::raw(format!("  {}", text::safe(app.waiting())));
        return lines(&[Line::default(), waiting], area, buffer, app.theme());
    }
    match &app.view().screen {
        Screen::Services => services::draw(app, area, buffer),
        Screen::Restarts(_) => restarts::draw(app, area, buffer),
        Screen::Connections(scope) => connections::draw(app, *scope, area, buffer),
        Screen::Restart(_) | Screen::Connection(_) | Screen::Notes | Screen::Help => {
            let page = app.page();
            let fixed = page.fixed_height(area.height);
            lines(&page.fixed, Rect { height: fixed, ..area }, buffer, app.theme());
            let rest = Rect { y: area.y + fixed, height: area.height - fixed, ..area };
            let from = app.view().scroll.min(page.lines.len());
            lines(&page.lines[from..], rest, buffer, app.theme());
            scroll_mark(app, rest, from, buffer);
        }
    }
}

/// Says at the right of the last line how much more there is.
fn scroll_mark(app: &App, area: Rect, from: usize, buffer: &mut Buffer) {
    let more = app.page().lines.len().saturating_sub(from + usize::from(area.height));
    if more == 0 || area.height == 0 {
        return;
    }
    let symbols = app.theme().symbols();
    let mark = format!(" {} {more} more ", symbols.down);
    let width = u16::try_from(text::width(&mark)).unwrap_or(0).min(area.width);
    let (x, y) = (area.right() - width, area.bottom() - 1);
    buffer.set_stringn(x, y, mark, usize::from(width), app.theme().style(Role::Selected));
}

/// Which screen it is.
fn title(app: &App) -> Line<'static> {
    let (view, theme) = (app.view(), app.theme());
    let service = |id| {
        let frame = app.shown();
        let name = frame.and_then(|frame| frame.service(id)).map(|service| text::safe(&service.name));
        name.unwrap_or_else(|| "a service that was forgotten".into())
    };
    let all = app.shown().map_or((0, 0), |frame| (frame.services.len(), frame.restarts.len()));
    let (what, total) = match &view.screen {
        Screen::Restart(_) => return tab_line(app),
        Screen::Services => ("Services".to_owned(), all.0),
        Screen::Restarts(None) => ("Restarts of all services".to_owned(), all.1),
        Screen::Restarts(Some(id)) => {
            let of = |restart: &&std::sync::Arc<crate::correlate::RestartFact>| restart.service == *id;
            let total = app.shown().map_or(0, |frame| frame.restarts.iter().filter(of).count());
            (format!("Restarts of {}", service(*id)), total)
        }
        Screen::Connections(scope) => {
            let total = app.listed(*scope).map_or(0, |listed| listed.rows.len());
            (connections::title(app, *scope, &service), total)
        }
        Screen::Connection(_) => return heading("One connection", theme),
        Screen::Notes => return heading("Notes: what is not seen, and what to know", theme),
        Screen::Help => return heading("Keys", theme),
    };
    let list = &view.list;
    let count =
        if list.rows.len() == total { format!("{total}") } else { format!("{} of {total}", list.rows.len()) };
    let order = orders(&view.screen).get(list.sort).copied().unwrap_or_default();
    let reverse = if list.reverse { ", reversed" } else { "" };
    let dim = theme.style(Role::Dim);
    let mut how = vec![Span::raw(format!(": {count}")), Span::styled(format!("  by {order}{reverse}"), dim)];
    let mut accent = |text: String| how.push(Span::styled(text, theme.style(Role::Accent)));
    if let Some(outcome) = list.outcome {
        accent(format!("  only {}", outcome.as_str()));
    }
    if app.is_writing() {
        let cursor = if theme.ascii { "_" } else { "▏" };
        accent(format!("  filter: {}{cursor}", text::safe(&list.filter)));
    } else if !list.filter.is_empty() {
        accent(format!("  filter: \"{}\"", text::safe(&list.filter)));
    }
    // What the user chose is seen whole, what it is chosen from as far as there is room.
    let used: usize = how.iter().map(Span::width).sum();
    let room = usize::from(app.size().width).saturating_sub(used).max(12);
    let mut line = heading(&text::clip(&what, room, theme), theme);
    line.spans.extend(how);
    line
}

fn tab_line(app: &App) -> Line<'static> {
    let theme = app.theme();
    let tab = |(pane, _)| {
        let title = super::app::Pane::title(pane);
        if pane == app.view().pane {
            Span::styled(format!("[{title}] "), theme.style(Role::Title))
        } else {
            Span::styled(format!(" {title}  "), theme.style(Role::Dim))
        }
    };
    tabs().map(tab).collect::<Vec<_>>().into()
}

fn heading(what: &str, theme: Theme) -> Line<'static> {
    text::heading(what, theme)
}

/// Draws lines from the top, each cut to the width.
pub(crate) fn lines(lines: &[Line<'static>], area: Rect, buffer: &mut Buffer, theme: Theme) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        let line = text::clip_line(line.clone(), usize::from(area.width), theme);
        buffer.set_style(Rect { y, height: 1, ..area }, Style::new().patch(line.style));
        buffer.set_line(area.x, y, &line, area.width);
    }
}

/// Whether a restart began before the probes were in place, so that a part of it was not seen.
fn restart_began_before(frame: &crate::tui::frame::Frame, attached: crate::event::BootNs) -> bool {
    frame.restarts.iter().any(|restart| restart.started < attached)
}
