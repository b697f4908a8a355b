//! Two restarts of one small server, watched by the observer, and compared connection by connection with
//! what the server's clients saw: one that loses connections, one that does not.

mod acts;
mod table;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use drain_observer_tests::prefork;

/// The name under which this program is the server instead.
const SERVER: &str = "prefork";

#[derive(Debug, Parser)]
#[command(name = "demo", about = "Shows drain-observer on two restarts, one lossy, one clean")]
struct Options {
    /// The observer's binary
    #[arg(long, value_name = "PATH")]
    observer: PathBuf,
}

fn main() -> Result<ExitCode> {
    // A copy of this program called `prefork` is the server, so that the demo is one program to build.
    if env::args_os().next().is_some_and(|name| Path::new(&name).file_name() == Some(OsStr::new(SERVER))) {
        prefork::main()?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::parse();
    let dir = tempfile::tempdir().context("making a directory for the demo's server")?;
    let server = dir.path().join(SERVER);
    fs::copy(env::current_exe().context("finding this program's file")?, &server)
        .with_context(|| format!("copying this program to {}", server.display()))?;

    println!("Two restarts of a small prefork HTTP server, watched from the kernel by drain-observer.");
    let lossy = acts::outlive(&options.observer, &server)?;
    let clean = acts::drain(&options.observer, &server)?;

    println!("\n=== Result ===\n");
    println!("  1. the listener outlives its workers: {}", word(lossy));
    println!("  2. a drain with a socket that is handed over: {}", word(clean));
    Ok(if lossy && clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn word(as_expected: bool) -> &'static str {
    if as_expected { "as expected, observer and clients agree" } else { "NOT as expected, see above" }
}
