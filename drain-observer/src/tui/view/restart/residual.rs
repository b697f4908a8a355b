//! What is left of the old generation, and what it would lose if it were killed now.

use crate::correlate::{HeldFact, LoadFact, MemberFact, RestartFact, ServiceFact};
use crate::event::BootNs;
use crate::tui::text::{clip_line, hanging, heading};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::{connections, duration, processes};
use ratatui::text::{Line, Span};

/// The processes that are left, those with most to lose first; nothing where none is.
pub(crate) fn residual(
    fact: &RestartFact,
    service: Option<&ServiceFact>,
    at: BootNs,
    theme: Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    // Of a restart that is over, those that are still processes of the service.
    let there = |member: &&MemberFact| {
        let alive = |service: &ServiceFact| {
            service.processes.iter().any(|one| one.pid == member.pid && one.start == member.start)
        };
        fact.ended.is_none() || service.is_some_and(alive)
    };
    let mut left: Vec<(&MemberFact, Option<&HeldFact>)> = fact
        .old_left()
        .filter(there)
        .map(|member| (member, load(fact, service).and_then(|load| held(load, member.pid))))
        .collect();
    if left.is_empty() {
        return Vec::new();
    }
    left.sort_by_key(|(member, held)| {
        let weight = held.map(|held| (held.at_risk(), held.open));
        (std::cmp::Reverse(weight), member.start, member.pid)
    });
    let mut lines = summary(&left, load(fact, service), at, theme, columns);
    for (member, held) in left {
        lines.extend(process(member, held, load(fact, service), at, theme, columns));
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

/// The last look, if it was taken since the restart began.
fn load<'a>(fact: &RestartFact, service: Option<&'a ServiceFact>) -> Option<&'a LoadFact> {
    service.and_then(|service| service.load.as_ref()).filter(|load| load.at >= fact.started)
}

fn held(load: &LoadFact, pid: u32) -> Option<&HeldFact> {
    load.held.iter().find(|held| held.pid == pid)
}

fn summary(
    left: &[(&MemberFact, Option<&HeldFact>)],
    load: Option<&LoadFact>,
    at: BootNs,
    theme: Theme,
    columns: usize,
) -> Vec<Line<'static>> {
    let title = heading("old processes left: ", theme);
    let Some(load) = load else {
        let text = format!("{}; their connections were not looked at yet", processes(left.len()));
        return hanging(title, &text, theme.style(Role::Plain), columns);
    };
    let sum = |count: fn(&HeldFact) -> u32| {
        left.iter().filter_map(|(_, held)| *held).map(|held| u64::from(count(held))).sum::<u64>()
    };
    let more = if load.complete { "" } else { " or more: not everything could be looked at" };
    let text = format!(
        "{}, with {}{more}; if killed now: {} lost ({} ago)",
        processes(left.len()),
        connections(sum(|held| held.open)),
        at_risk(sum(|held| held.unread) + sum(|held| held.awaiting), sum(|held| held.unsent)),
        duration(at.saturating_sub(load.at)),
    );
    hanging(title, &text, theme.style(Role::Plain), columns)
}

fn process(
    member: &MemberFact,
    held: Option<&HeldFact>,
    load: Option<&LoadFact>,
    at: BootNs,
    theme: Theme,
    columns: usize,
) -> Vec<Line<'static>> {
    let rank = if member.master { "master" } else { "worker" };
    let label = Line::from(vec![
        Span::styled(format!("{:>9} ", member.pid), theme.style(Role::Old)),
        Span::raw(format!("{} {rank}, {} old: ", member.comm, duration(at.saturating_sub(member.start)))),
    ]);
    let (text, role) = match (held, load) {
        (Some(held), _) => (in_words(held, at), if held.at_risk() > 0 { Role::Bad } else { Role::Plain }),
        (None, Some(load)) if load.complete => ("holds no connection".to_owned(), Role::Plain),
        (None, _) => ("what it holds is not known".to_owned(), Role::Warning),
    };
    hanging(label, &text, theme.style(role), columns)
}

fn in_words(held: &HeldFact, at: BootNs) -> String {
    let oldest = duration(at.saturating_sub(held.oldest));
    let open = connections(held.open.into());
    let kinds = [
        (held.unread, format!("{} unread_reset", held.unread)),
        (held.awaiting, format!("{} unanswered", held.awaiting)),
        (held.unsent, format!("up to {} truncated", held.unsent)),
    ];
    let kinds: Vec<String> =
        kinds.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    let sure = u64::from(held.unread) + u64::from(held.awaiting);
    let lost = at_risk(sure, held.unsent.into());
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    format!("{open}, the oldest open for at least {oldest}; if killed now: {lost} lost{kinds}")
}

/// What is lost for sure, and what may be.
fn at_risk(sure: u64, perhaps: u64) -> String {
    match perhaps {
        0 => sure.to_string(),
        _ => format!("{sure} to {}", sure + perhaps),
    }
}
