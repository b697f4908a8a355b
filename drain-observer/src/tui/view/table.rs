//! Rows in columns. Only the rows that are seen are made.

use crate::tui::app::List;
use crate::tui::text;
use crate::tui::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<C> {
    /// Which.
    pub(super) what: C,
    /// Its heading.
    pub(super) title: &'static str,
    /// Its least width.
    pub(super) width: u16,
    /// It takes a part of the width that is left, up to so many columns more.
    pub(super) grows: u16,
    /// Where width is short, those with the highest number are left out.
    pub(super) rank: u8,
    /// Numbers stand at the right.
    pub(super) right: bool,
}

impl<C> Column<C> {
    /// A column of these properties, in the order in which they are declared.
    pub(super) const fn new(
        what: C,
        title: &'static str,
        width: u16,
        grows: u16,
        rank: u8,
        right: bool,
    ) -> Self {
        Self { what, title, width, grows, rank, right }
    }
}

/// What is in one place.
pub(super) type Cell = (String, Role);

/// Columns that the cursor and the gaps take.
const CURSOR: u16 = 2;
const GAP: u16 = 2;

/// The columns that fit, and their widths.
pub(super) fn fit<C: Copy>(columns: &[Column<C>], width: u16) -> Vec<(Column<C>, u16)> {
    let mut fitting: Vec<Column<C>> = columns.to_vec();
    let needed = |columns: &[Column<C>]| -> u16 {
        columns.iter().fold(CURSOR, |sum, column| sum.saturating_add(column.width + GAP))
    };
    while fitting.len() > 1 && needed(&fitting) > width.saturating_add(GAP) {
        let least = (0..fitting.len()).max_by_key(|place| fitting[*place].rank).unwrap_or(0);
        fitting.remove(least);
    }
    let mut left = width.saturating_add(GAP).saturating_sub(needed(&fitting));
    let mut sized: Vec<(Column<C>, u16)> = fitting.into_iter().map(|column| (column, column.width)).collect();
    for (column, width) in &mut sized {
        let more = column.grows.min(left);
        *width += more;
        left -= more;
    }
    sized
}

/// Draws the heading and the rows that are seen.
pub(super) fn draw<C: Copy>(
    list: &List,
    columns: &[(Column<C>, u16)],
    mut cell: impl FnMut(usize, C, u16) -> Cell,
    area: Rect,
    buffer: &mut Buffer,
    theme: Theme,
) {
    let mut x = area.x + CURSOR;
    for (column, width) in columns {
        let title = aligned(column.title, *width, column.right, theme);
        buffer.set_string(x, area.y, title, theme.style(Role::Dim));
        x += width + GAP;
    }
    let shown = list.rows.iter().zip(0usize..).skip(list.offset);
    for ((row, place), y) in shown.zip(area.y + 1..area.bottom()) {
        let mut x = area.x + CURSOR;
        let selected = place == list.selected;
        if selected {
            buffer.set_string(area.x, y, theme.symbols().cursor, theme.style(Role::Accent));
        }
        for (column, width) in columns {
            let (text, role) = cell(*row as usize, column.what, *width);
            buffer.set_string(x, y, aligned(&text, *width, column.right, theme), theme.style(role));
            x += width + GAP;
        }
        if selected {
            buffer.set_style(Rect { y, height: 1, ..area }, theme.style(Role::Selected));
        }
    }
}

fn aligned(text: &str, width: u16, right: bool, theme: Theme) -> String {
    let width = usize::from(width);
    let fitted = text::clip(text, width, theme);
    let missing = " ".repeat(width.saturating_sub(text::width(&fitted)));
    if right { missing + &fitted } else { fitted + &missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Colors;

    const THEME: Theme = Theme { colors: Colors::None, ascii: true };

    fn column(title: &'static str, width: u16, grows: u16, rank: u8) -> Column<()> {
        Column { what: (), title, width, grows, rank, right: false }
    }

    #[test]
    fn the_least_important_columns_go_first() {
        let columns = [column("a", 10, 0, 0), column("b", 10, 5, 2), column("c", 10, 0, 1)];
        let fitted = |width| -> Vec<(&str, u16)> {
            fit(&columns, width).into_iter().map(|(column, width)| (column.title, width)).collect()
        };
        assert_eq!(fitted(100), [("a", 10), ("b", 15), ("c", 10)]);
        assert_eq!(fitted(36), [("a", 10), ("b", 10), ("c", 10)]);
        assert_eq!(fitted(35), [("a", 10), ("c", 10)]);
        assert_eq!(fitted(5), [("a", 10)]);
    }

    #[test]
    fn only_rows_that_are_seen_are_made() {
        let mut list = List::default();
        list.rows = (0..10_000).collect();
        (list.selected, list.offset) = (5_000, 4_990);
        let area = Rect::new(0, 0, 80, 24);
        let mut buffer = Buffer::empty(area);
        let mut made = 0;
        let columns = fit(&[column("a", 10, 0, 0)], 80);
        let cell = |row: usize, (), _| {
            made += 1;
            (row.to_string(), Role::Plain)
        };
        draw(&list, &columns, cell, area, &mut buffer, THEME);
        assert_eq!(made, 23);
        assert_eq!(buffer[(0, 11)].symbol(), ">");
    }
}
