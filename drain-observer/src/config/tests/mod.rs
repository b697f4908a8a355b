//! Files of settings: whole ones, wrong ones, and none.

mod merged;
mod whole;
mod wrong;

use super::*;
use crate::cli::{Cli, serve};
use clap::CommandFactory as _;
use std::ffi::OsString;
use std::path::PathBuf;

/// A file of settings in a directory of its own.
struct Written {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Written {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("drain-observer.toml");
        std::fs::write(&path, text).expect("room for a file");
        Self { _dir: dir, path }
    }

    /// With these words after the subcommand's name.
    fn sources(&self, subcommand: &str, words: &[&str]) -> Sources {
        sources(subcommand, words, Choice::File(self.path.clone()))
    }
}

fn command(name: &str) -> clap::Command {
    Cli::command().find_subcommand(name).cloned().expect("a subcommand")
}

fn sources(subcommand: &str, words: &[&str], choice: Choice) -> Sources {
    let words = words.iter().map(OsString::from).collect();
    Sources::new(serve::schema(), &command(subcommand), words, choice)
}

/// A setting's values and where they come from.
fn setting(settings: &Settings, path: &str) -> (Vec<String>, Origin) {
    let schema = serve::schema();
    let key = schema.keys().iter().find(|key| key.path() == path).expect("a setting of this name");
    (settings.values(key).expect("the subcommand has it"), settings.origin(key))
}
