//! Where settings are read from, at the start and again later.

use super::parse::{Entry, parse};
use super::{ConfigError, Schema, Settings, file};
use clap::Command;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The file that is read where none is named, if it is there.
pub const DEFAULT_PATH: &str = "/etc/drain-observer.toml";

/// Which file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// [`DEFAULT_PATH`], if it is there.
    Default,
    /// None.
    None,
    /// This one.
    File(PathBuf),
}

/// The flags that were given and the file: all that settings come from.
#[derive(Clone, Debug)]
pub struct Sources {
    schema: Schema,
    command: Command,
    words: Vec<OsString>,
    choice: Choice,
}

impl Sources {
    /// `schema` says what may be in the file, `command` is the subcommand that has use for some of it, and `words`
    /// are what was typed after its name.
    pub fn new(schema: Schema, command: &Command, words: Vec<OsString>, choice: Choice) -> Self {
        let command = command.clone().no_binary_name(true);
        Self { schema, command, words, choice }
    }

    /// What may be in the file.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Reads the file, as it is now, and takes it together with the flags.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        let (path, entries) = match &self.choice {
            Choice::None => (None, Vec::new()),
            Choice::File(path) => (Some(path.clone()), self.read(path)?),
            Choice::Default => match self.read(Path::new(DEFAULT_PATH)) {
                Ok(entries) => (Some(DEFAULT_PATH.into()), entries),
                Err(ConfigError::Unreadable { error, .. })
                    if error.kind() == std::io::ErrorKind::NotFound =>
                {
                    (None, Vec::new())
                }
                Err(error) => return Err(error),
            },
        };
        Settings::merge(&self.command, &self.words, path, entries)
            .map_err(|error| ConfigError::Together(error.to_string()))
    }

    fn read(&self, path: &Path) -> Result<Vec<Entry>, ConfigError> {
        let wrong = |problems| ConfigError::Wrong { path: path.to_owned(), problems };
        parse(&file::read(path)?, &self.schema).map_err(wrong)
    }
}
