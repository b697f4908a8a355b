//! Carries out what set-up lacks, or writes it down for a person to do.

use crate::{apt, machine, machine::Distribution};
use anyhow::{Context as _, Result, bail};
use std::process::{Command, Stdio};

/// Installs, or only collects the commands that would.
pub(crate) struct Installer {
    distribution: Distribution,
    install: bool,
    lists_are_fresh: bool,
    for_a_person: Vec<String>,
}

impl Installer {
    /// An installer for this machine; with `install` false it changes nothing.
    pub(crate) fn new(distribution: Distribution, install: bool) -> Self {
        Self { distribution, install, lists_are_fresh: false, for_a_person: Vec::new() }
    }

    /// Whether it installs rather than collects.
    pub(crate) fn installs(&self) -> bool {
        self.install
    }

    /// Whether the distribution offers a package, as far as can be known without changing anything.
    pub(crate) fn offers(&mut self, package: &str) -> Result<bool> {
        if !self.distribution.debian_family {
            return Ok(false);
        }
        if !apt::offers(package) && self.install && machine::is_root() {
            self.update()?;
        }
        Ok(apt::offers(package))
    }

    /// Installs packages of the distribution, which `what` needs.
    pub(crate) fn packages(&mut self, what: &str, packages: &[String]) -> Result<()> {
        if packages.is_empty() {
            return Ok(());
        }
        if !self.distribution.debian_family {
            self.by_hand(format!("# {what}: the equivalents here of Debian's {}", packages.join(" ")));
            return Ok(());
        }
        let command = shown(&apt::install_command(packages));
        if !self.install {
            if !self.lists_are_fresh {
                self.by_hand(shown(&apt::update_command()));
                self.lists_are_fresh = true;
            }
            self.by_hand(command);
            return Ok(());
        }
        if !machine::is_root() {
            bail!(
                "{what} needs packages, and installing them needs root: run `{command}` as root, then try again"
            );
        }
        if !self.lists_are_fresh {
            self.update()?;
        }
        say(what, &format!("installing by apt: {}", packages.join(" ")));
        apt::install(packages).with_context(|| {
            format!(
                "cannot install what {what} needs; put the packages right by hand, starting from `{command}`"
            )
        })
    }

    /// Runs a command that installs `what`.
    pub(crate) fn command(&mut self, what: &str, command: &mut Command) -> Result<()> {
        if !self.install {
            self.by_hand(shown(command));
            return Ok(());
        }
        say(what, &format!("installing: {}", shown(command)));
        run_quietly(command).with_context(|| format!("cannot install {what}"))
    }

    /// Notes something that only a person can do.
    pub(crate) fn by_hand(&mut self, instruction: String) {
        if !self.for_a_person.contains(&instruction) {
            self.for_a_person.push(instruction);
        }
    }

    /// Fails with everything that is left for a person to do, if anything is.
    pub(crate) fn finish(self) -> Result<()> {
        if self.for_a_person.is_empty() {
            return Ok(());
        }
        let reason = if self.distribution.debian_family {
            "something is missing".to_owned()
        } else {
            format!(
                "set-up knows the packages of Debian and Ubuntu only, and this is {}",
                self.distribution.name
            )
        };
        bail!("{reason}; run this as root, then try again:\n  {}", self.for_a_person.join("\n  "))
    }

    fn update(&mut self) -> Result<()> {
        if self.lists_are_fresh {
            return Ok(());
        }
        say("apt", "bringing the package lists up to date");
        // One repository of many that does not answer need not be the one that matters.
        if let Err(error) = run_quietly(&mut apt::update_command()) {
            say("apt", &format!("going on with the package lists as they are: {error:#}"));
        }
        self.lists_are_fresh = true;
        Ok(())
    }
}

/// Says in one line what set-up found or does.
pub(crate) fn say(what: &str, found: &str) {
    eprintln!("set-up: {what}: {found}");
}

/// Runs a command whose output matters only if it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("`{}` failed ({}):\n{}\n{}", shown(command), output.status, tail(&out), tail(&err));
    }
    Ok(())
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(key, value)| {
        value.map(|value| format!("{}={}", key.to_string_lossy(), quoted(&value.to_string_lossy())))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    variables.chain(words.map(|word| quoted(&word.to_string_lossy()))).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn tail(text: &str) -> String {
    const LINES: usize = 25;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian(install: bool) -> Installer {
        Installer::new(Distribution { name: "Debian".to_owned(), debian_family: true }, install)
    }

    #[test]
    fn commands_are_shown_as_a_shell_takes_them() {
        let mut command = Command::new("cargo");
        command.args(["install", "a b", "it's"]).env("LLVM_PREFIX", "/usr/lib/llvm-22").env_remove("CARGO");
        assert_eq!(shown(&command), r"LLVM_PREFIX=/usr/lib/llvm-22 cargo install 'a b' 'it'\''s'");
    }

    #[test]
    fn without_installing_the_exact_commands_are_the_error() {
        let mut installer = debian(false);
        installer.packages("the tests", &["puma".to_owned()]).expect("only noted");
        installer.command("nightly", Command::new("rustup").arg("update")).expect("only noted");
        let error = installer.finish().expect_err("something is missing").to_string();
        let lines: Vec<&str> = error.lines().map(str::trim).collect();
        assert_eq!(lines.len(), 4, "{error}");
        assert_eq!(lines[1], "apt-get update -q");
        assert!(lines[2].starts_with("DEBIAN_FRONTEND=noninteractive apt-get install "), "{error}");
        assert!(lines[2].ends_with(" puma"), "{error}");
        assert_eq!(lines[3], "rustup update");
    }

    #[test]
    fn nothing_missing_is_no_error() {
        let mut installer = debian(false);
        installer.packages("the tests", &[]).expect("nothing to do");
        installer.finish().expect("nothing is missing");
    }

    #[test]
    fn an_unknown_distribution_gets_a_list() {
        let unknown = Distribution { name: "Fedora".to_owned(), debian_family: false };
        let mut installer = Installer::new(unknown, true);
        installer.packages("live tests", &["puma".to_owned(), "haproxy".to_owned()]).expect("only noted");
        let error = installer.finish().expect_err("something is missing").to_string();
        assert!(error.contains("Fedora") && error.contains("puma haproxy"), "{error}");
    }
}
