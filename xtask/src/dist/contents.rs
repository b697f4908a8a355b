//! What is packed, and where it lies: in the tarball, and on a Debian host.

use super::{
    binary, licences, read,
    staging::{FILE, PROGRAM, Staging},
};
use crate::{installer::run_quietly, workspace::Workspace};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where Debian has what is written about a package.
const DOC: &str = "usr/share/doc/drain-observer";
/// What describes the service, the container and so on, and goes into the tarball as it is.
const PACKAGING: [&str; 4] =
    ["drain-observer.service", "drain-observer.toml", "daemonset.yaml", "Containerfile"];
/// Rules, alerts and a dashboard for the fleet's metrics.
const FLEET: [&str; 3] = ["rules.yml", "alerts.yml", "dashboard.json"];
/// Completions: the generated file, and where Debian's shells look for it.
const COMPLETIONS: [(&str, &str); 3] = [
    ("drain-observer.bash", "usr/share/bash-completion/completions/drain-observer"),
    ("_drain-observer", "usr/share/zsh/vendor-completions/_drain-observer"),
    ("drain-observer.fish", "usr/share/fish/vendor_completions.d/drain-observer.fish"),
];

/// Everything that is packed.
pub(super) struct Contents {
    root: PathBuf,
    binary: PathBuf,
    man_pages: Vec<PathBuf>,
    completions: PathBuf,
    /// Licences of what is linked in.
    licences: String,
    /// The same of the standard library, as its makers tell it.
    standard_library: PathBuf,
}

impl Contents {
    /// Has man pages and completions written into directories of `scratch`, and licences collected.
    pub(super) fn gather(workspace: &Workspace, binary: &Path, scratch: &Path) -> Result<Self> {
        let [man, completions] = ["man", "completions"].map(|what| scratch.join(what));
        for (what, directory) in [("man", &man), ("completions", &completions)] {
            // Pages of subcommands that are no more must not stay.
            Staging::begin(directory)?;
            run_quietly(Command::new(binary).args(["generate", what]).arg(directory))?;
        }
        Ok(Self {
            root: workspace.root().to_path_buf(),
            binary: binary.to_path_buf(),
            man_pages: files_in(&man)?,
            completions,
            licences: licences::collect(workspace, &binary::target())?,
            standard_library: licences::of_standard_library()?,
        })
    }

    /// For the tarball, from which also containers are built.
    pub(super) fn lay_out_for_people(&self, into: &Staging) -> Result<()> {
        into.copy(&self.binary, "drain-observer", PROGRAM)?;
        for name in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            into.copy(&self.root.join(name), name, FILE)?;
        }
        into.write("THIRD-PARTY-LICENSES", self.licences.as_bytes(), FILE)?;
        into.copy(&self.standard_library, "RUST-LIBRARY-COPYRIGHT.html", FILE)?;
        for name in PACKAGING {
            into.copy(&self.packaging(name), name, FILE)?;
        }
        for name in FLEET {
            into.copy(&self.fleet(name), &format!("fleet/{name}"), FILE)?;
        }
        for (name, _) in COMPLETIONS {
            into.copy(&self.completions.join(name), &format!("completions/{name}"), FILE)?;
        }
        for page in &self.man_pages {
            into.copy(page, &format!("man/{}", name_of(page)), FILE)?;
        }
        let recipe = fs::read_to_string(self.packaging("Containerfile")).context("the Containerfile")?;
        match copied(&recipe).find(|file| !into.root().join(file).is_file()) {
            Some(file) => bail!("the Containerfile copies {file}, which is not packed"),
            None => Ok(()),
        }
    }

    /// For the Debian package.
    pub(super) fn lay_out_for_debian(&self, into: &Staging, version: &str, epoch: &str) -> Result<()> {
        into.copy(&self.binary, "usr/bin/drain-observer", PROGRAM)?;
        let unit = "drain-observer.service";
        into.copy(&self.packaging(unit), &format!("lib/systemd/system/{unit}"), FILE)?;
        into.copy(&self.packaging("drain-observer.toml"), "etc/drain-observer.toml", FILE)?;
        for page in &self.man_pages {
            into.write_compressed(&format!("usr/share/man/man1/{}.gz", name_of(page)), &read(page)?)?;
        }
        for (name, place) in COMPLETIONS {
            into.copy(&self.completions.join(name), place, FILE)?;
        }
        into.copy(&self.packaging("debian/copyright"), &format!("{DOC}/copyright"), FILE)?;
        into.write_compressed(&format!("{DOC}/README.md.gz"), &read(&self.root.join("README.md"))?)?;
        into.write_compressed(&format!("{DOC}/THIRD-PARTY-LICENSES.gz"), self.licences.as_bytes())?;
        let standard_library = read(&self.standard_library)?;
        into.write_compressed(&format!("{DOC}/RUST-LIBRARY-COPYRIGHT.html.gz"), &standard_library)?;
        into.write_compressed(&format!("{DOC}/changelog.gz"), changelog(version, epoch)?.as_bytes())?;
        into.copy(&self.packaging("daemonset.yaml"), &format!("{DOC}/examples/daemonset.yaml"), FILE)?;
        FLEET
            .iter()
            .try_for_each(|name| into.copy(&self.fleet(name), &format!("{DOC}/examples/fleet/{name}"), FILE))
    }

    fn packaging(&self, name: &str) -> PathBuf {
        self.root.join("drain-observer/packaging").join(name)
    }

    fn fleet(&self, name: &str) -> PathBuf {
        self.root.join("drain-observer/fleet").join(name)
    }
}

/// Debian wants one; what changed is in the repository's history.
fn changelog(version: &str, epoch: &str) -> Result<String> {
    let date = Command::new("date")
        .args(["--utc", "--rfc-email", &format!("--date=@{epoch}")])
        .env("LC_ALL", "C")
        .output()
        .context("cannot run date")?;
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let maintainer = super::deb::MAINTAINER;
    Ok(format!(
        "drain-observer ({version}) unstable; urgency=medium\n\n  * Version {version}.\n\n -- {maintainer}  {date}\n"
    ))
}

/// The files that a container's recipe copies from beside it.
fn copied(recipe: &str) -> impl Iterator<Item = &str> {
    let copies = recipe.lines().filter_map(|line| line.strip_prefix("COPY ")?.rsplit_once(' '));
    copies.flat_map(|(files, _)| files.split_whitespace())
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_tells_what_it_copies() {
        let recipe = "FROM scratch\nCOPY a /usr/bin/a\nCOPY b c /usr/share/\nUSER 0\n";
        assert_eq!(copied(recipe).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
