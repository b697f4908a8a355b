//! Flags, file and defaults together.

use super::parse::Entry;
use super::schema::{Key, Wanted};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The settings that are in force: a flag wins over the file, the file over a default.
#[derive(Clone, Debug)]
pub struct Settings {
    file: Option<PathBuf>,
    /// The names of the subcommand's arguments: not every build of clap refuses to be asked after others.
    arguments: BTreeSet<String>,
    matches: ArgMatches,
    lines: BTreeMap<String, usize>,
    unused: Vec<Entry>,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This line of the file.
    Line(usize),
    /// Nobody said anything.
    Default,
}

impl Settings {
    /// What `words`, a subcommand's own, and a file's entries say together, or why they don't go together.
    pub(super) fn merge(
        command: &Command,
        words: &[OsString],
        file: Option<PathBuf>,
        entries: Vec<Entry>,
    ) -> Result<Self, clap::Error> {
        let typed = command.clone().try_get_matches_from(words)?;
        let arguments: BTreeSet<String> =
            command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        let (entries, unused): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| arguments.contains(&entry.key.name));
        let wins = |entry: &&Entry| typed.value_source(&entry.key.name) != Some(ValueSource::CommandLine);
        let entries: Vec<&Entry> = entries.iter().filter(wins).collect();
        let lines = entries.iter().map(|entry| (entry.key.name.clone(), entry.line)).collect();
        let said = entries.into_iter().flat_map(as_flags).map(OsString::from);
        let words: Vec<OsString> = said.chain(words.iter().cloned()).collect();
        let matches = command.clone().try_get_matches_from(words)?;
        Ok(Self { file, arguments, matches, lines, unused })
    }

    /// The file that was read, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What the file has and this subcommand has no use for.
    pub fn unused(&self) -> &[Entry] {
        &self.unused
    }

    /// Where a setting comes from.
    pub fn origin(&self, key: &Key) -> Origin {
        match (self.lines.get(&key.name), self.matches.value_source(&key.name)) {
            (Some(line), _) => Origin::Line(*line),
            (None, Some(ValueSource::CommandLine)) => Origin::Flag,
            _ => Origin::Default,
        }
    }

    /// A setting's values as its flag takes them, or `None` where this subcommand does not have it.
    pub fn values(&self, key: &Key) -> Option<Vec<String>> {
        if !self.arguments.contains(&key.name) {
            return None;
        }
        if key.wanted == Wanted::Switch {
            return Some(vec![self.matches.get_flag(&key.name).to_string()]);
        }
        let values = self.matches.get_raw(&key.name);
        let text = |value: &OsStr| value.to_string_lossy().into_owned();
        Some(values.map_or_else(Vec::new, |values| values.map(text).collect()))
    }

    /// The subcommand's arguments as they would be if all had been said by flags.
    pub fn read<A: FromArgMatches>(&self) -> Result<A, clap::Error> {
        A::from_arg_matches(&self.matches)
    }
}

fn as_flags(entry: &Entry) -> Vec<String> {
    let flag = &entry.key.flag;
    match entry.key.wanted {
        Wanted::Switch => {
            entry.values.iter().filter(|on| *on == "true").map(|_| format!("--{flag}")).collect()
        }
        _ => entry.values.iter().map(|value| format!("--{flag}={value}")).collect(),
    }
}
