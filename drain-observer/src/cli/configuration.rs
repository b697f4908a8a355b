//! Settings of the daemon: flags and file together, shown, and read again at SIGHUP.

use super::record;
use crate::config::{self, Choice, Settings, Sources};
use crate::report::harmless;
use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _, FromArgMatches};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Not `next_help_heading`, which would also take the options after these.
const HEADING: &str = "Configuration";

/// Words of a command line before those of a subcommand: the program's name and the subcommand's.
const BEFORE: usize = 2;

/// Which settings there are besides flags.
#[derive(Args, Debug)]
pub(super) struct Configuration {
    /// File of settings in TOML, which flags override; `none` for none [default: /etc/drain-observer.toml if it is there]
    #[arg(help_heading = HEADING, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings in force, each with where it comes from, or what is wrong with them, and end
    #[arg(help_heading = HEADING, long)]
    pub(super) check_config: bool,
}

impl Configuration {
    /// Where the settings of this subcommand come from. `words` is the whole command line.
    pub(super) fn sources(&self, subcommand: &str, words: impl IntoIterator<Item = OsString>) -> Sources {
        let choice = match &self.config {
            None => Choice::Default,
            Some(path) if path.as_os_str() == "none" => Choice::None,
            Some(path) => Choice::File(path.clone()),
        };
        let words = words.into_iter().skip(BEFORE).collect();
        Sources::new(super::serve::schema(), &command(subcommand), words, choice)
    }
}

/// A subcommand's definition.
pub(super) fn command(name: &str) -> clap::Command {
    let cli = super::Cli::command();
    let found = cli.find_subcommand(name).cloned().unwrap_or_default();
    found.bin_name(format!("{} {name}", cli.get_name()))
}

/// Prints the settings in force.
pub(super) fn show(sources: &Sources, settings: &Settings) -> Result<ExitCode> {
    let text = config::show(settings, sources.schema());
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("cannot write the settings to standard output")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads settings again while those of before are in force, as arguments of type `A`.
pub(super) struct Reloader<A> {
    sources: Sources,
    /// Names of the settings that can be changed while the daemon runs.
    live: &'static [&'static str],
    /// As they were at the start: in force for all other settings.
    started: Settings,
    /// As they were read last: in force for these.
    latest: Mutex<Settings>,
    arguments: PhantomData<fn() -> A>,
}

impl<A: FromArgMatches> Reloader<A> {
    pub(super) fn new(sources: Sources, settings: Settings, live: &'static [&'static str]) -> Self {
        let latest = Mutex::new(settings.clone());
        Self { sources, live, started: settings, latest, arguments: PhantomData }
    }

    /// The settings as they are now, unless they cannot be used; says which are in force from now on and which are not.
    pub(super) fn reload(&self) -> Option<A> {
        let (lines, arguments) = self.read();
        lines.iter().for_each(|line| record::say(line));
        arguments
    }

    fn read(&self) -> (Vec<String>, Option<A>) {
        let read = || {
            let settings = self.sources.load()?;
            let arguments = settings.read::<A>()?;
            anyhow::Ok((settings, arguments))
        };
        let (settings, arguments) = match read() {
            Ok(read) => read,
            Err(error) => {
                return (vec![format!("reload refused, the settings in force stay: {error:#}")], None);
            }
        };
        let lines = self.compare(&settings);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        (lines, Some(arguments))
    }

    fn compare(&self, settings: &Settings) -> Vec<String> {
        let schema = self.sources.schema();
        let is_live = |change: &config::Change| self.live.contains(&change.key.name.as_str());
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = config::changes(&latest, settings, schema);
        now.retain(is_live);
        let mut later = config::changes(&self.started, settings, schema);
        later.retain(|change| !is_live(change));
        let from =
            settings.file().map_or_else(|| "no file".to_owned(), |path| harmless(&path.to_string_lossy()));
        let mut lines = vec![match now.is_empty() {
            true => format!("settings read again ({from}): no change that takes effect now"),
            false => format!("settings read again ({from})"),
        }];
        lines.extend(now.iter().map(|change| {
            format!("{} is {} from now on, and was {}", change.key.path(), change.after, change.before)
        }));
        lines.extend(later.iter().map(|change| {
            let path = change.key.path();
            format!("{path} = {} takes effect at the next start; in force: {}", change.after, change.before)
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::serve::ServeArgs;
    use super::*;
    use std::fs;

    const LIVE: [&str; 2] = ["max_services", "journal_max_size"];

    /// What is said when the file has become `text`.
    fn said(reloader: &Reloader<ServeArgs>, path: &std::path::Path, text: &str) -> (String, bool) {
        fs::write(path, text).expect("room for a file");
        let (lines, arguments) = reloader.read();
        let lines = lines.join("\n").replace(&path.display().to_string(), "FILE");
        (lines, arguments.is_some())
    }

    #[test]
    fn a_reload_says_what_is_in_force_and_what_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("drain-observer.toml");
        fs::write(&path, "max_services = 5\n").expect("room for a file");
        let configuration = Configuration { config: Some(path.clone()), check_config: false };
        let words = ["drain-observer", "serve", "--listen", "127.0.0.1:1"].map(OsString::from);
        let sources = configuration.sources("serve", words);
        let settings = sources.load().expect("settings");
        let reloader = Reloader::<ServeArgs>::new(sources, settings, &LIVE);
        let steps = [
            "max_services = 5\nlisten = \"127.0.0.1:2\"\n",
            "max_services = 6\nring_size = 65536\n",
            "max_services = 6\nring_size = 65536\n",
            "max_services = 7\nnonsense = 1\n",
            "",
        ];
        let told: Vec<String> = steps
            .iter()
            .map(|text| {
                let (said, taken) = said(&reloader, &path, text);
                assert_eq!(taken, !text.contains("nonsense"), "{said}");
                format!("{text}=>\n{said}")
            })
            .collect();
        insta::assert_snapshot!("reloads", told.join("\n\n"));
    }
}
