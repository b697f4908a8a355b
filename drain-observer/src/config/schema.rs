//! Which settings there are: what the command line's definition says of each flag.

use crate::selection::Selection;
use clap::{Arg, ArgAction, Args as _, Command};
use std::any::TypeId;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

/// The table of the keys that say which services are of interest.
pub const SELECTION: &str = "selection";

/// Flags that say what to do with settings, and are none.
const NO_SETTINGS: [&str; 4] = ["config", "check_config", "help", "version"];

/// Every setting there is.
#[derive(Clone, Debug)]
pub struct Schema {
    keys: Vec<Key>,
    /// Parses single values as the flags do.
    command: Command,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file: the flag's with underscores, in the plural where there may be several values.
    pub name: String,
    /// The table it is in, if any.
    pub table: Option<&'static str>,
    /// The flag's long name, without dashes.
    pub flag: String,
    /// What a value is.
    pub wanted: Wanted,
    /// Whether it is a list of values.
    pub list: bool,
    /// What a value is called in the flag's help.
    pub value_name: String,
    /// The value where none is given.
    pub default: Option<String>,
}

/// What a value is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `true` or `false`.
    Switch,
    /// A whole number, or a text that the flag's parser takes for one.
    Number,
    /// A text.
    Text,
    /// A text, or a whole number, that the flag's parser understands.
    Parsed,
}

impl Schema {
    /// The settings that a subcommand's flags are.
    pub fn of(command: &Command) -> Self {
        let selection = Selection::augment_args(Command::new(SELECTION));
        let selection: BTreeSet<&str> = selection.get_arguments().map(|arg| arg.get_id().as_str()).collect();
        let is_setting = |arg: &&Arg| !NO_SETTINGS.contains(&arg.get_id().as_str());
        let table = |arg: &Arg| selection.contains(arg.get_id().as_str()).then_some(SELECTION);
        let key = |arg: &Arg| Some(Key { table: table(arg), ..Key::of(arg)? });
        let mut keys: Vec<Key> = command.get_arguments().filter(is_setting).filter_map(key).collect();
        // In TOML what is in no table comes first.
        keys.sort_by_key(|key| key.table.is_some());
        Self { keys, command: command.clone().no_binary_name(true) }
    }

    /// All of them, those in no table first.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The setting of this name in this table.
    pub fn key(&self, table: Option<&str>, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.table == table && key.name == name)
    }

    /// Whether there is a table of this name.
    pub fn is_table(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.table == Some(name))
    }

    /// The setting whose name is most like this one: the flag's own name, else by letters.
    pub fn nearest(&self, name: &str) -> Option<&Key> {
        // Longer ones are like nothing, and would take long to compare.
        let name: String = name.chars().take(64).collect::<String>().to_lowercase().replace('-', "_");
        let likeness = |key: &Key| match key.flag.replace('-', "_") == name {
            true => 2.0,
            false => strsim::jaro_winkler(&key.name, &name),
        };
        self.keys.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
    }

    /// What parses single values: the subcommand's flags and nothing before them.
    pub(super) fn command(&self) -> Command {
        self.command.clone()
    }
}

impl Key {
    fn of(arg: &Arg) -> Option<Self> {
        let value_names = arg.get_value_names().unwrap_or_default();
        Some(Self {
            name: arg.get_id().as_str().to_owned(),
            table: None,
            flag: arg.get_long()?.to_owned(),
            wanted: Wanted::by(arg),
            list: matches!(arg.get_action(), ArgAction::Append),
            value_name: value_names.first().map(ToString::to_string).unwrap_or_default(),
            default: arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned()),
        })
    }

    /// As the file has it: with its table, if it is in one.
    pub fn path(&self) -> String {
        self.table.map_or_else(|| self.name.clone(), |table| format!("{table}.{}", self.name))
    }
}

impl Wanted {
    fn by(arg: &Arg) -> Self {
        if !arg.get_action().takes_values() {
            return Self::Switch;
        }
        let parsed = arg.get_value_parser().type_id();
        let is = |types: &[TypeId]| types.iter().any(|one| parsed == *one);
        if is(&[TypeId::of::<String>(), TypeId::of::<OsString>(), TypeId::of::<PathBuf>()]) {
            Self::Text
        } else if is(&[TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()])
        {
            Self::Number
        } else {
            Self::Parsed
        }
    }

    /// What to write, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Number => "a whole number",
            Self::Text | Self::Parsed => "a text in quotes",
        }
    }
}
