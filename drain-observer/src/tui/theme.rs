//! Colours and symbols. Colour never says anything that a word or a symbol does not say too.

use ratatui::style::{Color, Modifier, Style};

/// How the screens look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    /// Which colours.
    pub(crate) colors: Colors,
    /// Nothing but ASCII.
    pub(crate) ascii: bool,
}

/// Which colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colors {
    /// None; bold, dim and reverse only.
    None,
    /// The terminal's own sixteen, on its own background.
    Sixteen,
}

/// What a piece of the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Text.
    Plain,
    /// Text of less weight.
    Dim,
    /// A heading.
    Title,
    /// Where the cursor is.
    Selected,
    /// As it should be.
    Good,
    /// It will do harm on another day.
    Warning,
    /// It did harm.
    Bad,
    /// A word that must be seen at once: black on yellow.
    Caution,
    /// A word that must be seen before all others: white on red.
    Alert,
    /// The old generation.
    Old,
    /// The new generation.
    New,
    /// What waits in an accept queue.
    Queue,
    /// A key to press, a link, a mark.
    Accent,
}

/// What lines, bars and marks are made of. Each is one column wide unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols {
    /// A vertical line.
    pub(crate) vertical: &'static str,
    /// The life of a process of the old generation, in a lane.
    pub(crate) old: &'static str,
    /// The life of a process of the new generation.
    pub(crate) new: &'static str,
    /// A listener that somebody accepts from.
    pub(crate) listening: &'static str,
    /// A listener that nobody accepts from.
    pub(crate) silent: &'static str,
    /// The rest of a bar.
    pub(crate) trough: &'static str,
    /// The whole of a bar.
    pub(crate) full: &'static str,
    /// A point on a curve.
    pub(crate) dot: &'static str,
    /// From one to another.
    pub(crate) arrow: &'static str,
    /// Up, or growing.
    pub(crate) up: &'static str,
    /// Down, or sinking.
    pub(crate) down: &'static str,
    /// Before what is selected.
    pub(crate) cursor: &'static str,
    /// The present, as a vertical line.
    pub(crate) now: &'static str,
    /// Something was left out; up to three columns.
    pub(crate) ellipsis: &'static str,
    /// In order.
    pub(crate) check: &'static str,
    /// Lost.
    pub(crate) cross: &'static str,
    /// Between parts of a line.
    pub(crate) separator: &'static str,
}

impl Theme {
    /// From the wish for ASCII and the environment: `NO_COLOR`, `TERM`, `LC_ALL`, `LC_CTYPE`, `LANG`.
    pub(crate) fn detect(ascii: bool, env: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| env(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let colors = if dumb || set("NO_COLOR").is_some() { Colors::None } else { Colors::Sixteen };
        Self { colors, ascii: ascii || dumb || !utf8 }
    }

    /// How a role looks.
    pub(crate) fn style(self, role: Role) -> Style {
        let plain = Style::new();
        let style = match role {
            Role::Plain | Role::Good | Role::Old | Role::New => plain,
            Role::Dim => plain.add_modifier(Modifier::DIM),
            Role::Title | Role::Accent | Role::Queue | Role::Warning | Role::Bad => {
                plain.add_modifier(Modifier::BOLD)
            }
            Role::Selected => return plain.add_modifier(Modifier::REVERSED),
            Role::Caution | Role::Alert => plain.add_modifier(Modifier::BOLD),
        };
        match (self.colors, role) {
            (Colors::None, Role::Caution | Role::Alert) => style.add_modifier(Modifier::REVERSED),
            (Colors::None, _) => style,
            // Magenta, cyan and red are read on black and on white; yellow is not, so it is a background.
            (Colors::Sixteen, Role::Plain | Role::Dim | Role::Title | Role::Selected | Role::Queue) => style,
            (Colors::Sixteen, Role::Good | Role::New | Role::Accent) => style.fg(Color::Cyan),
            (Colors::Sixteen, Role::Old | Role::Warning) => style.fg(Color::Magenta),
            (Colors::Sixteen, Role::Bad) => style.fg(Color::Red),
            (Colors::Sixteen, Role::Caution) => style.fg(Color::Black).bg(Color::Yellow),
            (Colors::Sixteen, Role::Alert) => style.fg(Color::White).bg(Color::Red),
        }
    }

    /// What to draw with.
    pub(crate) fn symbols(self) -> &'static Symbols {
        if self.ascii { &ASCII } else { &UNICODE }
    }

    /// A bar of `width` columns, full when `value` reaches `limit`. What is not nothing shows.
    pub(crate) fn bar(self, value: u64, limit: u64, width: u16) -> String {
        let width = usize::from(width);
        let parts = if self.ascii { 1 } else { EIGHTHS.len() };
        let all = width * parts;
        let share = match limit {
            0 => u128::from(value.min(1)) * all as u128,
            _ => u128::from(value.min(limit)) * all as u128 / u128::from(limit),
        };
        let filled = usize::try_from(share).unwrap_or(all).max(usize::from(value > 0 && width > 0));
        let symbols = self.symbols();
        let mut bar = symbols.full.repeat(filled / parts);
        let mut columns = filled / parts;
        if filled % parts > 0 {
            bar.push(EIGHTHS[filled % parts]);
            columns += 1;
        }
        bar + &symbols.trough.repeat(width - columns)
    }

    /// The last `width` of `values` as columns of a height relative to the greatest of them, the last one at the
    /// right. What is not nothing shows.
    pub(crate) fn sparkline(self, values: &[u64], width: u16) -> String {
        let width = usize::from(width);
        let shown = &values[values.len().saturating_sub(width)..];
        let most = shown.iter().copied().max().unwrap_or(0);
        let line: String = shown.iter().map(|value| self.level(*value, most)).collect();
        format!("{line:>width$}")
    }

    /// A column that is full when `value` reaches `most`. What is not nothing shows.
    pub(crate) fn level(self, value: u64, most: u64) -> char {
        let levels: &[char] = if self.ascii { &ASCII_LEVELS } else { &LEVELS };
        let top = levels.len() as u128 - 1;
        let level = (u128::from(value.min(most)) * top).div_ceil(u128::from(most.max(1)));
        levels[usize::try_from(level).unwrap_or(0)]
    }
}

/// A column filled to so many eighths from the left; the first is never drawn.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_LEVELS: [char; 8] = [' ', '.', ':', '-', '=', '+', '*', '#'];

const UNICODE: Symbols = Symbols {
    vertical: "│",
    old: "━",
    new: "═",
    listening: "█",
    silent: "░",
    trough: "░",
    full: "█",
    dot: "•",
    arrow: "→",
    up: "▲",
    down: "▼",
    cursor: "▶",
    now: "┊",
    ellipsis: "…",
    check: "✓",
    cross: "✗",
    separator: "·",
};

const ASCII: Symbols = Symbols {
    vertical: "|",
    old: "-",
    new: "=",
    listening: "#",
    silent: ":",
    trough: ".",
    full: "#",
    dot: "*",
    arrow: ">",
    up: "^",
    down: "v",
    cursor: ">",
    now: "|",
    ellipsis: "...",
    check: "+",
    cross: "x",
    separator: "-",
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    const COLOR: Theme = Theme { colors: Colors::Sixteen, ascii: false };
    const ASCII_ONLY: Theme = Theme { colors: Colors::None, ascii: true };

    fn detect(ascii: bool, env: &[(&str, &str)]) -> Theme {
        let value =
            |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        Theme::detect(ascii, value)
    }

    #[test]
    fn the_environment_is_heeded() {
        assert_eq!(detect(false, &[("LANG", "en_US.UTF-8"), ("TERM", "xterm")]), COLOR);
        assert_eq!(detect(false, &[("LANG", "de_DE.utf8"), ("NO_COLOR", "")]), COLOR, "empty is not set");
        let no_color = Theme { colors: Colors::None, ..COLOR };
        assert_eq!(detect(false, &[("LC_CTYPE", "C.UTF-8"), ("NO_COLOR", "1")]), no_color);
        let ascii = Theme { ascii: true, ..COLOR };
        assert_eq!(detect(true, &[("LANG", "en_US.UTF-8")]), ascii);
        assert_eq!(detect(false, &[]), ascii);
        assert_eq!(detect(false, &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), ascii, "LC_ALL comes first");
        assert_eq!(detect(false, &[("TERM", "dumb"), ("LANG", "en_US.UTF-8")]), ASCII_ONLY);
    }

    #[test]
    fn without_colours_there_are_none() {
        let plain = Theme { colors: Colors::None, ascii: false };
        for role in [Role::Good, Role::Bad, Role::Old, Role::New, Role::Alert, Role::Caution, Role::Accent] {
            assert_eq!((plain.style(role).fg, plain.style(role).bg), (None, None), "{role:?}");
        }
    }

    #[test]
    fn bars_fill_from_the_left() {
        assert_eq!(COLOR.bar(0, 10, 5), "░░░░░");
        assert_eq!(COLOR.bar(1, 1_000_000, 5), "▏░░░░");
        assert_eq!(COLOR.bar(5, 10, 5), "██▌░░");
        assert_eq!(COLOR.bar(11, 10, 5), "█████");
        assert_eq!(ASCII_ONLY.bar(1, 1000, 5), "#....");
        assert_eq!(ASCII_ONLY.bar(5, 10, 4), "##..");
        assert_eq!(ASCII_ONLY.bar(0, 0, 4), "....");
    }

    #[test]
    fn sparklines_end_at_the_right() {
        assert_eq!(COLOR.sparkline(&[0, 1, 2, 4, 8], 7), "   ▁▂▄█");
        assert_eq!(COLOR.sparkline(&[9, 9, 0, 8], 2), " █");
        assert_eq!(ASCII_ONLY.sparkline(&[0, 1, 100], 3), " .#");
        assert_eq!(ASCII_ONLY.sparkline(&[], 3), "   ");
        assert_eq!(ASCII_ONLY.sparkline(&[0, 0], 2), "  ");
    }

    proptest! {
        #[test]
        fn bars_are_as_wide_as_asked(value: u64, limit: u64, width in 0u16..300, ascii: bool) {
            let theme = Theme { ascii, ..COLOR };
            prop_assert_eq!(theme.bar(value, limit, width).width(), usize::from(width));
            prop_assert_eq!(theme.sparkline(&[value, limit, 0], width).width(), usize::from(width));
        }
    }
}
