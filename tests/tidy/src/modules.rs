//! The modules that a crate is built from without its tests, found as the compiler finds them: by `mod` from its root.

use crate::sources::Source;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use syn::{Attribute, Item};

/// A file of a crate.
pub struct Module {
    /// Its names below the crate's root, which has none.
    pub path: Vec<String>,
    /// The file.
    pub file: String,
    /// What is in it.
    pub syntax: syn::File,
}

/// The crate's modules that are files, without those for tests.
///
/// Fails where a file is no Rust, or is not there.
pub fn of_crate(sources: &[Source], root: &str) -> Result<Vec<Module>> {
    let files = sources.iter().map(|source| (source.path.as_str(), source.text.as_str())).collect();
    let mut found = Vec::new();
    follow(&files, root.to_owned(), Vec::new(), &mut found)?;
    Ok(found)
}

/// Whether an item is there in tests alone.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        let names = || condition.split(|char: char| !char.is_alphanumeric() && char != '_');
        list.path.is_ident("cfg") && names().any(|name| name == "test") && names().all(|name| name != "not")
    })
}

fn follow(
    files: &BTreeMap<&str, &str>,
    file: String,
    path: Vec<String>,
    found: &mut Vec<Module>,
) -> Result<()> {
    let text = files.get(file.as_str()).with_context(|| format!("there is no {file}"))?;
    let syntax = syn::parse_file(text).with_context(|| format!("{file} is no Rust"))?;
    let directory = directory(&file);
    let declared = syntax.items.iter().filter_map(|item| match item {
        Item::Mod(declared) if declared.content.is_none() && !is_for_tests(&declared.attrs) => Some(declared),
        _ => None,
    });
    let mut below = Vec::new();
    for declared in declared {
        if declared.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            bail!("{file} says by #[path] where `{}` lies: name the file after the module", declared.ident);
        }
        let name = declared.ident.to_string();
        let candidates = [format!("{directory}/{name}.rs"), format!("{directory}/{name}/mod.rs")];
        let there = candidates.into_iter().find(|candidate| files.contains_key(candidate.as_str()));
        let there = there.with_context(|| format!("{file} declares `{name}`, which has no file"))?;
        below.push((there, path.iter().cloned().chain([name]).collect()));
    }
    found.push(Module { path, file, syntax });
    below.into_iter().try_for_each(|(file, path)| follow(files, file, path, found))
}

/// Where a file's modules lie.
fn directory(file: &str) -> String {
    let (parent, name) = file.rsplit_once('/').unwrap_or(("", file));
    match name.trim_end_matches(".rs") {
        "lib" | "main" | "mod" => parent.to_owned(),
        name => format!("{parent}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_left_out_and_directories_followed() {
        let sources = [
            Source::new("c/src/lib.rs", "mod a; pub mod b; #[cfg(test)] mod tests;"),
            Source::new("c/src/a.rs", "mod deep;"),
            Source::new("c/src/a/deep.rs", ""),
            Source::new("c/src/b/mod.rs", ""),
            Source::new("c/src/tests.rs", ""),
        ];
        let found = of_crate(&sources, "c/src/lib.rs").expect("a crate");
        let names: Vec<String> = found.iter().map(|module| module.path.join("::")).collect();
        assert_eq!(names, ["", "a", "a::deep", "b"]);
    }

    #[test]
    fn a_module_without_a_file_is_said() {
        let sources = [Source::new("c/src/lib.rs", "mod a;")];
        let error = of_crate(&sources, "c/src/lib.rs").err().expect("no such file").to_string();
        assert!(error.contains("declares `a`, which has no file"), "{error}");
    }
}
