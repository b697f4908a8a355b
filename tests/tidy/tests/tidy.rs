//! This checkout is as its document says.

use anyhow::{Context as _, Result};
use drain_observer::kernel::btf::{Btf, KERNEL_BTF};
use drain_observer::privilege;
use drain_observer_tests::requirements::skip;
use drain_observer_tidy::prototypes::{self, Answer};
use drain_observer_tidy::sources::{self, Source};
use drain_observer_tidy::{
    Offence, commands, core, document, faults, fuzzing, layers, licences, modules, packaging, size, unsafety,
};
use std::collections::BTreeSet;
use std::fs;

/// The crate whose rooms the document has.
const CRATE: &str = "drain-observer";
/// Documents with examples of commands.
const DOCUMENTS: [&str; 7] = [
    "README.md",
    document::PATH,
    "drain-observer/docs/bench.md",
    "drain-observer/docs/kernels.md",
    packaging::DOCUMENT,
    "drain-observer/docs/privileges.md",
    "drain-observer/docs/tui.md",
];

#[test]
fn files_are_short() -> Result<()> {
    expect_none(size::check(&sources::rust_files(&sources::root())?));
    Ok(())
}

#[test]
fn rooms_import_what_the_table_allows() -> Result<()> {
    let rooms = layers::rooms(&architecture()?.text)?;
    expect_none(layers::check(&modules()?, &rooms, &libraries()?));
    Ok(())
}

#[test]
fn the_core_is_pure() -> Result<()> {
    expect_none(core::check(&modules()?));
    Ok(())
}

#[test]
fn unsafe_code_is_in_the_inventory() -> Result<()> {
    let sources = sources::rust_files(&sources::root())?;
    let inventory = unsafety::inventory(&architecture()?.text)?;
    expect_none(unsafety::check(&unsafety::count(&sources)?, &inventory));
    Ok(())
}

#[test]
fn hooks_are_quoted_and_documented() -> Result<()> {
    let sources = sources::rust_files(&sources::root())?;
    let quoted = prototypes::quoted(&sources);
    let mut offences = prototypes::unquoted(&sources);
    offences.extend(prototypes::check_document(&architecture()?.text, &quoted)?);
    expect_none(offences);
    Ok(())
}

#[test]
fn hooks_have_the_prototypes_that_are_quoted() -> Result<()> {
    const NAME: &str = "tidy::hooks_have_the_prototypes_that_are_quoted";
    let Ok(bytes) = fs::read(KERNEL_BTF) else {
        skip(NAME, &format!("this kernel shows no {KERNEL_BTF}"));
        return Ok(());
    };
    let btf = Btf::parse(&bytes).context("this kernel's BTF")?;
    let quoted = prototypes::quoted(&sources::rust_files(&sources::root())?);
    let mut offences = Vec::new();
    let mut older = BTreeSet::new();
    for answer in prototypes::ask(&btf, &quoted) {
        match answer {
            Answer::Fits => {}
            Answer::Older(reason) => drop(older.insert(reason)),
            Answer::Differs(offence) => offences.push(offence),
        }
    }
    expect_none(offences);
    if !older.is_empty() {
        skip(NAME, &older.into_iter().collect::<Vec<_>>().join("; "));
    }
    Ok(())
}

#[test]
fn examples_of_commands_are_taken() -> Result<()> {
    let documents = DOCUMENTS.iter().map(|path| sources::read(&sources::root(), path));
    let documents = documents.collect::<Result<Vec<Source>>>()?;
    let mut examples: Vec<_> = documents.iter().flat_map(commands::in_document).collect();
    assert!(examples.len() >= 8, "the README has more examples than {examples:?}");
    examples.extend(commands::in_help());
    let mut offences = commands::check(&examples);
    offences.extend(documents.iter().flat_map(commands::check_synopses));
    expect_none(offences);
    Ok(())
}

#[test]
fn licences_are_permissive() -> Result<()> {
    let packages = licences::packages(&sources::root())?;
    assert!(packages.len() > 50, "cargo names more packages than {packages:?}");
    expect_none(licences::check(&packages));
    Ok(())
}

#[test]
fn what_is_packaged_agrees() -> Result<()> {
    let read = |path: &str| sources::read(&sources::root(), path).map(|source| source.text);
    let needs = privilege::NEEDS.iter().map(|need| need.name.to_owned()).collect();
    let unit = read(packaging::UNIT)?;
    let objects = packaging::objects(&read(packaging::DAEMON_SET)?)?;
    let mut offences = packaging::check_unit(&unit, &needs);
    offences.extend(packaging::check_manifest(&objects, &unit, env!("CARGO_PKG_VERSION"), &needs));
    let told = packaging::capabilities(&read(packaging::DOCUMENT)?);
    assert!(needs.is_subset(&told), "{} tells of {told:?}, not of all of {needs:?}", packaging::DOCUMENT);
    expect_none(offences);
    Ok(())
}

#[test]
fn decoders_have_fuzz_targets() -> Result<()> {
    expect_none(fuzzing::check(&sources::root(), &architecture()?.text)?);
    Ok(())
}

#[test]
fn faults_have_their_tests() -> Result<()> {
    let document = sources::read(&sources::root(), faults::PATH)?;
    expect_none(faults::check(&sources::rust_files(&sources::root())?, &document.text)?);
    Ok(())
}

fn expect_none(offences: Vec<Offence>) {
    let said: Vec<String> = offences.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{} against the rules of {}:\n{}", said.len(), document::PATH, said.join("\n"));
}

fn architecture() -> Result<Source> {
    sources::read(&sources::root(), document::PATH)
}

fn modules() -> Result<Vec<modules::Module>> {
    modules::of_crate(&sources::rust_files(&sources::root())?, &format!("{CRATE}/src/lib.rs"))
}

/// What the crate depends on, as Rust names it.
fn libraries() -> Result<Vec<String>> {
    let manifest = sources::read(&sources::root(), &format!("{CRATE}/Cargo.toml"))?.text;
    let (_, rest) = manifest.split_once("\n[dependencies]\n").context("the manifest has dependencies")?;
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    let name = |line: &str| Some(line.split(['.', ' ', '=']).next()?.replace('-', "_"));
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).filter_map(name).collect())
}
