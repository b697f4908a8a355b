//! Who listened when, and where nobody accepted: a lane for each place.

use super::axis::{Axis, Row};
use super::gantt::{label, now};
use crate::correlate::{RestartFact, ServiceFact, ServiceState, SilenceFact, StepKind};
use crate::event::{BootNs, Local};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::precise;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::ops::RangeInclusive;

/// More places share a line that says how many they are.
const MAX_PLACES: usize = 3;

/// The lanes of the places that a restart touched, those with the longest gaps first.
pub(super) fn rows(
    fact: &RestartFact,
    service: Option<&ServiceFact>,
    axis: &Axis,
    theme: Theme,
    labels: usize,
) -> Vec<Line<'static>> {
    let untouched = untouched(fact, service);
    let mut places: Vec<&SilenceFact> = fact.silence.iter().chain(&untouched).collect();
    let quiet = |place: &SilenceFact| place.not_accepting.map_or(0, |it| it.at_least);
    places.sort_by_key(|place| std::cmp::Reverse(place.not_listening.max(quiet(place))));
    let more = places.len().saturating_sub(MAX_PLACES);
    let mut lines: Vec<Line<'static>> =
        places.iter().take(MAX_PLACES).map(|place| lane(place, fact, service, axis, theme, labels)).collect();
    if more > 0 {
        lines.push(Line::from(Span::styled(format!("+{more} more places"), theme.style(Role::Dim))));
    }
    lines
}

/// Places of a restart under way to which nothing has happened yet.
fn untouched(fact: &RestartFact, service: Option<&ServiceFact>) -> Vec<SilenceFact> {
    let listeners = service.filter(|_| fact.ended.is_none()).map(|service| service.listeners.iter());
    let known = |key| fact.silence.iter().any(|place| place.listener == key);
    listeners
        .into_iter()
        .flatten()
        .filter(|listener| listener.sockets > 0 && !known(listener.key))
        .map(|listener| SilenceFact {
            listener: listener.key,
            closed_at: None,
            not_listening: 0,
            not_listening_at_least: 0,
            listens: true,
            not_accepting: None,
            longest_wait: None,
            peak_queue: listener.queue,
            queue_limit: listener.limit,
            drops: 0,
            refused: 0,
            last_arrival: None,
        })
        .collect()
}

fn lane(
    place: &SilenceFact,
    fact: &RestartFact,
    service: Option<&ServiceFact>,
    axis: &Axis,
    theme: Theme,
    labels: usize,
) -> Line<'static> {
    let symbols = theme.symbols();
    let mut row = Row::new(axis.columns());
    let periods = listening(place, fact, service, axis.until());
    let good = theme.style(Role::Good);
    for (from, until) in &periods {
        row.fill(axis.column(*from)..=axis.column(*until), symbols.listening, good);
    }
    let mut notes = Vec::new();
    if let Some((from, until, bound)) = silent(place, fact, service, axis.until()) {
        let columns = axis.column(from)..=axis.column(until);
        row.fill(columns.clone(), symbols.silent, theme.style(Role::Warning));
        let long = precise(until.saturating_sub(from));
        let texts = [format!("nobody accepts {bound}{long}"), format!("silent {bound}{long}")];
        // A trifle is not worth a word.
        if columns.end() - columns.start() > 1 {
            notes.push((columns, texts, Role::Caution, symbols.silent));
        }
    }
    // What was never seen to listen has no gap.
    let ends = periods.iter().map(|(_, until)| *until);
    let begins = periods.iter().skip(1).map(|(from, _)| *from).chain([axis.until()]);
    for (from, until) in ends.zip(begins).filter(|(from, until)| from < until) {
        let gap = axis.column(from) + 1..=axis.column(until).saturating_sub(1);
        // However short: it shows.
        let gap = if gap.is_empty() { axis.column(from)..=axis.column(from) } else { gap };
        row.fill(gap.clone(), " ", theme.style(Role::Plain));
        let refused = if place.refused > 0 { format!(", {} refused", place.refused) } else { String::new() };
        let long = precise(until - from);
        notes.push((gap, [format!("gap {long}{refused}"), format!("gap {long}")], Role::Alert, " "));
    }
    // Gaps first: they are the worse.
    for (columns, texts, role, stretch) in notes.into_iter().rev() {
        let style = theme.style(role);
        let mut inside = |text: &String| inside(&mut row, &columns, text, style, stretch);
        if !texts.iter().any(&mut inside) {
            let mut beside = |text: &String| beside(&mut row, &columns, text, style, symbols.listening);
            texts.iter().any(&mut beside);
        }
    }
    if axis.open() {
        now(&mut row, axis, theme);
    }
    let name = name(&place.listener.local, labels);
    row.line(label(&name, Role::Plain, labels, theme))
}

/// What a listener is called in fewer than so many columns: by its port alone, or its path without the middle.
fn name(local: &Local, columns: usize) -> String {
    const WHAT: &str = "listener ";
    let room = columns.saturating_sub(WHAT.len() + 1);
    match local {
        Local::Inet(endpoint) if endpoint.to_string().len() > room => format!("{WHAT}:{}", endpoint.port),
        _ => format!("{WHAT}{}", local.shortened(room)),
    }
}

/// Writes into the middle of a stretch, if some of it is still seen then.
fn inside(row: &mut Row, columns: &RangeInclusive<usize>, text: &str, style: Style, stretch: &str) -> bool {
    let length = text.chars().count();
    let room = (columns.end() + 1).saturating_sub(*columns.start());
    room > length + 1 && row.over(columns.start() + (room - length) / 2, text, style, stretch)
}

/// Writes behind a stretch, or before it, where somebody listens.
fn beside(row: &mut Row, columns: &RangeInclusive<usize>, text: &str, style: Style, listening: &str) -> bool {
    let before = columns.start().checked_sub(text.chars().count() + 1);
    row.over(columns.end() + 2, text, style, listening)
        || before.is_some_and(|before| row.over(before, text, style, listening))
}

/// From when to when somebody listened at a place.
fn listening(
    place: &SilenceFact,
    fact: &RestartFact,
    service: Option<&ServiceFact>,
    until: BootNs,
) -> Vec<(BootNs, BootNs)> {
    let changes: Vec<(BootNs, bool)> = fact
        .timeline
        .iter()
        .filter_map(|step| match &step.what {
            StepKind::ListenerOpened { listener, .. } if *listener == place.listener => Some((step.at, true)),
            StepKind::ListenerClosed { listener, left: 0, .. } if *listener == place.listener => {
                Some((step.at, false))
            }
            _ => None,
        })
        .collect();
    let known = service.and_then(|service| service.listeners.iter().find(|one| one.key == place.listener));
    let opened = changes.iter().filter(|(_, opened)| *opened).count();
    let sockets = known.map_or(usize::MAX, |known| usize::try_from(known.sockets).unwrap_or(usize::MAX));
    let listened_before = match changes.first() {
        Some((_, true)) => changes.iter().any(|(_, opened)| !opened) || sockets > opened,
        Some((_, false)) => true,
        None => place.listens || place.closed_at.is_some(),
    };
    let mut periods = Vec::new();
    let mut since = listened_before.then_some(0);
    for (at, opened) in changes {
        match (opened, since) {
            (true, None) => since = Some(at),
            (false, Some(from)) => {
                periods.push((from, at));
                since = None;
            }
            _ => {}
        }
    }
    // A close that the timeline had no room for.
    if let (Some(from), Some(closed), true) = (since, place.closed_at, periods.is_empty() && opened == 0) {
        periods.push((from, closed));
        since = place.listens.then_some(closed.saturating_add(place.not_listening));
    }
    if let Some(from) = since {
        periods.push((from, until));
    }
    periods
}

/// From when to when somebody listened and nobody accepted, and whether that is a bound.
fn silent(
    place: &SilenceFact,
    fact: &RestartFact,
    service: Option<&ServiceFact>,
    until: BootNs,
) -> Option<(BootNs, BootNs, &'static str)> {
    if let Some(it) = place.not_accepting {
        return Some((it.from, it.until, if it.exact { "" } else { "at most " }));
    }
    let now = fact.ended.is_none() && service.is_some_and(|one| one.state == ServiceState::Silent);
    let acceptors = fact.old.iter().filter_map(|member| member.ended).max();
    let since = acceptors.or(fact.times.last_accept).filter(|_| now && place.listens)?;
    Some((since, until, "at most "))
}
