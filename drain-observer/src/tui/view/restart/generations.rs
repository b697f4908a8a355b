//! The old and the new generation, process by process.

use crate::correlate::{MemberFact, RestartFact, RestartKind};
use crate::event::BootNs;
use crate::report::words;
use crate::tui::text::{clip_line, fit, hanging, heading, safe};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::{connections, duration, processes, relative};
use ratatui::text::{Line, Span};

/// From this width on the executable has room.
const WIDE: u16 = 120;

/// Both generations of a restart.
pub(crate) fn generations(fact: &RestartFact, at: BootNs, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let mut lines = Vec::new();
    for (name, members, role) in
        [("old generation", &fact.old, Role::Old), ("new generation", &fact.new, Role::New)]
    {
        let living = members.iter().filter(|member| member.ended.is_none()).count();
        let how_many = match members.len() {
            0 => "none was seen".to_owned(),
            count => format!("{}, {living} alive", processes(count)),
        };
        lines.push(heading(&format!("{name}: {how_many}"), theme));
        for member in members {
            lines.extend(process(member, fact, at, theme, role, width));
        }
    }
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

fn process(
    member: &MemberFact,
    fact: &RestartFact,
    at: BootNs,
    theme: Theme,
    role: Role,
    width: u16,
) -> Vec<Line<'static>> {
    let rank = if member.master { "master" } else { "worker" };
    let name = fit(member.comm.as_str(), 15, theme);
    let label = vec![
        Span::styled(format!("{:>9} ", member.pid), theme.style(role)),
        Span::styled(format!("{name} {rank} "), theme.style(Role::Plain)),
    ];
    let inner = member.inner_pid.map(|pid| format!("pid {pid} in its namespace"));
    let born = match fact.started.checked_sub(member.start) {
        Some(before) => format!("born {} before", duration(before)),
        None => format!("born at {}", relative(member.start, fact.started)),
    };
    let image = (member.image_since > member.start)
        .then(|| format!("this program since {}", relative(member.image_since, fact.started)));
    let stays = member.master && fact.kind == RestartKind::Reload;
    let end = match (member.ended, member.exit) {
        (Some(ended), Some((status, signal))) => {
            format!("{} at {}", words::exited(status, signal), relative(ended, fact.started))
        }
        (Some(ended), None) => format!("replaced its program at {}", relative(ended, fact.started)),
        (None, _) if stays => "stays".to_owned(),
        (None, _) => format!("alive, {} old", duration(at.saturating_sub(member.start))),
    };
    let held = (member.connections > 0).then(|| format!("{} closed", connections(member.connections.into())));
    let program = (width >= WIDE && !member.executable.is_empty()).then(|| safe(&member.executable));
    let command = member.command.as_ref().filter(|_| member.master);
    let command = command.map(|it| safe(&words::command(&it.arguments, it.truncated)));
    let parts: Vec<String> =
        [Some(born), image, Some(end), inner, held, command.or(program)].into_iter().flatten().collect();
    let mut text = parts.join(", ");
    let mut style = theme.style(Role::Plain);
    if member.lost > 0 {
        text = format!("{} lost; {text}", member.lost);
        style = theme.style(Role::Bad);
    }
    hanging(Line::from(label), &text, style, usize::from(width))
}
