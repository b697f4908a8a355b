//! Writes the seeds that are not text into `tests/fuzz/corpus`; those that are text lie there as they are.
//!
//! `cargo run --package drain-observer-fuzz --example make_seeds`, after a layout has changed.

#[path = "../../../../drain-observer/src/kernel/btf/tests/blob.rs"]
#[allow(dead_code, reason = "the unit tests, which it belongs to, write more than the seeds need")]
mod blob;
mod btf;
mod journal;
mod records;
mod sock_diag;

use anyhow::{Context as _, Result};
use std::{fs, path::Path};

fn main() -> Result<()> {
    let story = records::story();
    write("btf", "every-kind", &blob::sample().bytes())?;
    write("btf", "kernel", &btf::kernel())?;
    write("records", "restart", &story.concat())?;
    let restart = journal::restart(&story)?;
    write("journal", "restart", &restart)?;
    write("compressed", "restart", &zstd::encode_all(restart.as_slice(), 0).context("cannot compress")?)?;
    write("journal", "nothing", &journal::nothing()?)?;
    write("sock_diag", "connections", &sock_diag::connections())?;
    write("sock_diag", "denied", &sock_diag::denied())?;
    write("unix_diag", "listener", &sock_diag::unix_listener())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let file = directory.join(name);
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&file, bytes))
        .with_context(|| format!("cannot write {}", file.display()))
}
