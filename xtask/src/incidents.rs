//! The README's table of incidents, from what the report says when the live tests bring each of them about.

use crate::{build, document, phases::Phases, test, workspace::Workspace};
use anyhow::{Context as _, Result};
use std::{fs, path::Path, process::ExitCode};

/// The live tests that tell of an incident each.
const TESTS: &str = "incidents::";
const HEAD: &str = "| incident | server | what the report says |\n|---|---|---|\n";

/// Runs the tests of incidents one after the other, and rewrites the table. With any of them failed or unable to run
/// the table stays as it is.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let rows = workspace.target().join("incidents");
    if rows.exists() {
        fs::remove_dir_all(&rows).with_context(|| format!("cannot remove {}", rows.display()))?;
    }
    let skips = test::skips(workspace)?;
    let mut phases = Phases::default();
    if phases.run("release build", &mut build::command(workspace)) {
        let mut tests = test::live(workspace, 1, Some(TESTS), &skips);
        let passed = phases.run_tests("incidents", tests.env("DRAIN_OBSERVER_INCIDENTS", &rows));
        let skipped = test::skipped_tests(&skips)?;
        phases.skipped("skipped tests", &skipped, false);
        if passed && skipped.is_empty() {
            rewrite(&workspace.root().join("README.md"), &read(&rows)?)?;
        } else {
            phases.not_run("table", "not every incident came about");
        }
    } else {
        phases.not_run("incidents", "there is no observer to test");
    }
    phases.print_table();
    println!("{}", phases.counts());
    Ok(phases.exit_code())
}

/// The rows, sorted.
fn read(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory)
        .with_context(|| format!("no test told of an incident: there is no {}", directory.display()))?;
    let read = |entry: std::io::Result<fs::DirEntry>| -> std::io::Result<String> {
        fs::read_to_string(entry?.path())
    };
    let rows: std::io::Result<Vec<String>> = entries.map(read).collect();
    let mut rows = rows.with_context(|| format!("cannot read the rows in {}", directory.display()))?;
    rows.sort_unstable();
    Ok(rows)
}

fn rewrite(readme: &Path, rows: &[String]) -> Result<()> {
    let text = fs::read_to_string(readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let text = document::with_section(&text, "incidents", &format!("{HEAD}{}", rows.concat()))
        .with_context(|| format!("cannot rewrite {}", readme.display()))?;
    fs::write(readme, text).with_context(|| format!("cannot write {}", readme.display()))?;
    println!("{} incidents written to {}", rows.len(), readme.display());
    Ok(())
}
