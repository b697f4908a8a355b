//! Where `unsafe` is, and why: the document's inventory is what the sources have.

use crate::{Offence, document, sources::Source};
use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;

/// A row of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub file: String,
    /// How often it says `unsafe`.
    pub count: usize,
    /// Why.
    pub reason: String,
}

/// The document's inventory.
pub fn inventory(text: &str) -> Result<Vec<Entry>> {
    let rows = document::table::<3>(text, "unsafe")?;
    let entry = |[file, count, reason]: [String; 3]| {
        let count = count.parse().with_context(|| format!("`{count}` is no number, in the row of {file}"))?;
        Ok(Entry { file, count, reason })
    };
    rows.into_iter().map(entry).collect()
}

/// How often each file says `unsafe`, where it does; comments and texts do not count.
///
/// Fails where a file is no Rust.
pub fn count(sources: &[Source]) -> Result<BTreeMap<&str, usize>> {
    let mut counts = BTreeMap::new();
    for source in sources {
        let tokens: TokenStream =
            source.text.parse().ok().with_context(|| format!("{} is no Rust", source.path))?;
        let count = in_tokens(tokens);
        if count > 0 {
            counts.insert(source.path.as_str(), count);
        }
    }
    Ok(counts)
}

/// What the inventory and the sources do not agree about.
pub fn check(counts: &BTreeMap<&str, usize>, inventory: &[Entry]) -> Vec<Offence> {
    let listed = |file: &str| inventory.iter().find(|entry| entry.file == file);
    let row = |file: &str, count: usize, reason: &str| format!("| `{file}` | {count} | {reason} |");
    let in_sources = counts.iter().filter_map(|(file, count)| match listed(file) {
        Some(entry) if entry.count == *count => None,
        Some(entry) => Some(Offence::new(
            file,
            format!("it says unsafe {count} times, and the inventory has {}", entry.count),
            format!("see that the reason still holds, and write {}", row(file, *count, &entry.reason)),
        )),
        None => Some(Offence::new(
            file,
            format!("it says unsafe {count} times, and the inventory does not have it"),
            format!(
                "do without; where that can't be, write {} in {}",
                row(file, *count, "(why)"),
                document::PATH
            ),
        )),
    });
    let gone = inventory.iter().filter(|entry| !counts.contains_key(entry.file.as_str()));
    let gone = gone.map(|entry| {
        Offence::new(
            document::PATH,
            format!("the inventory has {}, which says unsafe nowhere", entry.file),
            "take the row out",
        )
    });
    let silent = inventory.iter().filter(|entry| entry.reason.len() < 3).map(|entry| {
        Offence::new(&entry.file, "the inventory gives no reason", "say why it can't do without")
    });
    in_sources.chain(gone).chain(silent).collect()
}

fn in_tokens(tokens: TokenStream) -> usize {
    let count = |token: TokenTree| match token {
        TokenTree::Ident(name) => usize::from(name == "unsafe"),
        TokenTree::Group(group) => in_tokens(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => 0,
    };
    tokens.into_iter().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "/// unsafe in words\n#[unsafe(no_mangle)] unsafe fn f() { m!(unsafe { g(\"unsafe\") }); }";

    fn entry(file: &str, count: usize) -> Entry {
        Entry { file: file.to_owned(), count, reason: "it must".to_owned() }
    }

    #[test]
    fn only_code_is_counted() {
        let sources = [Source::new("a.rs", TEXT), Source::new("b.rs", "// unsafe")];
        assert_eq!(count(&sources).expect("Rust"), BTreeMap::from([("a.rs", 3)]));
    }

    #[test]
    fn whatever_differs_is_an_offence() {
        let counts = BTreeMap::from([("a.rs", 3)]);
        assert_eq!(check(&counts, &[entry("a.rs", 3)]), []);
        assert!(check(&counts, &[entry("a.rs", 2)])[0].remedy.contains("| `a.rs` | 3 | it must |"));
        assert!(check(&counts, &[])[0].wrong.contains("does not have it"));
        assert!(check(&counts, &[entry("a.rs", 3), entry("b.rs", 1)])[0].wrong.contains("b.rs"));
    }
}
