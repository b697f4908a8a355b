//! The documents that a run can rewrite.

use crate::results::Results;
use crate::{svg, table};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../drain-observer/docs");
const HEAD: &str = "\
# What observing costs

Written by `cargo xtask bench --write-docs`; run `cargo xtask bench` on a machine of your own for its numbers. Loads are
run in pairs, with and without what is measured, in alternating order (A B B A), and a ratio is that of a pair. The load
is the hardest that could be made: server and client do nothing between their system calls, and both are on the machine
that is measured, so that each connection costs the observer twice what it does on a server. The observer writes a
journal (`record`) or runs as a daemon (`serve`). With `--accept-times` it is told of each accept too, and the note
names what the kernel at hand uses for it: a kprobe at `security_sock_graft`, or else `sys_exit`, which every system
call pays for.

";
const GROWTH: &str = "\
\n## Growth

What an event costs with more and more of something, against what it costs with the least. The dashed line is the most
that it may.

![Cost per event against open connections, services and size of the journal](growth.svg)
";

/// Writes the table and, if anything grew, the picture.
pub(crate) fn write(results: &Results) -> Result<()> {
    let docs = Path::new(DOCS);
    write_file(&docs.join("bench.md"), &format!("{HEAD}{}{GROWTH}", table::markdown(results)))?;
    write_file(&docs.join("growth.svg"), &svg::draw(&results.curves))
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}
