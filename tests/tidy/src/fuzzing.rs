//! Everything that decodes bytes from outside has a fuzz target, and every target is in the document.

use crate::{Offence, document};
use anyhow::{Context as _, Result};
use std::{collections::BTreeSet, fs, path::Path};

const PACKAGE: &str = "tests/fuzz";

/// What the document's table of decoders and the fuzz targets of a checkout do not agree about.
pub fn check(root: &Path, document: &str) -> Result<Vec<Offence>> {
    let mut offences = Vec::new();
    let mut named = BTreeSet::new();
    for [_, decoder, targets] in document::table::<3>(document, "decoders")? {
        for file in document::list(&decoder).iter().filter(|file| !root.join(file).is_file()) {
            offences.push(Offence::new(
                document::PATH,
                format!("the table of decoders has {file}, which is not there"),
                "write where its bytes are read now",
            ));
        }
        named.extend(document::list(&targets));
    }
    for target in &named {
        let parts = [
            format!("{PACKAGE}/fuzz_targets/{target}.rs"),
            format!("{PACKAGE}/src/{target}.rs"),
            format!("{PACKAGE}/corpus/{target}"),
        ];
        for part in parts.iter().filter(|part| !root.join(part).exists()) {
            offences.push(Offence::new(
                document::PATH,
                format!("the table of decoders has the fuzz target {target}, of which there is no {part}"),
                "add it after the pattern of the others, or take the target out of the table",
            ));
        }
    }
    for target in there(root)?.difference(&named) {
        offences.push(Offence::new(
            &format!("{PACKAGE}/fuzz_targets/{target}.rs"),
            "the document's table of decoders does not have it",
            format!("say in {} what it feeds", document::PATH),
        ));
    }
    Ok(offences)
}

fn there(root: &Path) -> Result<BTreeSet<String>> {
    let directory = root.join(PACKAGE).join("fuzz_targets");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry?.file_name().to_string_lossy().into_owned();
        Ok(name.trim_end_matches(".rs").to_owned())
    };
    entries.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn checkout(name: &str) -> PathBuf {
        let root = std::env::temp_dir().join(format!("tidy-fuzzing-{}-{name}", std::process::id()));
        for part in ["fuzz_targets/a.rs", "src/a.rs", "corpus/a/seed"] {
            let file = root.join(PACKAGE).join(part);
            let parent = file.parent().expect("a directory");
            fs::create_dir_all(parent).and_then(|()| fs::write(&file, "")).expect("a file of a checkout");
        }
        root
    }

    fn table(rows: &str) -> String {
        format!("<!-- decoders -->\n| what | where | target |\n|---|---|---|\n{rows}<!-- /decoders -->\n")
    }

    #[test]
    fn what_has_its_files_is_no_offence() {
        let root = checkout("whole");
        let fits = table(&format!("| bytes | `{PACKAGE}/src/a.rs` | `a` |\n"));
        assert_eq!(check(&root, &fits).expect("a checkout"), []);
        let more = table(&format!("| bytes | `{PACKAGE}/src/a.rs` | `a`, `b` |\n"));
        assert_eq!(check(&root, &more).expect("a checkout").len(), 3, "target, function, seeds");
        let elsewhere = table("| bytes | `src/a.rs` | `a` |\n");
        assert!(
            check(&root, &elsewhere).expect("a checkout")[0].wrong.contains("src/a.rs, which is not there")
        );
        let without = table(&format!("| bytes | `{PACKAGE}/src/a.rs` | - |\n"));
        assert!(check(&root, &without).expect("a checkout")[0].wrong.contains("does not have it"));
        fs::remove_dir_all(root).expect("it was made a moment ago");
    }
}
