//! What a live test needs of the machine, and how it says that it cannot run.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

use anyhow::Result;
use nix::unistd::geteuid;

use crate::observer;
use crate::servers::installed;

/// Runs a live test, or says in `$DRAIN_OBSERVER_SKIPS` why it cannot run here.
pub fn live(name: &str, programs: &[&str], test: impl FnOnce() -> Result<()>) {
    let missing = programs.iter().find(|program| installed(program).is_none());
    let reason = if !geteuid().is_root() {
        Some("needs root".to_owned())
    } else if let Some(program) = missing {
        Some(format!("{program} is not installed"))
    } else if !observer::program().exists() {
        Some(format!("no observer at {}", observer::program().display()))
    } else {
        None
    };
    match reason {
        Some(reason) => skip(name, &reason),
        None => {
            if let Err(error) = test() {
                panic!("{error:#}");
            }
        }
    }
}

/// Says in `$DRAIN_OBSERVER_SKIPS` why a test cannot run here, or a part of it.
pub fn skip(name: &str, reason: &str) {
    eprintln!("skipped {name}: {reason}");
    let Some(file) = env::var_os("DRAIN_OBSERVER_SKIPS") else { return };
    let written = OpenOptions::new().create(true).append(true).open(&file).and_then(|mut file| {
        // One write for the whole line: other tests append as well.
        file.write_all(format!("{name}: {reason}\n").as_bytes())
    });
    written.expect("the file in $DRAIN_OBSERVER_SKIPS can be appended to");
}
