//! The keys, in one table: what each does and where. Dispatch, footer and help read it, so they cannot differ.

use crate::tui::theme::Theme;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    NextPane,
    PreviousPane,
    Open,
    Back,
    Filter,
    Sort,
    Reverse,
    Outcome,
    CurrentRestart,
    AllRestarts,
    Connections,
    Pause,
    Play,
    Earlier,
    Later,
    MuchEarlier,
    MuchLater,
    Follow,
    Step,
    Faster,
    Slower,
    NextRestart,
    PreviousRestart,
    Export,
    Copy,
    Notes,
    Help,
    Suspend,
    Quit,
    KeepFilter,
    DropFilter,
    Erase,
}

/// Where a user is, as a set of bits.
pub(crate) type Places = u8;

/// The list of services.
pub(crate) const SERVICES: Places = 1;
/// A list of restarts.
pub(crate) const RESTARTS: Places = 1 << 1;
/// One restart.
pub(crate) const RESTART: Places = 1 << 2;
/// A list of connections.
pub(crate) const CONNECTIONS: Places = 1 << 3;
/// One connection.
pub(crate) const CONNECTION: Places = 1 << 4;
/// Help or notes.
pub(crate) const TEXT: Places = 1 << 5;
/// A filter is being written.
pub(crate) const WRITING: Places = 1 << 6;

const LISTS: Places = SERVICES | RESTARTS | CONNECTIONS;
const FACTS: Places = LISTS | RESTART | CONNECTION;
const EVERYWHERE: Places = FACTS | TEXT;

/// Whether a key needs a certain source of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Any,
    Live,
    Replay,
}

/// A key as it is pressed. Whether shift is held shows in the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    control: bool,
}

/// What some keys do somewhere.
#[derive(Debug)]
pub(crate) struct Binding {
    keys: &'static [Key],
    /// What they do.
    pub(crate) command: Command,
    places: Places,
    of: Of,
    /// One word for the footer; empty = not there.
    pub(crate) short: &'static str,
    /// What they do, for the help.
    pub(crate) help: &'static str,
}

impl Binding {
    /// The names of the keys.
    pub(crate) fn names(&self, theme: Theme) -> String {
        self.keys.iter().map(|key| key.name(theme)).collect::<Vec<_>>().join(" ")
    }

    /// The name of the first key.
    pub(crate) fn name(&self, theme: Theme) -> String {
        self.keys.first().map(|key| key.name(theme)).unwrap_or_default()
    }

    /// When the keys work, where that is not always.
    pub(crate) fn condition(&self) -> &'static str {
        match self.of {
            Of::Any => "",
            Of::Live => "live: ",
            Of::Replay => "replay: ",
        }
    }

    /// Whether they do something in a place, with some source of facts.
    pub(crate) fn is_for(&self, place: Places) -> bool {
        self.places & place != 0
    }

    fn works(&self, place: Places, replay: bool) -> bool {
        let source = match self.of {
            Of::Any => true,
            Of::Live => !replay,
            Of::Replay => replay,
        };
        self.is_for(place) && source
    }
}

/// What a key does in a place.
pub(crate) fn command(event: KeyEvent, place: Places, replay: bool) -> Option<Command> {
    let key = Key { code: event.code, control: event.modifiers.contains(KeyModifiers::CONTROL) };
    works(place, replay).find(|binding| binding.keys.contains(&key)).map(|binding| binding.command)
}

/// What works in a place, the most useful first.
pub(crate) fn works(place: Places, replay: bool) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.works(place, replay))
}

/// Everything, for the help.
pub(crate) fn all() -> &'static [Binding] {
    BINDINGS
}

impl Key {
    fn name(self, theme: Theme) -> String {
        let arrow = |word, symbol| if theme.ascii { word } else { symbol };
        let name = match self.code {
            KeyCode::Char(' ') => "space",
            KeyCode::Char(char) if self.control => return format!("Ctrl-{}", char.to_ascii_uppercase()),
            KeyCode::Char(char) => return char.to_string(),
            KeyCode::Up => arrow("Up", "↑"),
            KeyCode::Down => arrow("Down", "↓"),
            KeyCode::Left => arrow("Left", "←"),
            KeyCode::Right => arrow("Right", "→"),
            KeyCode::PageUp => "PgUp",
            KeyCode::PageDown => "PgDn",
            KeyCode::Home => "Home",
            KeyCode::End => "End",
            KeyCode::Tab => "Tab",
            KeyCode::BackTab => "Shift-Tab",
            KeyCode::Enter => "Enter",
            KeyCode::Esc => "Esc",
            KeyCode::Backspace => "Backspace",
            _ => "another key",
        };
        name.to_owned()
    }
}

const fn key(code: KeyCode) -> Key {
    Key { code, control: false }
}

const fn char(char: char) -> Key {
    key(KeyCode::Char(char))
}

const fn control(char: char) -> Key {
    Key { code: KeyCode::Char(char), control: true }
}

const fn bind(
    keys: &'static [Key],
    command: Command,
    places: Places,
    short: &'static str,
    help: &'static str,
) -> Binding {
    Binding { keys, command, places, of: Of::Any, short, help }
}

const fn when(of: Of, binding: Binding) -> Binding {
    Binding { of, ..binding }
}

const BINDINGS: &[Binding] = &[
    bind(&[key(KeyCode::Enter)], Command::KeepFilter, WRITING, "keep", "keep the filter"),
    bind(&[key(KeyCode::Esc)], Command::DropFilter, WRITING, "drop", "drop the filter"),
    bind(&[key(KeyCode::Backspace)], Command::Erase, WRITING, "erase", "erase a character of the filter"),
    bind(
        &[key(KeyCode::Enter), key(KeyCode::Right), char('l')],
        Command::Open,
        LISTS,
        "open",
        "open what is selected",
    ),
    bind(
        &[key(KeyCode::Enter)],
        Command::Connections,
        RESTART,
        "connections",
        "the lost connections of the restart",
    ),
    bind(
        &[key(KeyCode::Tab), key(KeyCode::Right), char('l')],
        Command::NextPane,
        RESTART,
        "next pane",
        "next pane of the restart",
    ),
    bind(
        &[key(KeyCode::BackTab), key(KeyCode::Left), char('h')],
        Command::PreviousPane,
        RESTART,
        "",
        "previous pane of the restart",
    ),
    bind(
        &[key(KeyCode::Esc), key(KeyCode::Backspace), key(KeyCode::Left), char('h')],
        Command::Back,
        EVERYWHERE & !RESTART & !SERVICES,
        "back",
        "back to where you came from",
    ),
    bind(
        &[key(KeyCode::Esc), key(KeyCode::Backspace)],
        Command::Back,
        RESTART | SERVICES,
        "back",
        "back; drops a filter first",
    ),
    bind(
        &[char('r')],
        Command::CurrentRestart,
        EVERYWHERE,
        "restart",
        "the restart that goes on, or the last one",
    ),
    when(
        Of::Live,
        bind(&[char(' ')], Command::Pause, EVERYWHERE, "pause", "hold the screen still, or go on"),
    ),
    when(
        Of::Replay,
        bind(&[char(' ')], Command::Play, EVERYWHERE, "play/stop", "let time go on, or stop it"),
    ),
    when(Of::Replay, bind(&[char('.')], Command::Step, EVERYWHERE, "step", "on to the next thing of note")),
    when(
        Of::Replay,
        bind(&[char('n')], Command::NextRestart, EVERYWHERE, "next restart", "to the next restart"),
    ),
    when(Of::Replay, bind(&[char('N')], Command::PreviousRestart, EVERYWHERE, "", "to the previous restart")),
    when(Of::Replay, bind(&[char('+'), char('=')], Command::Faster, EVERYWHERE, "faster", "faster")),
    when(Of::Replay, bind(&[char('-')], Command::Slower, EVERYWHERE, "", "slower")),
    bind(
        &[char('c')],
        Command::Connections,
        SERVICES | RESTARTS,
        "connections",
        "the lost connections of what is selected",
    ),
    bind(&[char('a')], Command::AllRestarts, SERVICES, "all restarts", "the restarts of all services"),
    bind(
        &[char('o')],
        Command::Outcome,
        CONNECTIONS,
        "outcome",
        "only connections of one outcome, of the next, of all",
    ),
    bind(&[char('/')], Command::Filter, LISTS, "filter", "only rows that contain a text"),
    bind(&[char('s')], Command::Sort, LISTS, "sort", "sort by the next column"),
    bind(&[char('S')], Command::Reverse, LISTS, "", "sort the other way round"),
    bind(
        &[char('e')],
        Command::Export,
        RESTARTS | RESTART | CONNECTIONS,
        "export",
        "write the restart as JSON into a file, and say which",
    ),
    bind(
        &[char('y')],
        Command::Copy,
        RESTARTS | RESTART | CONNECTIONS,
        "copy",
        "copy the restart in words to the clipboard",
    ),
    bind(&[char('[')], Command::Earlier, EVERYWHERE, "back in time", "back 1 second in what was shown"),
    bind(&[char(']')], Command::Later, EVERYWHERE, "", "forward 1 second"),
    bind(&[char('{')], Command::MuchEarlier, EVERYWHERE, "", "back 10 seconds"),
    bind(&[char('}')], Command::MuchLater, EVERYWHERE, "", "forward 10 seconds"),
    bind(&[char('f')], Command::Follow, EVERYWHERE, "follow", "to the latest again"),
    bind(&[char('!')], Command::Notes, FACTS, "notes", "hooks, events lost, and all notes"),
    when(Of::Live, bind(&[char('n')], Command::NextRestart, RESTART, "", "the next restart")),
    when(Of::Live, bind(&[char('N')], Command::PreviousRestart, RESTART, "", "the previous restart")),
    bind(&[key(KeyCode::Up), char('k')], Command::Up, EVERYWHERE, "", "up"),
    bind(&[key(KeyCode::Down), char('j')], Command::Down, EVERYWHERE, "", "down"),
    bind(&[key(KeyCode::PageUp)], Command::PageUp, EVERYWHERE, "", "a page up"),
    bind(&[key(KeyCode::PageDown)], Command::PageDown, EVERYWHERE, "", "a page down"),
    bind(&[key(KeyCode::Home), char('g')], Command::First, EVERYWHERE, "", "to the beginning"),
    bind(&[key(KeyCode::End), char('G')], Command::Last, EVERYWHERE, "", "to the end"),
    bind(
        &[control('z')],
        Command::Suspend,
        EVERYWHERE | WRITING,
        "",
        "to the background; `fg` brings it back",
    ),
    bind(&[char('?')], Command::Help, FACTS, "help", "this help"),
    bind(&[char('q')], Command::Quit, EVERYWHERE, "quit", "quit"),
    bind(&[control('c')], Command::Quit, EVERYWHERE | WRITING, "", "quit"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for place in [SERVICES, RESTARTS, RESTART, CONNECTIONS, CONNECTION, TEXT, WRITING] {
            for replay in [false, true] {
                let keys: Vec<Key> = works(place, replay).flat_map(|binding| binding.keys).copied().collect();
                for (index, key) in keys.iter().enumerate() {
                    assert!(!keys[..index].contains(key), "{key:?} twice in {place:#b}, replay {replay}");
                }
            }
        }
    }

    #[test]
    fn every_key_has_a_name() {
        for ascii in [false, true] {
            let theme = Theme { ascii, colors: crate::tui::theme::Colors::None };
            for binding in all() {
                let names = binding.names(theme);
                assert!(!names.contains("another") && !binding.help.is_empty(), "{binding:?}");
                assert!(!ascii || names.is_ascii(), "{names}");
            }
        }
    }
}
