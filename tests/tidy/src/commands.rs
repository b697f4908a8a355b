//! The examples of commands in documents and help texts, as the program's own parser takes them.

use crate::{Offence, sources::Source};
use clap::{Command, CommandFactory as _, Parser as _};
use drain_observer::cli::Cli;

/// The program.
const NAME: &str = "drain-observer";

/// An example: what a person would type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The document, or the help text.
    pub place: String,
    /// Its words, the program's name first; without what follows a pipe or a `#`.
    pub words: Vec<String>,
}

/// The examples in a document's blocks of code: lines with a prompt, `#` or `$`, and the program's name.
pub fn in_document(document: &Source) -> Vec<Example> {
    let typed = |line: &str| {
        let line = line.trim();
        line.strip_prefix("# ")
            .or_else(|| line.strip_prefix("$ "))
            .and_then(|line| example(&document.path, line))
    };
    let mut in_block = false;
    let lines = document.text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        in_block && !is_fence
    });
    lines.filter_map(typed).collect()
}

/// The examples in the help texts of the program and of its subcommands.
pub fn in_help() -> Vec<Example> {
    let command = Cli::command();
    let of_one = |command: &Command| {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let place = format!("help of {}", command.get_name());
        text.lines().filter_map(|line| example(&place, line.trim())).collect::<Vec<_>>()
    };
    std::iter::once(&command).chain(command.get_subcommands()).flat_map(of_one).collect()
}

/// Examples that the program would not take.
pub fn check(examples: &[Example]) -> Vec<Offence> {
    let refused = examples.iter().filter_map(|example| {
        let error = Cli::try_parse_from(&example.words).err()?;
        let said = error.to_string();
        error.use_stderr().then(|| {
            Offence::new(
                &example.place,
                format!("`{}`: {}", example.words.join(" "), said.lines().next().unwrap_or_default()),
                "write what a reader can type, or have the program take it",
            )
        })
    });
    refused.collect()
}

/// Options that a document's list of commands names, and the subcommand does not have: lines that begin with the
/// subcommand in backticks, as "* `record --output FILE`".
pub fn check_synopses(document: &Source) -> Vec<Offence> {
    let command = Cli::command();
    let mut offences = Vec::new();
    for line in document.text.lines() {
        let Some(synopsis) = line.strip_prefix("* `").and_then(|line| line.split('`').next()) else {
            continue;
        };
        let mut words = synopsis.split(|char: char| char.is_whitespace() || "[]|/".contains(char));
        let name = words.next().unwrap_or_default();
        let Some(subcommand) = command.get_subcommands().find(|one| one.get_name() == name) else { continue };
        // What follows `--` alone is another program's.
        for option in words.take_while(|word| *word != "--").filter_map(|word| word.strip_prefix("--")) {
            if !subcommand.get_arguments().any(|argument| argument.get_long() == Some(option)) {
                offences.push(Offence::new(
                    &document.path,
                    format!("`{name}` has no option `--{option}`"),
                    "take it out of the document, or write its new name",
                ));
            }
        }
    }
    offences
}

fn example(place: &str, line: &str) -> Option<Example> {
    line.strip_prefix(NAME).filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
    let words: Vec<String> = shlex::split(line)?;
    let words = words.into_iter().take_while(|word| !matches!(word.as_str(), "|" | ">" | "&&" | ";"));
    Some(Example { place: place.to_owned(), words: words.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# drain-observer\n\n```console\n# drain-observer record -P 80 --output a   # Ctrl-C\nrecording\n\
        $ drain-observer report a -o json | jq '.x | .y'\n# drain-observer-tests\n```\n# drain-observer not in a block\n";

    #[test]
    fn examples_are_what_is_typed() {
        let found = in_document(&Source::new("a.md", TEXT));
        let words: Vec<String> = found.iter().map(|example| example.words.join(" ")).collect();
        assert_eq!(words, ["drain-observer record -P 80 --output a", "drain-observer report a -o json"]);
        assert_eq!(check(&found), []);
        assert!(in_help().len() > 5, "help texts have examples: {:?}", in_help());
    }

    #[test]
    fn an_example_that_is_refused_is_an_offence() {
        let text = "```\n$ drain-observer report a --format json\n```\n";
        let offences = check(&in_document(&Source::new("a.md", text)));
        assert_eq!(offences.len(), 1);
        assert!(offences[0].wrong.contains("--format"), "{}", offences[0]);
    }

    #[test]
    fn an_option_that_is_not_there_is_an_offence() {
        let list = |line: &str| check_synopses(&Source::new("a.md", line));
        assert_eq!(list("* `record --output FILE [--duration 30s]` writes"), []);
        assert_eq!(list("* `gate [--settle D] -- COMMAND --with-options` runs"), []);
        assert!(list("* `record --output FILE [--length 30s]` writes")[0].wrong.contains("`--length`"));
        assert_eq!(list("* `other --length` is no command of ours"), []);
    }
}
