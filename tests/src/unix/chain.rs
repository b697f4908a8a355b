//! nginx before a server at a socket file: what nginx wrote of each connection that it lost, against the report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::findings::{AtPath, Findings};
use super::proxy_log::{self, Failure};
use crate::observer::{self, Recording};
use crate::servers::nginx::Nginx;
use crate::servers::{Place, Server, directory};
use crate::truth::{Fate, Moment};

/// How far apart the report's time and that of nginx's log, which has whole seconds, may be.
const APART: Duration = Duration::from_millis(1_500);
const DAY: u64 = 24 * 3_600;
/// Begins the reason why a connection of a process that was killed is in doubt: each may have had one.
const KILLED: &str = "the process was killed";

/// A directory in which several servers, one after the other, may listen at the same path.
#[derive(Debug)]
pub struct Spot {
    dir: TempDir,
}

/// A recorded nginx whose upstream is at a socket file.
#[derive(Debug)]
pub struct Chain {
    name: String,
    path: PathBuf,
    nginx: Server,
    recording: Recording,
    dir: TempDir,
}

/// What came of it: the report agrees with nginx's log and with the clients.
#[derive(Debug)]
pub struct Chained {
    /// The report.
    pub findings: Findings,
    place: String,
}

impl Spot {
    /// A new one.
    pub fn new() -> Result<Self> {
        Ok(Self { dir: directory("unix")? })
    }

    /// The path.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("app.sock")
    }

    /// The path, for a launcher.
    pub fn place(&self) -> Place {
        Place::Path(self.path())
    }
}

impl Chain {
    /// Puts nginx before the server at this path, which serves already, and records what becomes of connections there.
    /// `kept`: how many connections each of two nginx workers keeps open.
    pub fn start(name: &str, path: &Path, kept: u32, more: &[&str]) -> Result<Self> {
        let nginx = Nginx { kept, ..Nginx::new(Place::Path(path.to_owned()))? }.start()?;
        let dir = tempfile::tempdir().context("making a directory for the journal")?;
        let text = path.to_str().context("a path in UTF-8")?;
        let args = [&["--path", text], more].concat();
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &args)?;
        Ok(Self { name: name.to_owned(), path: path.to_owned(), nginx, recording, dir })
    }

    /// nginx.
    pub fn nginx(&self) -> &Server {
        &self.nginx
    }

    /// Ends the recording and compares it with nginx's log and its clients, all of which belong here.
    pub fn finish(self, clients: &[Fate]) -> Result<Chained> {
        let place = self.path.to_str().context("a path in UTF-8")?.to_owned();
        let mut findings = Findings::of(&self.name, self.recording.finish()?, self.dir)?;
        let log = self.nginx.dir().join("error.log");
        let failures = proxy_log::read(&log, &self.path)?;
        let errors: u32 = clients.iter().map(|fate| fate.errors).sum();
        let mut kinds = BTreeMap::new();
        failures.iter().for_each(|failure| *kinds.entry(failure.kind).or_insert(0) += 1);
        let answers = clients.len();
        findings.truth = format!(
            "nginx lost {kinds:?}; {errors} of {answers} clients saw a 5xx; the report has {:?}",
            findings.outcomes(&place)?
        );
        let differences = differences(&failures, &findings.at(&place)?);
        if !differences.is_empty() || errors as usize != failures.len() {
            findings.keep(&[&log])?;
        }
        findings.expect(differences.is_empty(), &differences.join("\n"))?;
        findings.expect(errors as usize == failures.len(), "a 5xx for each connection that nginx lost")?;
        findings.expect(clients.iter().all(|fate| !fate.lost()), "every client to be answered by nginx")?;
        findings.expect_complete()?;
        Ok(Chained { findings, place })
    }
}

impl Chained {
    /// Expects that exactly so many connections to the upstream have this outcome.
    pub fn expect_outcome(&self, outcome: &str, count: usize) -> Result<()> {
        self.findings.expect_outcome(&self.place, outcome, count)
    }

    /// How many connections to the upstream have this outcome.
    pub fn count(&self, outcome: &str) -> Result<usize> {
        Ok(self.findings.outcomes(&self.place)?.get(outcome).copied().unwrap_or(0))
    }

    /// Expects that nothing was lost.
    pub fn expect_no_loss(&self) -> Result<()> {
        let lost = self.findings.at(&self.place)?.iter().filter(|one| one.lost).count();
        self.findings.expect(lost == 0, "nothing to be lost")
    }
}

/// In words: what one side has and the other lacks, kind by kind in order of time.
fn differences(failures: &[Failure], reported: &[AtPath]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut kinds: Vec<_> = failures.iter().map(|failure| failure.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in &kinds {
        let mut logged: Vec<&Failure> = failures.iter().filter(|failure| failure.kind == *kind).collect();
        logged.sort_by_key(|failure| failure.second);
        let mut found: Vec<&AtPath> =
            reported.iter().filter(|one| kind.outcomes().contains(&one.outcome.as_str())).collect();
        found.sort_by_key(|one| one.ended_boot_ns);
        if logged.len() != found.len() {
            differences.push(format!("{} {kind:?} as nginx has, not {}", logged.len(), found.len()));
        }
        for (failure, one) in logged.iter().zip(&found) {
            let apart = apart(failure.second, one.ended_boot_ns);
            if apart > APART {
                differences.push(format!("{one:?} at the time of {} and not {apart:?} apart", failure.line));
            }
        }
    }
    let explained: Vec<&str> = kinds.iter().flat_map(|kind| kind.outcomes()).copied().collect();
    // Whether a process that was killed before it closed had written everything, its sockets do not tell.
    let mut doubted = BTreeSet::new();
    let mut harmless = |one: &&AtPath| match one.outcome.as_str() {
        "unknown" if !one.lost && one.evidence.starts_with(KILLED) => doubted.insert(one.server),
        outcome => !one.lost && !matches!(outcome, "unknown" | "overflowed"),
    };
    for one in reported.iter().filter(|one| !explained.contains(&one.outcome.as_str())) {
        if !harmless(&one) {
            differences.push(format!("nothing that nginx does not have: {one:?}"));
        }
    }
    differences
}

/// Between a second of the day and a moment on the boot clock.
fn apart(second: u64, boot_ns: u64) -> Duration {
    let now = Moment::now();
    let wall = Duration::from_nanos(now.wall_ns - (now.boot_ns - boot_ns));
    let of_day = Duration::from_nanos(wall.as_nanos() as u64 % (DAY * 1_000_000_000));
    let second = Duration::from_secs(second);
    let apart = of_day.abs_diff(second);
    apart.min(Duration::from_secs(DAY) - apart)
}
