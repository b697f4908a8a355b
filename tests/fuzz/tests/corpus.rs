//! Every seed, run as ordinary code: what fuzzing once found stays mended, also where there is no fuzzer.

use anyhow::{Context as _, Result};
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
