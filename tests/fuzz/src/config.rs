//! Files of settings.

use clap::Parser as _;
use drain_observer::cli::{Cli, serve};
use drain_observer::config::{Schema, Wanted, parse};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(serve::schema);

/// Reads the input as a file of settings: what is taken from it the flags take as well.
pub fn config(bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    match parse(bytes, &SCHEMA) {
        Ok(entries) => {
            assert!(entries.iter().all(|entry| (1..=lines).contains(&entry.line)), "{entries:?}");
            let flags = entries.iter().flat_map(|entry| {
                let flag = &entry.key.flag;
                entry.values.iter().filter_map(move |value| match (entry.key.wanted, value.as_str()) {
                    (Wanted::Switch, "true") => Some(format!("--{flag}")),
                    (Wanted::Switch, _) => None,
                    _ => Some(format!("--{flag}={value}")),
                })
            });
            let words = ["drain-observer", "serve"].map(str::to_owned).into_iter().chain(flags);
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("the flags refuse what the file says: {error}");
            }
        }
        Err(problems) => {
            assert!(!problems.told.is_empty() && problems.told.len() <= 20, "{problems:?}");
            for problem in &problems.told {
                assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem:?}");
                assert!(!problem.text.contains(char::is_control), "{problem:?} acts on a terminal");
                assert!(problem.text.len() < 4_096, "{} bytes are no message", problem.text.len());
            }
        }
    }
}
