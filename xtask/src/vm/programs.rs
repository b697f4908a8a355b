//! The programs that run in the virtual machines: the observer as it is shipped, and the tests as they were built for
//! this machine.

use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

/// The project's own servers and clients, by their targets' names.
const FIXTURES: [&str; 3] = ["prefork", "unix-client", "unix-server"];

/// Where they are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) observer: PathBuf,
    pub(super) harness: PathBuf,
    /// Servers and clients, which the harness knows by the paths that they were built at.
    pub(super) fixtures: Vec<PathBuf>,
    pub(super) init: PathBuf,
}

impl Programs {
    /// Builds the tests; the observer is built already.
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        // As for this machine's own kernel, so that nothing is built twice.
        let mut build =
            workspace.cargo(["test", "--package", "drain-observer-tests", "--test", "live", "--no-run"]);
        build.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
        let output = build.output().context("cannot run `cargo test --no-run`")?;
        if !output.status.success() {
            bail!("the tests cannot be built ({})", output.status);
        }
        let built = executables(&String::from_utf8_lossy(&output.stdout));
        let find = |name: &str| {
            built.get(name).cloned().with_context(|| format!("cargo did not say where it built {name}"))
        };
        Ok(Self {
            observer: workspace.observer(),
            harness: find("live")?,
            fixtures: FIXTURES.map(find).into_iter().collect::<Result<_>>()?,
            init: find("vm-init")?,
        })
    }
}

/// Built programs by their target's name, from cargo's messages.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executable = |message: Value| {
        let file = Path::new(message["executable"].as_str()?).to_path_buf();
        Some((message["target"]["name"].as_str()?.to_owned(), file))
    };
    messages.filter_map(executable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_a_program_is() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"anyhow"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"live"},"executable":"/t/deps/live-1"}
{"reason":"build-finished","success":true}
no JSON"#;
        let expected = BTreeMap::from([("live".to_owned(), PathBuf::from("/t/deps/live-1"))]);
        assert_eq!(executables(messages), expected);
    }
}
