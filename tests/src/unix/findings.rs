//! What a report says of a service at a socket file, and what is expected of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::observer::Journal;

/// A report of a recording, with every connection that it has.
#[derive(Debug)]
pub struct Findings {
    name: String,
    journal: Option<(Journal, TempDir)>,
    /// The JSON report.
    pub report: Value,
    /// What else tells about a failure: the other side's view.
    pub truth: String,
}

/// A connection to a socket file, as much as is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtPath {
    /// The observer's name for what became of it.
    pub outcome: String,
    /// Whether the observer calls it lost.
    pub lost: bool,
    /// The client's process.
    pub client: i32,
    /// The server's process that had it, where one did.
    pub server: Option<i32>,
    /// When it ended, CLOCK_BOOTTIME.
    pub ended_boot_ns: u64,
    /// The restart it is blamed on.
    pub restart: Option<String>,
    /// Why.
    pub evidence: String,
}

impl Findings {
    /// Reports on a finished recording in this directory.
    pub fn of(name: &str, journal: Journal, dir: TempDir) -> Result<Self> {
        let report = journal.json(&["--connections", "all"])?;
        Ok(Self { journal: Some((journal, dir)), ..Self::made(name, report) })
    }

    /// Of a report that was made already, of all connections.
    pub fn made(name: &str, report: Value) -> Self {
        Self { name: name.to_owned(), journal: None, report, truth: String::new() }
    }

    /// The connections at a place, as the report writes it.
    pub fn at(&self, place: &str) -> Result<Vec<AtPath>> {
        let connections = self.report["connections"].as_array().context("a report has connections")?;
        let here = connections.iter().filter(|one| one["local"]["path"] == place);
        let read = |one: &Value| -> Option<AtPath> {
            let evidence = one["evidence"].as_array()?.iter().filter_map(Value::as_str);
            Some(AtPath {
                outcome: one["outcome"].as_str()?.to_owned(),
                lost: one["lost"].as_bool()?,
                client: one["peer"]["pid"].as_i64()?.try_into().ok()?,
                server: one["process"]["pid"].as_i64().and_then(|pid| pid.try_into().ok()),
                ended_boot_ns: one["ended_boot_ns"].as_u64()?,
                restart: one["restart"].as_str().map(str::to_owned),
                evidence: evidence.collect::<Vec<_>>().join("; "),
            })
        };
        here.map(|one| read(one).with_context(|| format!("a connection not as the contract says: {one}")))
            .collect()
    }

    /// How many connections have each outcome.
    pub fn outcomes(&self, place: &str) -> Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for one in self.at(place)? {
            *counts.entry(one.outcome).or_insert(0) += 1;
        }
        Ok(counts)
    }

    /// The report's restarts.
    pub fn restarts(&self) -> &[Value] {
        self.report["restarts"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Expects that nothing was missed.
    pub fn expect_complete(&self) -> Result<()> {
        self.expect(self.report["completeness"]["complete"] == true, "nothing to be missed")
    }

    /// Expects exactly one service, and that it has so many listeners.
    pub fn expect_one_service(&self, listeners: usize) -> Result<()> {
        let services = self.report["services"].as_array().map_or(&[][..], Vec::as_slice);
        let names: Vec<String> =
            services.iter().map(|one| format!("{} at {}", one["name"], one["listeners"])).collect();
        let as_expected =
            matches!(services, [one] if one["listeners"].as_array().map(Vec::len) == Some(listeners));
        self.expect(as_expected, &format!("one service with {listeners} listeners, not {names:?}"))
    }

    /// Expects exactly one restart with this kind and verdict, and gives it.
    pub fn expect_restart(&self, kind: &str, verdict: &str) -> Result<&Value> {
        let as_expected =
            matches!(self.restarts(), [one] if one["kind"] == kind && one["verdict"] == verdict);
        self.expect(as_expected, &format!("one {kind}, {verdict}"))?;
        self.restarts().first().context("it was there a moment ago")
    }

    /// Expects exactly one restart with this verdict, of whatever kind.
    pub fn expect_restart_verdict(&self, verdict: &str) -> Result<()> {
        let as_expected = matches!(self.restarts(), [one] if one["verdict"] == verdict);
        self.expect(as_expected, &format!("one restart, {verdict}"))
    }

    /// Expects that no restart has another verdict than these.
    pub fn expect_verdicts_among(&self, verdicts: &[&str]) -> Result<()> {
        let allowed = |restart: &Value| verdicts.iter().any(|verdict| restart["verdict"] == *verdict);
        self.expect(self.restarts().iter().all(allowed), &format!("no restarts but {verdicts:?}"))
    }

    /// Expects that this signal to this process is the cause of every restart, and that there is one.
    pub fn expect_signal(&self, signal: &str, target: i32) -> Result<()> {
        let caused = |restart: &Value| {
            restart["cause"]["signal"]["name"] == signal && restart["cause"]["target"]["pid"] == target
        };
        let as_expected = !self.restarts().is_empty() && self.restarts().iter().all(caused);
        self.expect(as_expected, &format!("{signal} to {target} as the cause"))
    }

    /// Expects that the one restart has this finding, with evidence.
    pub fn expect_finding(&self, id: &str) -> Result<()> {
        let has = |finding: &&Value| finding["evidence"].as_array().is_some_and(|steps| !steps.is_empty());
        let found = self.findings().any(|finding| finding["id"] == id && has(&finding));
        self.expect(found, &format!("the finding {id}"))
    }

    /// Expects that no restart has this finding.
    pub fn expect_no_finding(&self, id: &str) -> Result<()> {
        self.expect(self.findings().all(|finding| finding["id"] != id), &format!("no finding {id}"))
    }

    /// Expects that exactly so many connections at a place have an outcome.
    pub fn expect_outcome(&self, place: &str, outcome: &str, count: usize) -> Result<()> {
        let counts = self.outcomes(place)?;
        let found = counts.get(outcome).copied().unwrap_or(0);
        self.expect(found == count, &format!("{count} {outcome}, not {found}"))
    }

    /// Says what was expected, what came, and where the evidence is kept.
    pub fn expect(&self, as_expected: bool, what: &str) -> Result<()> {
        if as_expected {
            return Ok(());
        }
        bail!("{}: expected {what}\n{}kept in {}", self.name, self.describe(), self.keep(&[])?.display())
    }

    /// Copies the journal, the report and more files to where they outlive the test.
    pub fn keep(&self, more: &[&Path]) -> Result<PathBuf> {
        let dir = std::env::temp_dir().join("dob-journals").join(&self.name);
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        if let Some((journal, _)) = &self.journal {
            fs::copy(journal.path(), dir.join("journal")).context("copying the journal")?;
        }
        fs::write(dir.join("report.json"), serde_json::to_vec_pretty(&self.report)?)?;
        fs::write(dir.join("truth"), &self.truth)?;
        for file in more {
            let name = file.file_name().context("a file with a name")?;
            fs::copy(file, dir.join(name)).with_context(|| format!("copying {}", file.display()))?;
        }
        Ok(dir)
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.restarts().iter().filter_map(|restart| restart["findings"].as_array()).flatten()
    }

    fn describe(&self) -> String {
        let mut text = format!("truth: {}\n", self.truth);
        for restart in self.restarts() {
            let [service, kind, verdict, counts, cause] =
                ["service_name", "kind", "verdict", "counts", "cause"].map(|key| restart[key].to_string());
            let _ = writeln!(text, "restart of {service} {kind} {verdict} counts {counts} cause {cause}");
        }
        for finding in self.findings() {
            let _ = writeln!(text, "finding {}: {}", finding["id"], finding["sentence"]);
        }
        let _ = writeln!(text, "completeness: {}", self.report["completeness"]["notes"]);
        text
    }
}
