//! Debian's promtool and prometheus, where they are there.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where a program is, on `PATH`. Without it the test is skipped, and `$DRAIN_OBSERVER_SKIPS` says so.
pub(super) fn needed(program: &str, test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
    if found.is_none() {
        let reason = format!("{test}: {program} is not installed (Debian's package prometheus)\n");
        eprint!("skipped {reason}");
        if let Some(file) = std::env::var_os("DRAIN_OBSERVER_SKIPS") {
            let file = OpenOptions::new().create(true).append(true).open(file);
            let written = file.and_then(|mut file| file.write_all(reason.as_bytes()));
            written.expect("the file in $DRAIN_OBSERVER_SKIPS can be appended to");
        }
    }
    found
}

/// Runs a program with this input and gives what it printed.
pub(super) fn run<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    input: String,
) -> Output {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("its standard input is a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("what it printed");
    writer.join().expect("writing does not panic").expect("it reads its input to the end");
    output
}

/// What a program that found nothing wrong printed.
pub(super) fn satisfied(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    assert!(output.status.success(), "{}\n{out}\n{error}", output.status);
    out + &error
}
