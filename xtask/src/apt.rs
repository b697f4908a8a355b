//! Debian's package manager: what it offers, installing without starting services, fetching without installing.

use crate::installer::run_quietly;
use anyhow::{Context as _, Result};
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The file that `invoke-rc.d` and `deb-systemd-invoke` ask whether a service may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Tells this program's policy file from an administrator's.
const POLICY_TEXT: &str =
    "#!/bin/sh\n# Put here by drain-observer's set-up for the time of one installation.\nexit 101\n";

/// The command that brings the package lists up to date.
pub(crate) fn update_command() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["update", "-q"]);
    command
}

/// The command that installs packages; it removes nothing that is there.
pub(crate) fn install_command(packages: &[String]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["install", "-y", "-q", "--no-install-recommends", "--no-remove"])
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Installs packages without letting them start their services.
pub(crate) fn install(packages: &[String]) -> Result<()> {
    let _policy = NoServices::begin(Path::new(POLICY))?;
    run_quietly(&mut install_command(packages))
}

/// Whether the package lists offer a package.
pub(crate) fn offers(package: &str) -> bool {
    let policy = Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C").output();
    policy.is_ok_and(|output| has_candidate(&String::from_utf8_lossy(&output.stdout)))
}

/// Fetches a package and those of its dependencies that are not installed, and installs none of them.
pub(crate) fn download(package: &str, into: &Path) -> Result<Vec<PathBuf>> {
    let partial = into.join("partial");
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    run_quietly(
        Command::new("apt-get")
            .args(["install", "-y", "-q", "--download-only", "--no-install-recommends"])
            .args(["-o", "DPkg::Lock::Timeout=300", "-o"])
            .arg(format!("Dir::Cache::archives={}", into.display()))
            .arg(package)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    packages_in(into)
}

/// Fetches a package, and none of its dependencies.
pub(crate) fn download_alone(package: &str, into: &Path) -> Result<PathBuf> {
    // It writes into the current directory, and nowhere else. Root's directory may be closed to apt's own user, which
    // it would warn about.
    run_quietly(
        Command::new("apt-get")
            .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
            .arg(package)
            .current_dir(into),
    )?;
    packages_in(into)?.pop().with_context(|| format!("apt-get left no package in {}", into.display()))
}

/// The names of the packages on offer that match a regular expression.
pub(crate) fn names(pattern: &str) -> Result<Vec<String>> {
    let mut search = Command::new("apt-cache");
    let output =
        search.args(["search", "--names-only", pattern]).output().context("cannot run `apt-cache search`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// Where packages come from, each in a line: address, codename, component, origin.
pub(crate) fn sources() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)"])
        .arg("Created-By: Packages")
        .output()
        .context("cannot run `apt-get indextargets`")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The proxies that it goes through, as variables of the environment that other programs look at.
pub(crate) fn proxies() -> Vec<(String, String)> {
    let output = Command::new("apt-config")
        .args(["shell", "http_proxy", "Acquire::http::Proxy", "https_proxy", "Acquire::https::Proxy"])
        .output();
    output.map(|output| assignments(&String::from_utf8_lossy(&output.stdout))).unwrap_or_default()
}

/// The package files in a directory.
fn packages_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    Ok(files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "deb"))
        .collect())
}

/// What lines such as `http_proxy='http://one:3128'` assign.
fn assignments(shell: &str) -> Vec<(String, String)> {
    let of_line = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.to_owned(), value.trim_matches('\'').to_owned()))
    };
    shell.lines().filter_map(of_line).collect()
}

fn has_candidate(policy: &str) -> bool {
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"));
    candidate.is_some_and(|version| version.trim() != "(none)")
}

/// While it lives, no package may start a service; a policy that is there already is left alone.
struct NoServices<'a> {
    policy: &'a Path,
    ours: bool,
}

impl<'a> NoServices<'a> {
    fn begin(policy: &'a Path) -> Result<Self> {
        if fs::read_to_string(policy).is_ok_and(|text| text == POLICY_TEXT) {
            // An interrupted run left it.
            return Ok(Self { policy, ours: true });
        }
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(policy);
        match file.and_then(|mut file| file.write_all(POLICY_TEXT.as_bytes())) {
            Ok(()) => Ok(Self { policy, ours: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Self { policy, ours: false }),
            Err(error) => Err(error).with_context(|| {
                format!("cannot write {}, which keeps services from being started", policy.display())
            }),
        }
    }
}

impl Drop for NoServices<'_> {
    fn drop(&mut self) {
        if !self.ours {
            return;
        }
        if let Err(error) = fs::remove_file(self.policy) {
            let file = self.policy.display();
            eprintln!(
                "set-up: cannot remove {file} ({error}): remove it, or no package can start its service"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_read_from_the_policy() {
        let offered =
            "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert!(has_candidate(offered));
        assert!(!has_candidate("rust-x:\n  Installed: (none)\n  Candidate: (none)\n"));
        assert!(!has_candidate(""));
    }

    #[test]
    fn proxies_are_read_as_apt_prints_them() {
        let expected = ("http_proxy".to_owned(), "http://one:3128".to_owned());
        assert_eq!(assignments("http_proxy='http://one:3128'\n"), [expected]);
        assert!(assignments("").is_empty());
    }

    #[test]
    fn services_are_held_back_only_meanwhile_and_an_administrators_policy_stays() {
        let policy = std::env::temp_dir().join(format!("drain-observer-policy-{}", std::process::id()));
        {
            let _guard = NoServices::begin(&policy).expect("a fresh file can be written");
            assert_eq!(fs::read_to_string(&policy).expect("the policy is there"), POLICY_TEXT);
        }
        assert!(!policy.exists());

        fs::write(&policy, POLICY_TEXT).expect("an interrupted run's file");
        drop(NoServices::begin(&policy).expect("it is taken over"));
        assert!(!policy.exists());

        fs::write(&policy, "#!/bin/sh\nexit 0\n").expect("an administrator's file");
        drop(NoServices::begin(&policy).expect("it is left alone"));
        assert!(policy.exists());
        fs::remove_file(&policy).expect("the test's own file");
    }
}
