//! The licences of everything that is linked into the binary, with their texts. A library without a text that could be
//! found is an error, never left out.

mod graph;

use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use graph::Library;
use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where Debian says what glibc's licence is, and the text that this refers to.
const GLIBC: [&str; 2] = ["/usr/share/doc/libc6-dev/copyright", "/usr/share/common-licenses/LGPL-2.1"];
/// How the names of files with licences begin; the first two where others may be of licences that are not chosen.
const NAMES: [&str; 6] = ["licence", "license", "copying", "copyright", "notice", "unlicense"];
/// Larger files have something else in them.
const MAX_BYTES: u64 = 1 << 20;

const PREFACE: &str = "\
The program drain-observer, under the licences MIT or Apache-2.0, is linked with the libraries below, or built with
their help. What each is licensed under comes first, then the texts, each once.

The GNU C Library is linked in statically; its licence, the LGPL, 2.1 or later, lets you link the program with another
version of it: the program's sources have all that this takes (`cargo xtask dist`). The licences of Rust's standard
library are in RUST-LIBRARY-COPYRIGHT.html beside this file.
";

/// A text, and whose it is.
type Texts = BTreeMap<String, (String, Vec<String>)>;

/// The document for all that is linked in.
pub(super) fn collect(workspace: &Workspace, target: &str) -> Result<String> {
    let libraries = graph::libraries(workspace, target)?;
    let apache = fs::read_to_string(workspace.root().join("LICENSE-APACHE")).context("LICENSE-APACHE")?;
    let mut texts = Texts::new();
    for library in &libraries {
        for text in texts_of(library, &apache)? {
            add(&mut texts, text, &library.name);
        }
    }
    for file in GLIBC {
        let text = fs::read_to_string(file).with_context(|| {
            format!("cannot read {file}, which is to go with the binary (Debian: libc6-dev)")
        })?;
        add(&mut texts, text, "the GNU C Library");
    }
    Ok(document(&libraries, &texts))
}

/// The page that comes with the compiler, about the standard library and what that is made of.
pub(super) fn of_standard_library() -> Result<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().context("cannot run rustc")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let page = sysroot.join("share/doc/rust/COPYRIGHT-library.html");
    if !page.is_file() {
        bail!("{} is missing, which is to go with the binary: rustup's toolchains have it", page.display());
    }
    Ok(page)
}

fn texts_of(library: &Library, apache: &str) -> Result<Vec<String>> {
    let mut files: Vec<PathBuf> =
        entries(&library.directory)?.into_iter().filter(|file| is_licence(file, &NAMES)).collect();
    if library.brings_another {
        for directory in entries(&library.directory)?.iter().filter(|path| path.is_dir()) {
            files.extend(entries(directory)?.into_iter().filter(|file| is_licence(file, &NAMES[..2])));
        }
    }
    let mut texts = Vec::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    if texts.is_empty() {
        // Some leave the texts in their repositories. This licence's is the same for everybody.
        if !library.licence.split([' ', '/', '(', ')']).any(|licence| licence == "Apache-2.0") {
            bail!(
                "{} ({}) comes without the text of its licence: use another library, or have it found here",
                library.name,
                library.licence
            );
        }
        texts.push(apache.to_owned());
    }
    Ok(texts)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot list {}", directory.display());
    let entries = fs::read_dir(directory).with_context(context)?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn is_licence(file: &Path, names: &[&str]) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_small = || fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
    names.iter().any(|begin| name.starts_with(begin)) && is_small()
}

/// Adds a text, unless it is there but for the spaces between its words.
fn add(texts: &mut Texts, text: String, whose: &str) {
    let key = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, owners) = texts.entry(key).or_insert_with(|| (text, Vec::new()));
    if !owners.iter().any(|owner| owner == whose) {
        owners.push(whose.to_owned());
    }
}

fn document(libraries: &[Library], texts: &Texts) -> String {
    let mut page = PREFACE.to_owned();
    page.push('\n');
    for Library { name, licence, .. } in libraries {
        // Writing to a string doesn't fail.
        let _ = writeln!(page, "  {name}: {licence}");
    }
    let mut texts: Vec<_> = texts.values().collect();
    texts.sort_by(|(_, one), (_, other)| one.cmp(other));
    for (text, owners) in texts {
        let _ = writeln!(page, "\n{}\n{}\n\n{}", "=".repeat(80), owners.join(", "), text.trim_end());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(name: &str, licence: &str, directory: &Path) -> Library {
        Library {
            name: name.to_owned(),
            licence: licence.to_owned(),
            directory: directory.to_path_buf(),
            brings_another: false,
        }
    }

    #[test]
    fn a_text_is_printed_once_for_all_that_have_it() {
        let mut texts = Texts::new();
        add(&mut texts, "Do what\nyou like.\n".to_owned(), "a 1.0");
        add(&mut texts, "Do what you\n  like.".to_owned(), "b 2.0");
        add(&mut texts, "Do not.".to_owned(), "b 2.0");
        let page = document(&[library("a 1.0", "MIT", Path::new("/"))], &texts);
        assert!(page.contains("\n  a 1.0: MIT\n"), "{page}");
        assert!(page.contains("\na 1.0, b 2.0\n\nDo what\nyou like.\n"), "{page}");
        assert_eq!(page.matches("like.").count(), 1);
        assert!(page.contains("\nb 2.0\n\nDo not.\n"), "{page}");
    }

    #[test]
    fn a_missing_text_is_no_secret() {
        let directory = env::temp_dir().join(format!("drain-observer-licences-{}", std::process::id()));
        fs::create_dir_all(directory.join("native")).expect("a fresh directory");
        let texts = |licence: &str| texts_of(&library("a 1.0", licence, &directory), "the Apache one");
        assert!(texts("MIT").expect_err("none").to_string().contains("a 1.0 (MIT) comes without"));
        assert_eq!(texts("MIT/Apache-2.0").expect("a choice"), ["the Apache one"]);
        fs::write(directory.join("LICENSE-MIT"), "its own").expect("our own directory");
        fs::write(directory.join("native/LICENSE"), "the native one").expect("our own directory");
        fs::write(directory.join("native/COPYING"), "another to choose").expect("our own directory");
        assert_eq!(texts("MIT").expect("a text"), ["its own"]);
        let both = Library { brings_another: true, ..library("a 1.0", "MIT", &directory) };
        assert_eq!(texts_of(&both, "").expect("texts"), ["its own", "the native one"]);
        fs::remove_dir_all(&directory).expect("the test's own files");
    }
}
