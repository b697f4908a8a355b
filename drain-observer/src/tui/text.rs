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
    let ellipsis = head(theme.symbols().ellipsis, columns);
    let mut left = columns - ellipsis.width();
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
    kept.push(Span::styled(ellipsis, style));
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
                if let Some(line) = lines.last_mut() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Colors;
    use proptest::prelude::*;

    const THEME: Theme = Theme { colors: Colors::None, ascii: false };
    const ASCII: Theme = Theme { ascii: true, ..THEME };

    fn text(lines: &[Line<'_>]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_cut_is_seen_to_be() {
        assert_eq!(clip("puma.service", 12, THEME), "puma.service");
        assert_eq!(clip("puma.service", 6, THEME), "puma.…");
        assert_eq!(clip("puma.service", 6, ASCII), "pum...");
        assert_eq!(clip("漢字漢字", 6, THEME), "漢字…");
        assert_eq!(fit("漢字漢字", 6, THEME), "漢字… ");
        assert_eq!(clip("puma", 2, ASCII), "pu");
    }

    #[test]
    fn paragraphs_hang_below_their_label() {
        let lines = hanging(Line::from("why  "), "one two three", Style::new(), 13);
        assert_eq!(text(&lines), ["why  one two", "     three"]);
        let lines = hanging(Line::from("why  "), &"x".repeat(20), Style::new(), 13);
        assert_eq!(text(&lines), ["why  xxxxxxxx", "     xxxxxxxx", "     xxxx"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(words in ".{0,60}", columns in 2usize..80, ascii: bool) {
            let theme = Theme { ascii, ..THEME };
            let words = safe(&words);
            prop_assert!(width(&clip(&words, columns, theme)) <= columns);
            prop_assert_eq!(width(&fit(&words, columns, theme)), columns);
            let lines = hanging(Line::from("label "), &words, Style::new(), columns);
            for line in lines {
                prop_assert!(clip_line(line, columns, theme).width() <= columns);
            }
        }
    }
}
