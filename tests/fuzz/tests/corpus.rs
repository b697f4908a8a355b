//! Every seed, run as ordinary code: what fuzzing once found stays mended, also where there is no fuzzer.

use anyhow::{Context as _, Result};
use drain_observer::decode::decode;
use drain_observer_fuzz::TARGETS;
use std::{fs, path::Path};

#[test]
fn no_seed_breaks_its_target() -> Result<()> {
    for target in TARGETS {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let files = fs::read_dir(&seeds).with_context(|| format!("no seeds in {}", seeds.display()))?;
        let mut count = 0;
        for file in files {
            let file = file?.path();
            println!("{}", file.display());
            (target.run)(&fs::read(&file)?);
            count += 1;
        }
        assert!(count > 0, "no seeds in {}", seeds.display());
    }
    Ok(())
}

/// Seeds that a change of the layout has left behind are turned away at the door, and reach nothing behind it.
#[test]
fn the_seed_of_a_restart_is_read_whole() -> Result<()> {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/records/restart");
    let bytes = fs::read(&seed).with_context(|| format!("no seed {}", seed.display()))?;
    let mut rest = bytes.as_slice();
    while let Some(size) = rest.get(2..).and_then(<[u8]>::first_chunk) {
        let size = usize::from(u16::from_ne_bytes(*size)).clamp(1, rest.len());
        let (record, after) = rest.split_at(size);
        decode(record).context("the layout has changed: run the example make_seeds, after mending it")?;
        rest = after;
    }
    Ok(())
}
