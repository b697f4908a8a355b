//! Text in columns. Everything that comes from processes or files goes through [`safe`] on its way to a screen.

use super::theme::{Role, Theme};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// Text from outside, made harmless for a terminal.
pub(crate) fn safe(text: &str) -> String {
    crate::report::harmless(text)
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A text cut to `columns`; the cut shows as an ellipsis.
pub(crate) fn clip(text: &str, columns: usize, theme: Theme) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let ellipsis = theme.symbols().ellipsis;
    let ellipsis = if ellipsis.width() <= columns { ellipsis } else { "" };
    let mut kept = head(text, columns - ellipsis.width()).to_owned();
    kept.push_str(ellipsis);
    kept
}

/// A text cut or filled to exactly `columns`.
pub(crate) fn fit(text: &str, columns: usize, theme: Theme) -> String {
    let mut text = clip(text, columns, theme);
    let missing = columns - text.width();
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

/// A line cut to `columns`.
pub(crate) fn clip_line(line: Line<'static>, columns: usize, theme: Theme) -> Line<'static> {
    if line.width() <= columns {
        return line;
    }
    let ellipsis = theme.symbols().ellipsis.width().min(columns);
    let mut left = columns - ellipsis;
    let mut kept: Vec<Span<'static>> = Vec::new();
    let mut style = Style::new();
    for span in line.spans {
        style = span.style;
        let part = head(&span.content, left);
        left -= part.width();
        let whole = part.len() == span.content.len();
        kept.push(Span::styled(part.to_owned(), style));
        if !whole {
            break;
        }
    }
    kept.push(Span::styled(theme.symbols().ellipsis[..].to_owned(), style));
    Line { spans: kept, ..Line::default() }
}

/// A paragraph behind a label; its further lines stand below its first. Words longer than a line are broken.
pub(crate) fn hanging(label: Line<'static>, text: &str, style: Style, columns: usize) -> Vec<Line<'static>> {
    // A label that leaves no room stands alone.
    let hang = if label.width() + 8 <= columns { label.width() } else { 2.min(columns.saturating_sub(1)) };
    let mut lines = vec![label];
    let mut used = lines[0].width();
    let mut empty = used <= hang;
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let gap = usize::from(!empty);
            if used + gap + word.width() <= columns {
                let line = lines.last_mut();
                if let Some(line) = line {
                    line.spans.push(Span::styled(format!("{}{word}", " ".repeat(gap)), style));
                }
                used += gap + word.width();
                empty = false;
                break;
            }
            if empty {
                let part = head(word, columns.saturating_sub(used).max(1));
                let part = if part.is_empty() { first_char(word) } else { part };
                if let Some(line) = lines.last_mut() {
                    line.spans.push(Span::styled(part.to_owned(), style));
                }
                word = &word[part.len()..];
            }
            lines.push(Line::from(" ".repeat(hang)));
            used = hang;
            empty = true;
        }
    }
    lines
}

/// A heading.
pub(crate) fn heading(text: &str, theme: Theme) -> Line<'static> {
    Line::from(Span::styled(text.to_owned(), theme.style(Role::Title)))
}

/// The longest beginning of a text that fits.
fn head(text: &str, columns: usize) -> &str {
    let mut end = 0;
    for (start, char) in text.char_indices() {
        let next = start + char.len_utf8();
        if text[..next].width() > columns {
            break;
        }
        end = next;
    }
    &text[..end]
}

fn first_char(text: &str) -> &str {
    let end = text.chars().next().map_or(0, char::len_utf8);
    &text[..end]
}
