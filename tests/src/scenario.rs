//! One observed restart: load and server on one side, the observer on the other, compared at the end.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::incidents;
use crate::observer::{self, Journal, Recording};
use crate::truth::{self, Comparison, Fate, compare, tally};

/// A scenario under way: the observer records.
#[derive(Debug)]
pub struct Scenario {
    name: String,
    port: u16,
    recording: Recording,
    dir: TempDir,
    truth: Vec<Fate>,
}

/// What a scenario came to.
#[derive(Debug)]
pub struct Observed {
    name: String,
    port: u16,
    journal: Journal,
    _dir: TempDir,
    /// The observer's JSON report.
    pub report: Value,
    /// What the clients saw.
    pub truth: Vec<Fate>,
    /// How the two agree.
    pub comparison: Comparison,
}

/// Where failed scenarios are kept, each in a directory of its own.
pub fn kept() -> PathBuf {
    env::temp_dir().join("dob-journals")
}

impl Scenario {
    /// Starts the observer for this port.
    pub fn start(name: &str, port: u16) -> Result<Self> {
        Self::start_using(&observer::program(), name, port)
    }

    /// Starts this observer for this port.
    pub fn start_using(program: &Path, name: &str, port: u16) -> Result<Self> {
        Self::start_selecting(program, name, port, &["--port", &port.to_string()])
    }

    /// Starts this observer with arguments of `record` that select the server on `port` in some way.
    pub fn start_selecting(program: &Path, name: &str, port: u16, args: &[&str]) -> Result<Self> {
        let dir = tempfile::tempdir().context("making a directory for the journal")?;
        let journal = dir.path().join("journal");
        let recording = Recording::start(program, &journal, args)?;
        Ok(Self { name: name.to_owned(), port, recording, dir, truth: Vec::new() })
    }

    /// The observer's process.
    pub fn observer(&self) -> i32 {
        self.recording.pid()
    }

    /// Adds what clients saw; every connection to the port while the observer records belongs here.
    pub fn saw(&mut self, fates: impl IntoIterator<Item = Fate>) {
        self.truth.extend(fates);
    }

    /// Ends the recording, reports and compares.
    pub fn finish(self) -> Result<Observed> {
        let journal = self.recording.finish()?;
        let report = journal.json(&[])?;
        let comparison = compare(&report, &self.truth, self.port)?;
        Ok(Observed {
            name: self.name,
            port: self.port,
            journal,
            _dir: self.dir,
            report,
            truth: self.truth,
            comparison,
        })
    }
}

impl Observed {
    /// Expects that nothing was missed, every lost connection is matched both ways, and none of those that
    /// fell into a restart is left unexplained.
    pub fn expect_agreement(&self) -> Result<()> {
        let complete = self.report["completeness"]["complete"] == true;
        self.expect(complete && self.comparison.agrees(), "report and clients to agree")?;
        let unknown = |restart: &Value| restart["counts"]["unknown"].as_u64().unwrap_or(0);
        let unknown: u64 = self.restarts().iter().map(unknown).sum();
        self.expect(unknown == 0, "no connection of a restart to be unknown")?;
        self.tell_outcomes()
    }

    /// Expects that nothing was missed, every loss in the report is the client's by the same name, and every other
    /// one of the client's is said to be unknown. Gives how many unknown ones there are, lost or not.
    pub fn expect_agreement_or_unknown(&self) -> Result<usize> {
        let report = self.journal.json(&["--connections", "all"])?;
        let connections = report["connections"].as_array().context("a list of connections")?;
        let unknown: Vec<u64> = connections
            .iter()
            .filter(|one| one["outcome"] == "unknown")
            .filter_map(|one| one["peer"]["port"].as_u64())
            .collect();
        let complete = self.report["completeness"]["complete"] == true;
        let Comparison { besides, disagreeing, missing, .. } = &self.comparison;
        let said = missing.iter().all(|fate| unknown.contains(&fate.local.port().into()));
        let agrees = complete && besides.is_empty() && disagreeing.is_empty() && said;
        self.expect(agrees, "report and clients to agree, but for what is unknown")?;
        Ok(unknown.len())
    }

    /// Expects exactly one restart with this kind and verdict, and gives it.
    pub fn expect_restart(&self, kind: &str, verdict: &str) -> Result<&Value> {
        self.expect_restart_verdict(verdict)?;
        let restart = &self.restarts()[0];
        self.expect(restart["kind"] == kind, &format!("a restart of kind {kind}"))?;
        Ok(restart)
    }

    /// Expects exactly one restart with this verdict, of whatever kind.
    pub fn expect_restart_verdict(&self, verdict: &str) -> Result<()> {
        let as_expected = matches!(self.restarts(), [restart] if restart["verdict"] == verdict);
        self.expect(as_expected, &format!("one restart, {verdict}"))
    }

    /// Expects that every restart seen, if any, has one of these verdicts.
    pub fn expect_verdicts_among(&self, verdicts: &[&str]) -> Result<()> {
        let allowed = |restart: &Value| verdicts.iter().any(|verdict| restart["verdict"] == *verdict);
        self.expect(self.restarts().iter().all(allowed), &format!("no restarts but {verdicts:?}"))
    }

    /// Expects that the clients saw exactly `count` connections end like `label`, so that the scenario is
    /// what it claims to be.
    pub fn expect_clients(&self, label: &str, count: usize) -> Result<()> {
        self.expect(self.clients(label) == count, &format!("clients to see {count} {label}"))
    }

    /// Expects that the report gives `outcome` to exactly `count` connections the clients lost.
    pub fn expect_outcome(&self, outcome: &str, count: usize) -> Result<()> {
        self.expect(self.matched(outcome) == count, &format!("{count} {outcome}"))
    }

    /// Expects that no client lost anything.
    pub fn expect_no_loss(&self) -> Result<()> {
        self.expect(!self.lossy(), "no client to lose anything")
    }

    /// Expects that this member of every restart's cause is as given, such as `signal`, `name`, and that there is one.
    pub fn expect_cause(&self, who: &str, what: &str, value: impl Into<Value>) -> Result<()> {
        let value = value.into();
        let caused = |restart: &Value| restart["cause"][who][what] == value;
        let as_expected = !self.restarts().is_empty() && self.restarts().iter().all(caused);
        self.expect(as_expected, &format!("{who} {what} {value} as the cause"))
    }

    /// Expects that the one restart has this finding, and gives it.
    pub fn expect_finding(&self, id: &str) -> Result<&Value> {
        let found = self.findings().find(|finding| finding["id"] == id);
        self.expect(found.is_some(), &format!("the finding {id}"))?;
        let evidence =
            |finding: &Value| finding["evidence"].as_array().is_some_and(|steps| !steps.is_empty());
        self.expect(found.is_some_and(evidence), &format!("evidence for the finding {id}"))?;
        found.context("it was there a moment ago")
    }

    /// Expects that no restart has this finding.
    pub fn expect_no_finding(&self, id: &str) -> Result<()> {
        let found = self.findings().any(|finding| finding["id"] == id);
        self.expect(!found, &format!("no finding {id}"))
    }

    /// Expects that no restart has any finding.
    pub fn expect_no_findings(&self) -> Result<()> {
        self.expect(self.findings().next().is_none(), "no findings")
    }

    /// The findings of all restarts.
    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.restarts().iter().filter_map(|restart| restart["findings"].as_array()).flatten()
    }

    /// Whether any client lost something.
    pub fn lossy(&self) -> bool {
        self.truth.iter().any(Fate::lost)
    }

    /// How many connections ended like `label` for the clients, such as `reset awaiting_response`.
    pub fn clients(&self, label: &str) -> usize {
        tally(&self.truth).get(label).copied().unwrap_or(0)
    }

    /// How many losses the report and the clients agree upon under this outcome.
    pub fn matched(&self, outcome: &str) -> usize {
        self.comparison.outcomes().get(outcome).copied().unwrap_or(0)
    }

    /// The report's restarts.
    pub fn restarts(&self) -> &[Value] {
        self.report["restarts"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The journal, for more reports.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Writes what the report says of this incident on this server into the directory `$DRAIN_OBSERVER_INCIDENTS`, if
    /// that is set, as a row for the README. To be called when everything expected has come.
    pub fn tell(&self, incident: &str, server: &str) -> Result<()> {
        let Some(directory) = env::var_os("DRAIN_OBSERVER_INCIDENTS") else { return Ok(()) };
        incidents::write(Path::new(&directory), &self.name, [incident, server], &self.report, self.port)
    }

    /// Appends the outcomes upon which report and clients agree to the file `$DRAIN_OBSERVER_OUTCOMES`, if that is set,
    /// one a line.
    fn tell_outcomes(&self) -> Result<()> {
        let Some(file) = env::var_os("DRAIN_OBSERVER_OUTCOMES") else { return Ok(()) };
        let counted = self.restarts().iter().filter_map(|restart| restart["counts"].as_object()).flatten();
        let occurred =
            counted.filter(|(_, count)| count.as_u64() != Some(0)).map(|(outcome, _)| outcome.as_str());
        let lines: String = self
            .comparison
            .outcomes()
            .into_keys()
            .chain(occurred)
            .flat_map(|outcome| [outcome, "\n"])
            .collect();
        // One write for all of them: other tests append as well.
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(lines.as_bytes()));
        written.with_context(|| format!("appending outcomes to {}", Path::new(&file).display()))
    }

    /// Copies journal, report and the clients' record to where they outlive the test.
    pub fn keep(&self) -> Result<PathBuf> {
        let dir = kept().join(&self.name);
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        fs::copy(self.journal.path(), dir.join("journal")).context("copying the journal")?;
        fs::write(dir.join("report.json"), serde_json::to_vec_pretty(&self.report)?)?;
        truth::write(&self.truth, File::create(dir.join("truth.jsonl"))?)?;
        Ok(dir)
    }

    /// Says what was expected, what came, and where the evidence is kept.
    fn expect(&self, as_expected: bool, what: &str) -> Result<()> {
        if as_expected {
            return Ok(());
        }
        bail!("{}: expected {what}\n{}kept in {}", self.name, self.describe(), self.keep()?.display())
    }

    fn describe(&self) -> String {
        let mut text = format!("clients: {:?}\n{}", tally(&self.truth), self.comparison);
        for restart in self.restarts() {
            let [kind, verdict, counts, cause] =
                ["kind", "verdict", "counts", "cause"].map(|key| restart[key].to_string());
            let _ = writeln!(text, "restart {kind} {verdict} counts {counts} cause {cause}");
        }
        for finding in self.findings() {
            let _ = writeln!(text, "finding {}: {}", finding["id"], finding["sentence"]);
        }
        let _ = writeln!(text, "completeness: {}", self.report["completeness"]["notes"]);
        text
    }
}
