//! A restart in a few lines: what is thought of it, how and by whom it began, how long it took or will take.

use super::curve::{Estimate, estimate, soon};
use crate::correlate::{RestartFact, RestartKind, ServiceFact, Verdict};
use crate::event::{Attribution, BootNs};
use crate::report::{WallClock, words};
use crate::tui::text::{clip_line, hanging, safe};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::{badge, connections, duration, precise, wall};
use ratatui::text::{Line, Span};

/// From this width on phases are told in whole words.
const WIDE: u16 = 100;

/// The lines of a headline.
pub(crate) fn headline(
    fact: &RestartFact,
    service: Option<&ServiceFact>,
    at: BootNs,
    clock: &WallClock,
    theme: Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let open = fact.ended.is_none();
    let name = service.map_or_else(|| format!("service {}", fact.service.0), |one| safe(&one.name));
    let elapsed = fact.ended.unwrap_or(at).saturating_sub(fact.started);
    let lost = fact.lost();
    let so_far = if open { " so far" } else { "" };
    let time = if open { format!(" for {}", duration(elapsed)) } else { String::new() };
    let first = Line::from(vec![badge(fact, theme), Span::raw(" ")]);
    let text = format!("{name}: {}{time}, {} lost{so_far}", kind(fact), connections(lost));
    let mut lines = hanging(first, &text, theme.style(Role::Title), columns);
    let mut say = |label: &str, text: &str, role: Role| {
        let label = Line::from(Span::styled(format!("{label:<9}"), theme.style(Role::Dim)));
        lines.extend(hanging(label, text, theme.style(role), columns));
    };
    if !says_it_all(fact) {
        say("why", &safe(&fact.reason), Role::Plain);
    }
    say("cause", &safe(&words::cause(&fact.cause)), Role::Plain);
    say("when", &when(fact, elapsed, clock, width >= WIDE), Role::Plain);
    if open {
        let (left, role) = to_drained(fact, at);
        say("drain", &left, role);
    }
    if let Some(place) = service.and_then(runs_in) {
        say("runs in", &safe(&place), Role::Plain);
    }
    if fact.events_lost > 0 {
        let events = words::plural(fact.events_lost, "event was", "events were");
        let text = format!("{} {events} lost while it went on: counts are lower bounds", fact.events_lost);
        say("doubt", &text, Role::Warning);
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

fn runs_in(service: &ServiceFact) -> Option<String> {
    let Attribution { unit, container, pod } = &service.attribution;
    let pod = pod.as_ref().map(|pod| (pod.uid.as_str(), pod.qos.as_str()));
    words::runs_in(&service.name, unit.as_deref(), container.as_deref(), pod)
}

fn kind(fact: &RestartFact) -> &'static str {
    match (fact.kind, fact.ended) {
        (RestartKind::Unknown, None) => "restart of a kind not known yet",
        (kind, _) => words::kind(kind),
    }
}

/// The first line has what the verdict's reason would say.
fn says_it_all(fact: &RestartFact) -> bool {
    match fact.verdict {
        Verdict::Clean | Verdict::Lossy => true,
        Verdict::Inconclusive | Verdict::NotRestarted | Verdict::Stuck | Verdict::Down => false,
    }
}

fn when(fact: &RestartFact, elapsed: BootNs, clock: &WallClock, wide: bool) -> String {
    let times = &fact.times;
    let began = times.signal.unwrap_or(fact.started);
    let between = |from: Option<BootNs>, until: Option<BootNs>| until?.checked_sub(from?);
    let phases = [
        (between(Some(began), times.old_gone), "drain", "until the old was gone"),
        (between(times.listener_closed, times.listening), "gap", "without a listener"),
        (between(times.new_started, times.first_served), "boot", "from new start to first response"),
    ];
    let phases = phases.into_iter().filter_map(|(ns, short, long)| {
        let ns = precise(ns?);
        Some(if wide { format!("{ns} {long}") } else { format!("{short} {ns}") })
    });
    let took = fact.ended.map(|_| format!("took {}", precise(elapsed)));
    let time = wall(fact.started, clock);
    // On a narrow screen the day goes without saying.
    let time = if wide { time.as_str() } else { time.get(11..).unwrap_or(&time) };
    let parts: Vec<String> = [format!("{time} UTC")].into_iter().chain(took).chain(phases).collect();
    parts.join(", ")
}

/// How far the old generation is from its end.
fn to_drained(fact: &RestartFact, at: BootNs) -> (String, Role) {
    let left = fact.old_left().count();
    if let Some(gone) = fact.times.old_gone {
        let served = match fact.times.first_served {
            Some(_) => "",
            None => "; the new one has not been seen to serve",
        };
        let after = precise(gone.saturating_sub(fact.started));
        return (format!("the old generation was gone after {after}{served}"), Role::Plain);
    }
    let there = format!(
        "{left} {} of the old generation still there",
        words::plural(left as u64, "process", "processes")
    );
    let last = fact.curve.last();
    match (estimate(&fact.curve), last) {
        (Estimate::Drained, _) => (format!("{there}, with no connections"), Role::Plain),
        (Estimate::In(left), Some(last)) => {
            let more = last.at.saturating_add(left).saturating_sub(at);
            let open = connections(last.old.into());
            (format!("{there}, with {open}: {}", soon(more)), Role::Plain)
        }
        (Estimate::None(why), Some(last)) => {
            let open = connections(last.old.into());
            (format!("{there}, with {open}; no estimate: {why}"), Role::Warning)
        }
        (_, None) => (format!("{there}; their connections were not looked at yet"), Role::Plain),
    }
}
