//! `drain-observer generate`: man pages and completions, as the command line is defined. It is for packaging, and so
//! no help text names it.

use super::Cli;
use anyhow::{Context as _, Result};
use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// What
    #[arg(value_enum)]
    what: What,
    /// Directory that the files are written into, made if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// A man page for the program and for each subcommand
    Man,
    /// Completions for bash, zsh and fish
    Completions,
}

/// Runs the subcommand.
pub fn run(args: &GenerateArgs) -> Result<ExitCode> {
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let written = match args.what {
        What::Man => clap_mangen::generate_to(published(), directory),
        What::Completions => completions(directory),
    };
    written.with_context(|| format!("cannot write into {}", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The command line without what no help text names.
fn published() -> Command {
    let whole = Cli::command();
    let hidden = |command: &&Command| !command.is_hide_set();
    let subcommands: Vec<Command> = whole.get_subcommands().filter(hidden).cloned().collect();
    let about = whole.get_about().cloned().unwrap_or_default();
    let after_help = whole.get_after_help().cloned().unwrap_or_default();
    Command::new("drain-observer")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_help(after_help)
        .subcommand_required(true)
        .subcommands(subcommands)
}

fn completions(directory: &Path) -> std::io::Result<()> {
    let mut command = published();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "drain-observer", directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(what: What) -> Vec<(String, String)> {
        let directory = tempfile::tempdir().expect("a directory");
        let args = GenerateArgs { what, directory: directory.path().join("new") };
        run(&args).expect("files are written");
        let entries = fs::read_dir(&args.directory).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let read = |path: PathBuf| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("text"))
        };
        let mut files: Vec<_> = paths.map(read).collect();
        files.sort();
        files
    }

    #[test]
    fn each_published_subcommand_has_a_man_page() {
        let pages = generated(What::Man);
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        let whole = Cli::command();
        let published = whole.get_subcommands().filter(|command| !command.is_hide_set());
        let mut expected: Vec<String> =
            published.map(|command| format!("drain-observer-{}.1", command.get_name())).collect();
        expected.push("drain-observer.1".to_owned());
        expected.sort();
        assert_eq!(names, expected);
        let (_, serve) =
            pages.iter().find(|(name, _)| name == "drain-observer-serve.1").expect("it is there");
        assert!(serve.contains("journal\\-max\\-size"), "{serve}");
        assert!(pages.iter().all(|(_, page)| !page.contains("drain\\-observer\\-generate")));
    }

    #[test]
    fn completions_know_subcommands_and_options_and_not_what_is_hidden() {
        let files = generated(What::Completions);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["_drain-observer", "drain-observer.bash", "drain-observer.fish"]);
        for (name, text) in &files {
            assert!(text.contains("serve") && text.contains("journal-max-size"), "{name}: {text}");
            assert!(!text.contains("completions"), "{name} has what is hidden");
        }
    }
}
