//! What the binary is built from, as cargo tells: the libraries of the program and of its probes, and theirs.

use crate::workspace::Workspace;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The packages whose code is shipped.
const SHIPPED: [&str; 2] = ["drain-observer", "drain-observer-ebpf"];

/// A library that is linked in, or helped to build what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Library {
    /// Name and version.
    pub(super) name: String,
    /// The SPDX expression of its manifest.
    pub(super) licence: String,
    /// Where its sources are.
    pub(super) directory: PathBuf,
    /// It has the sources of a library of another language in a directory of its own.
    pub(super) brings_another: bool,
}

/// All of them, by name.
pub(super) fn libraries(workspace: &Workspace, target: &str) -> Result<Vec<Library>> {
    let mut metadata = workspace.cargo(["metadata", "--locked", "--format-version", "1"]);
    let output =
        metadata.args(["--filter-platform", target]).output().context("cannot run `cargo metadata`")?;
    ensure!(
        output.status.success(),
        "`cargo metadata` failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    of_metadata(&serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")?)
}

fn of_metadata(metadata: &Value) -> Result<Vec<Library>> {
    let packages: BTreeMap<&str, &Value> = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let shipped = packages.iter().filter(|(_, package)| {
        package["source"].is_null() && SHIPPED.iter().any(|name| package["name"] == *name)
    });
    let mut left: Vec<&str> = shipped.map(|(id, _)| *id).collect();
    ensure!(left.len() == SHIPPED.len(), "`cargo metadata` does not know {}", SHIPPED.join(" and "));
    let mut seen = BTreeSet::new();
    while let Some(id) = left.pop() {
        if seen.insert(id) {
            left.extend(nodes.get(id).into_iter().flat_map(|node| needed(node)));
        }
    }
    let others =
        seen.into_iter().filter_map(|id| packages.get(id)).filter(|package| !package["source"].is_null());
    let mut libraries = others.map(|package| library(package)).collect::<Result<Vec<_>>>()?;
    libraries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(libraries)
}

/// What a package needs otherwise than for its tests.
fn needed(node: &Value) -> impl Iterator<Item = &str> {
    let is_needed = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
    };
    let all = node["deps"].as_array().into_iter().flatten();
    all.filter(is_needed).filter_map(|dependency| dependency["pkg"].as_str())
}

fn library(package: &Value) -> Result<Library> {
    let text = |key: &str| package[key].as_str();
    let name = format!("{} {}", text("name").unwrap_or_default(), text("version").unwrap_or_default());
    let licence = text("license").with_context(|| format!("{name}'s manifest names no licence"))?.to_owned();
    let manifest = Path::new(text("manifest_path").with_context(|| format!("{name} lies nowhere"))?);
    let directory = manifest.parent().with_context(|| format!("{name} lies nowhere"))?.to_path_buf();
    Ok(Library { name, licence, directory, brings_another: text("links").is_some() })
}

fn by_id(values: &Value) -> BTreeMap<&str, &Value> {
    let all = values.as_array().into_iter().flatten();
    all.filter_map(|value| Some((value["id"].as_str()?, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, source: Option<&str>, links: Option<&str>) -> Value {
        json!({
            "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": source, "links": links,
            "manifest_path": format!("/registry/{name}/Cargo.toml"),
        })
    }

    fn node(name: &str, needs: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> =
            needs.iter().map(|(pkg, kind)| json!({"pkg": pkg, "dep_kinds": [{"kind": kind}]})).collect();
        json!({"id": name, "deps": deps})
    }

    #[test]
    fn what_is_for_tests_alone_is_left_out_and_the_rest_followed() {
        let registry = Some("registry");
        let metadata = json!({
            "packages": [
                package("drain-observer", None, None), package("drain-observer-ebpf", None, None),
                package("zstd-sys", registry, Some("zstd")), package("cc", registry, None),
                package("aya", registry, None), package("proptest", registry, None), package("rand", registry, None),
            ],
            "resolve": {"nodes": [
                node("drain-observer", &[("drain-observer-ebpf", None), ("zstd-sys", None), ("proptest", Some("dev"))]),
                node("drain-observer-ebpf", &[("aya", None)]),
                node("zstd-sys", &[("cc", Some("build"))]), node("proptest", &[("rand", None)]),
            ]},
        });
        let found = of_metadata(&metadata).expect("libraries");
        let names: Vec<&str> = found.iter().map(|library| library.name.as_str()).collect();
        assert_eq!(names, ["aya 1.0.0", "cc 1.0.0", "zstd-sys 1.0.0"]);
        assert_eq!(found[2].directory, Path::new("/registry/zstd-sys"));
        assert!(found[2].brings_another && !found[1].brings_another);
    }

    #[test]
    fn no_licence_is_an_error() {
        let mut unlicensed = package("a", Some("registry"), None);
        unlicensed["license"] = Value::Null;
        let error = library(&unlicensed).expect_err("no licence").to_string();
        assert!(error.contains("a 1.0.0's manifest names no licence"), "{error}");
    }
}
