//! One connection in words.

use super::words::{precise, relative, wall};
use crate::correlate::{ConnectionFact, Outcome, RestartFact};
use crate::report::{WallClock, words};
use crate::tui::text::{clip_line, hanging, safe};
use crate::tui::theme::{Role, Theme};
use ratatui::text::{Line, Span};

/// What became of a connection, when, by whom, and what that rests on.
pub(crate) fn connection(
    fact: &ConnectionFact,
    restart: Option<&RestartFact>,
    clock: &WallClock,
    theme: Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let mut lines = Vec::new();
    let mut say = |label: &str, text: &str, role: Role| {
        let label = Line::from(Span::styled(format!("{label:<12}"), theme.style(Role::Dim)));
        lines.extend(hanging(label, text, theme.style(role), columns));
    };
    say("connection", &ends(fact, theme), Role::Title);
    let lost = match fact.outcome {
        outcome if outcome.is_lost() => ("lost", Role::Bad),
        Outcome::Unknown => ("unknown", Role::Warning),
        _ => ("not lost", Role::Good),
    };
    say("outcome", &format!("{}: {}", fact.outcome.as_str(), lost.0), lost.1);
    say("meaning", words::outcome(fact.outcome), Role::Plain);
    let since =
        |at| restart.map(|restart| format!(" ({})", relative(at, restart.started))).unwrap_or_default();
    let ended = format!("{} UTC{}", wall(fact.ended_at, clock), since(fact.ended_at));
    match fact.established_at {
        Some(at) => {
            say("established", &format!("{} UTC{}", wall(at, clock), since(at)), Role::Plain);
            let lasted = precise(fact.ended_at.saturating_sub(at));
            say("ended", &format!("{ended}, after {lasted}"), Role::Plain);
        }
        None if matches!(fact.outcome, Outcome::Refused | Outcome::Overflowed) => {
            say("established", "never", Role::Plain);
            say("ended", &ended, Role::Plain);
        }
        None => {
            say("established", "not seen: before the observer came, or not kept", Role::Plain);
            say("ended", &ended, Role::Plain);
        }
    }
    let by = fact.process.as_ref().map_or_else(|| "no process".to_owned(), words::process);
    say("closed by", &by, Role::Plain);
    let cause = fact.cause.as_deref().map_or_else(|| "not known".to_owned(), words::cause);
    say("cause", &safe(&cause), Role::Plain);
    let restart_words = match (fact.restart, restart) {
        (None, _) => "outside any restart".to_owned(),
        (Some(id), None) => format!("restart {}", id.0),
        (Some(_), Some(restart)) => {
            format!("{}, begun {} UTC", words::kind(restart.kind), wall(restart.started, clock))
        }
    };
    say("restart", &restart_words, Role::Plain);
    say("bytes", &bytes(fact), Role::Plain);
    for (number, evidence) in fact.evidence.iter().enumerate() {
        say(if number == 0 { "evidence" } else { "" }, &safe(evidence), Role::Plain);
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

fn ends(fact: &ConnectionFact, theme: Theme) -> String {
    let arrow = theme.symbols().arrow;
    if fact.outgoing {
        format!("{} {arrow} {}, opened by the service", fact.local, fact.peer)
    } else {
        format!("{} {arrow} {}", fact.peer, fact.local)
    }
}

fn bytes(fact: &ConnectionFact) -> String {
    let reused = match fact.reused {
        Some(true) => "; an earlier request on it had been answered",
        Some(false) => "; no earlier request on it had been answered",
        None => "",
    };
    match (fact.bytes_received, fact.bytes_written) {
        (Some(received), Some(written)) => format!("{received} received, {written} written{reused}"),
        _ => format!("not counted{reused}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::tui::theme::Colors;

    const THEME: Theme = Theme { colors: Colors::None, ascii: false };

    fn text(number: usize, width: u16) -> String {
        let snapshot = fixture::lossy();
        let clock = WallClock::new(fixture::header().clock.wall_minus_boot_ns);
        let fact = &snapshot.connections[number];
        let restart = snapshot.restarts.iter().find(|restart| fact.restart == Some(restart.id));
        let lines = connection(fact, restart, &clock, THEME, width);
        assert!(lines.iter().all(|line| line.width() <= usize::from(width)), "{lines:?}");
        lines.iter().map(|line| line.to_string().trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn connections_in_words() {
        insta::assert_snapshot!("unanswered_80", text(0, 80));
        insta::assert_snapshot!("refused_60", text(4, 60));
        insta::assert_snapshot!("outside_any_restart_120", text(6, 120));
    }

    #[test]
    fn every_connection_at_every_width() {
        for width in 0..200 {
            (0..8).for_each(|number| drop(text(number, width)));
        }
    }
}
