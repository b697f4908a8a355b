//! The README's examples that need no server, run as a reader would. That the program takes the others, too, is for the
//! test `tidy`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use drain_observer_tests::observer;
use drain_observer_tests::requirements::live;

use crate::support::sample;

/// Where the README's reader has a journal from.
const JOURNAL: &str = "deploy.journal";

#[test]
fn examples_run() {
    live("cli::examples_run", &[], || {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        let readme = fs::read_to_string(readme).context("reading the README")?;
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join(JOURNAL), sample()?)?;
        let mut count = 0;
        for words in readme.lines().filter_map(example) {
            expect_output(&words, dir.path())?;
            count += 1;
        }
        ensure!(count >= 3, "the README shows how to read a journal, and doctor: {count}");
        Ok(())
    });
}

/// The file of settings and what is said of it are shown as they are, but for what is left out.
#[test]
fn settings_are_shown_as_they_are() {
    live("cli::settings_are_shown_as_they_are", &[], || {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        let readme = fs::read_to_string(readme).context("reading the README")?;
        let (_, rest) = readme.split_once("```toml\n").context("a file of settings")?;
        let (settings, rest) = rest.split_once("```").context("its end")?;
        let (_, rest) = rest.split_once("```console\n$ drain-observer ").context("what is typed then")?;
        let (shown, _) = rest.split_once("```").context("its end")?;
        let (typed, shown) = shown.split_once('\n').context("what is printed")?;
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("drain-observer.toml"), settings)?;
        let mut command = Command::new(observer::program());
        command.args(typed.split_whitespace()).current_dir(dir.path());
        let output = observer::bounded(command)?;
        let printed = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{typed}: {}", output.status);
        let mut lines = printed.lines();
        for line in shown.lines().filter(|line| *line != "...") {
            ensure!(lines.any(|printed| printed == line), "`{line}` is not in what is printed:\n{printed}");
        }
        Ok(())
    });
}

/// The words of an example that only reads: no observing, and no daemon that would have to be asked, or to have filled a
/// directory.
fn example(line: &str) -> Option<Vec<&str>> {
    let line = line.trim();
    let typed = line.strip_prefix("# drain-observer ").or_else(|| line.strip_prefix("$ drain-observer "))?;
    let words: Vec<&str> = typed.split_whitespace().take_while(|word| !["|", "#"].contains(word)).collect();
    let reads = matches!(words.first()?, &("report" | "doctor" | "schema"));
    let of_a_daemon = words.contains(&"--journal-dir") || words.contains(&"--since") || words == ["report"];
    (reads && !of_a_daemon).then_some(words)
}

fn expect_output(words: &[&str], dir: &Path) -> Result<()> {
    let output = Command::new(observer::program())
        .args(words)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {words:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && !output.stdout.is_empty(), "{words:?}: {}: {said}", output.status);
    Ok(())
}
