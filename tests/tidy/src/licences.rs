//! The licences of all that the project is built from: permissive ones alone, for the one binary has all of it inside.

use crate::Offence;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use spdx::{Expression, ParseMode};
use std::{path::Path, process::Command};

/// What may be linked in: licences that ask for no more than to be named and kept.
pub const PERMISSIVE: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

/// A package and the licences that its manifest offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Name and version.
    pub name: String,
    /// An SPDX expression, where it has one.
    pub licence: Option<String>,
}

/// The packages that the workspace is built from on this kind of machine, its own among them, as cargo tells.
///
/// Asks no network where cargo has already fetched what `Cargo.lock` names.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &target])
        .output()
        .context("cannot run `cargo metadata`")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")?;
    let package = |package: &Value| {
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let name = format!("{} {}", text("name").unwrap_or_default(), text("version").unwrap_or_default());
        Package { name, licence: text("license") }
    };
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    Ok(packages.iter().map(package).collect())
}

/// Packages that may not be linked in.
pub fn check(packages: &[Package]) -> Vec<Offence> {
    let wrong =
        packages.iter().filter_map(|package| Some((package, wrong_with(package.licence.as_deref())?)));
    wrong
        .map(|(package, wrong)| {
            Offence::new(
                &package.name,
                wrong,
                "use another library; or, where its licence is a permissive one, add that to PERMISSIVE in tests/tidy/src/licences.rs",
            )
        })
        .collect()
}

fn wrong_with(licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else { return Some("its manifest names no licence".to_owned()) };
    // Older manifests have `MIT/Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
        return Some(format!("`{licence}` is no SPDX expression"));
    };
    let permitted = expression.evaluate(|wanted| PERMISSIVE.contains(&wanted.to_string().as_str()));
    (!permitted).then(|| format!("`{licence}` leaves no permissive licence to choose"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_permissive_choice_is_enough() {
        for licence in ["MIT", "MIT OR GPL-2.0-only", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"]
        {
            assert_eq!(wrong_with(Some(licence)), None, "{licence}");
        }
        assert_eq!(wrong_with(Some("Apache-2.0 WITH LLVM-exception OR MPL-2.0")), None);
    }

    #[test]
    fn others_are_offences() {
        for licence in ["GPL-3.0-only", "MIT AND MPL-2.0", "LGPL-2.1-or-later", "whatever you like"] {
            assert!(wrong_with(Some(licence)).is_some(), "{licence}");
        }
        let package = Package { name: "a 1.0.0".into(), licence: None };
        assert!(check(&[package])[0].to_string().starts_with("a 1.0.0: its manifest names no licence"));
    }
}
