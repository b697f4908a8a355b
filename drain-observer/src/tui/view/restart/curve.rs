//! Connections in flight over time, and when they will be gone.

use super::axis::{Axis, Row, label_columns};
use super::gantt::label;
use crate::correlate::{LoadPoint, RestartFact};
use crate::event::BootNs;
use crate::tui::text::{clip_line, heading};
use crate::tui::theme::{Role, Theme};
use crate::tui::view::words::duration;
use ratatui::text::{Line, Span};

/// The estimate rests on so many of the last points.
const RECENT: usize = 10;

/// When the old generation will hold nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Estimate {
    /// It holds nothing.
    Drained,
    /// So much later than it was last looked at, if it goes on like this.
    In(BootNs),
    /// It does not fall, or it was not looked at often enough.
    None(&'static str),
}

/// The curve of a restart in at most `height` lines, the numbers of now in the first.
pub(crate) fn curve(
    fact: &RestartFact,
    at: BootNs,
    theme: Theme,
    width: u16,
    height: u16,
) -> Vec<Line<'static>> {
    let columns = usize::from(width);
    let Some(last) = fact.curve.last() else {
        let why = match fact.ended {
            None => "open connections were not looked at yet",
            Some(_) => "open connections were not looked at while it went on",
        };
        let line = Line::from(vec![
            heading("in flight  ", theme).spans.remove(0),
            Span::styled(why, theme.style(Role::Dim)),
        ]);
        return vec![clip_line(line, columns, theme)];
    };
    let labels = label_columns(width);
    let axis = Axis::new(fact, at, columns.saturating_sub(labels));
    let mut lines = vec![title(fact, last, at, theme)];
    let rows = usize::from(height).saturating_sub(2);
    lines.extend(area(&fact.curve, &axis, rows, theme, labels));
    if rows > 0 {
        lines.push(axis.scale(theme).line(label("", Role::Dim, labels, theme)));
    }
    lines.truncate(usize::from(height));
    lines.into_iter().map(|line| clip_line(line, columns, theme)).collect()
}

/// A straight line through the last points of the old generation, and where it meets nothing.
pub(super) fn estimate(points: &[LoadPoint]) -> Estimate {
    let recent = &points[points.len().saturating_sub(RECENT)..];
    let (Some(first), Some(last)) = (recent.first(), recent.last()) else {
        return Estimate::None("not looked at yet");
    };
    if last.old == 0 {
        return Estimate::Drained;
    }
    if recent.len() < 2 {
        return Estimate::None("looked at once only");
    }
    let count = recent.len() as f64;
    let seconds = |point: &LoadPoint| point.at.saturating_sub(first.at) as f64 / 1e9;
    let mean_x = recent.iter().map(seconds).sum::<f64>() / count;
    let mean_y = recent.iter().map(|point| f64::from(point.old)).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for point in recent {
        let x = seconds(point) - mean_x;
        above += x * (f64::from(point.old) - mean_y);
        below += x * x;
    }
    let slope = above / below;
    // NaN included: points of one moment. Slower than a connection in an hour is not falling.
    if !slope.is_finite() || slope > -1.0 / 3_600.0 {
        return Estimate::None("does not fall");
    }
    let left = f64::from(last.old) / -slope;
    Estimate::In((left * 1e9) as BootNs)
}

/// An estimate in words.
pub(super) fn soon(left: BootNs) -> String {
    match left {
        ..1_000_000_000 => "drained any moment".to_owned(),
        left => format!("drained in about {}", duration(left)),
    }
}

fn title(fact: &RestartFact, last: &LoadPoint, at: BootNs, theme: Theme) -> Line<'static> {
    let dim = theme.style(Role::Dim);
    let mut spans = heading("in flight  ", theme).spans;
    for (symbol, role, name, count) in [
        (theme.symbols().full, Role::Old, "old", last.old),
        (theme.symbols().dot, Role::New, "new", last.new),
        (theme.symbols().cross, Role::Queue, "queue", last.queued),
    ] {
        spans.push(Span::styled(format!("{symbol} {name} {count}  "), theme.style(role)));
    }
    if fact.ended.is_some() {
        spans.push(Span::styled("at the end", dim));
        return Line::from(spans);
    }
    let estimate = fact.times.old_gone.map_or_else(|| estimate(&fact.curve), |_| Estimate::Drained);
    let (text, role) = match estimate {
        Estimate::Drained => ("old ones all gone".to_owned(), Role::Good),
        Estimate::In(left) => (soon(last.at.saturating_add(left).saturating_sub(at)), Role::Accent),
        Estimate::None(_) => ("no estimate".to_owned(), Role::Warning),
    };
    spans.push(Span::styled(text, theme.style(role)));
    spans.push(Span::styled(format!("  ({} ago)", duration(at.saturating_sub(last.at))), dim));
    Line::from(spans)
}

/// The old generation as an area, the new one and the queue as marks on it.
fn area(points: &[LoadPoint], axis: &Axis, rows: usize, theme: Theme, labels: usize) -> Vec<Line<'static>> {
    let symbols = theme.symbols();
    let most = points.iter().map(|point| point.old.max(point.new).max(point.queued)).max().unwrap_or(0);
    let most = u64::from(most.max(1));
    let scale = rows as u64 * 8;
    let mut grid = vec![Row::new(axis.columns()); rows];
    let end = points.last().map_or(0, |last| axis.column(last.at));
    for column in 0..=end.min(axis.columns().saturating_sub(1)) {
        let known = points.partition_point(|point| axis.column(point.at) <= column);
        let Some(point) = known.checked_sub(1).and_then(|known| points.get(known)) else { continue };
        let filled = (u64::from(point.old) * scale).div_ceil(most);
        for (number, row) in grid.iter_mut().rev().enumerate() {
            let part = filled.saturating_sub(number as u64 * 8).min(8);
            row.force(column, &theme.level(part, 8).to_string(), theme.style(Role::Old));
        }
        for (count, symbol, role) in
            [(point.queued, symbols.cross, Role::Queue), (point.new, symbols.dot, Role::New)]
        {
            let height = (u64::from(count) * rows as u64).div_ceil(most);
            let row =
                height.checked_sub(1).and_then(|height| rows.checked_sub(1 + usize::try_from(height).ok()?));
            if let Some(row) = row.and_then(|row| grid.get_mut(row)) {
                row.force(column, symbol, theme.style(role));
            }
        }
    }
    let middle = rows / 2;
    let edge = symbols.vertical;
    grid.into_iter()
        .enumerate()
        .map(|(number, row)| {
            let count = match number {
                0 => most.to_string(),
                number if number == middle && rows >= 4 => {
                    (most * (rows - number) as u64 / rows as u64).to_string()
                }
                _ => String::new(),
            };
            let text = format!("{count:>width$} {edge}", width = labels.saturating_sub(3));
            row.line(label(&text, Role::Dim, labels, theme))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn falls(old: &[u32]) -> Estimate {
        let point = |(second, old): (usize, &u32)| LoadPoint {
            at: second as u64 * 1_000_000_000,
            old: *old,
            new: 0,
            queued: 0,
        };
        estimate(&old.iter().enumerate().map(point).collect::<Vec<_>>())
    }

    #[test]
    fn an_estimate_goes_on_as_the_last_points_did() {
        assert_eq!(falls(&[40, 30, 20, 10]), Estimate::In(1_000_000_000));
        assert_eq!(falls(&[900, 900, 900, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), Estimate::In(1_000_000_000));
        assert_eq!(falls(&[10, 0]), Estimate::Drained);
    }

    #[test]
    fn what_does_not_fall_has_no_estimate() {
        assert_eq!(falls(&[]), Estimate::None("not looked at yet"));
        assert_eq!(falls(&[5]), Estimate::None("looked at once only"));
        assert_eq!(falls(&[5, 5, 5]), Estimate::None("does not fall"));
        assert_eq!(falls(&[5, 6, 7]), Estimate::None("does not fall"));
    }
}
