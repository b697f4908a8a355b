//! What is tried, in this order.

use super::{
    changes::changes,
    daemon::{self, Daemon},
    init::Init,
    tree::{PACKAGE, Tree},
    unit::Unit,
};
use crate::{document, workspace::Workspace};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;

/// One of them.
pub(super) struct Step {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) run: fn(&Tree, &Workspace) -> Result<()>,
}

const NAME: &str = "drain-observer";
const UNIT: &str = "drain-observer.service";
const UNIT_FILE: &str = "/lib/systemd/system/drain-observer.service";
const CONFIGURATION: &str = "etc/drain-observer.toml";
const JOURNAL: &str = "var/lib/drain-observer";

/// Somebody who is in the daemon's group.
const ON_CALL: &str = "anna";
/// Reads the journal.
const REPORT: [&str; 6] = [NAME, "report", "--journal-dir", "/var/lib/drain-observer", "-o", "json"];

const PORT_ELSEWHERE: &str = "8099";
/// Listens in a network namespace of its own, and says so.
const LISTENER_ELSEWHERE: [&str; 6] = [
    "unshare",
    "--net",
    "perl",
    "-MIO::Socket::INET",
    "-e",
    "$| = 1; $s = IO::Socket::INET->new(Listen => 1, LocalPort => 8099) or die; print \"listening\\n\"; sleep 600",
];

/// What is said of the machine rather than of the package: it is tried with process ids of its own.
const OF_THE_TRIAL: [&str; 1] = ["pid namespace"];

/// What removing leaves besides the journal, until it is purged: the configuration, whose part is whether the service is
/// to start; the user, who owns the journal; and dpkg's note of what a purge is to do.
const LEFT: [&str; 12] = [
    CONFIGURATION,
    "etc/group",
    "etc/gshadow",
    "etc/passwd",
    "etc/shadow",
    "etc/systemd/system/multi-user.target.wants/drain-observer.service",
    "var/lib/dpkg/info/drain-observer.list",
    "var/lib/dpkg/info/drain-observer.postrm",
    "var/lib/systemd/deb-systemd-helper-enabled",
    "var/lib/systemd/deb-systemd-helper-enabled/drain-observer.service.dsh-also",
    "var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants",
    "var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/drain-observer.service",
];

/// All of them.
pub(super) fn all() -> Vec<Step> {
    vec![
        Step { name: "installs", run: installs },
        Step { name: "runs", run: runs },
        Step { name: "doctor_finds_nothing_missing", run: doctor },
        Step { name: "unit_is_as_documented", run: unit_is_as_documented },
        Step { name: "daemon_runs_as_the_unit_says", run: daemon_runs },
        Step { name: "removing_leaves_journal_and_configuration", run: removes },
        Step { name: "purging_leaves_nothing", run: purges },
        Step { name: "systemd_starts_and_stops_it", run: under_systemd },
    ]
}

fn installs(tree: &Tree, _: &Workspace) -> Result<()> {
    tree.run(&["dpkg", "--install", PACKAGE])?;
    for (file, mode) in [("/usr/bin/drain-observer", "755 root"), ("/etc/drain-observer.toml", "644 root")] {
        let found = tree.run(&["stat", "--format=%a %U", file])?;
        ensure!(found.trim() == mode, "{file} has {}", found.trim());
    }
    tree.run(&["sh", "-c", "gzip --test /usr/share/man/man1/drain-observer*.gz"])?;
    let wanted = "/etc/systemd/system/multi-user.target.wants/drain-observer.service";
    tree.run(&["test", "-h", wanted]).context("it is not enabled")?;
    Ok(())
}

fn runs(tree: &Tree, workspace: &Workspace) -> Result<()> {
    let version = tree.run(&[NAME, "--version"])?;
    ensure!(version.trim() == format!("{NAME} {}", workspace.version()), "it is {}", version.trim());
    let schema: Value =
        serde_json::from_str(&tree.run(&[NAME, "schema"])?).context("the schema is no JSON")?;
    ensure!(schema["properties"].is_object(), "this is no schema: {schema}");
    Ok(())
}

fn doctor(tree: &Tree, _: &Workspace) -> Result<()> {
    let diagnosis: Value =
        serde_json::from_str(&tree.run(&[NAME, "doctor", "-o", "json"])?).context("doctor prints no JSON")?;
    ensure!(diagnosis["works"] == true, "it does not work: {diagnosis:#}");
    let checks = diagnosis["checks"].as_array().context("doctor has no checks")?;
    let bad = checks
        .iter()
        .filter(|check| check["state"] != "ok" && !OF_THE_TRIAL.iter().any(|name| check["name"] == *name));
    let bad: Vec<String> = bad.map(Value::to_string).collect();
    ensure!(bad.is_empty(), "{}", bad.join("\n"));
    Ok(())
}

/// systemd accepts the unit without a warning, and rates it as the document says.
fn unit_is_as_documented(tree: &Tree, workspace: &Workspace) -> Result<()> {
    let verify = ["systemd-analyze", "verify", "--man=no", UNIT_FILE];
    let output = tree.command(verify[0]).args(&verify[1..]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let about_it: Vec<&str> = said.lines().filter(|line| line.contains(NAME)).collect();
    ensure!(output.status.success() && about_it.is_empty(), "systemd-analyze verify: {said}");

    let rated = tree.run(&["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT_FILE])?;
    let figure =
        rated.lines().find_map(|line| line.split_once("Overall exposure level for ")?.1.split_once(": "));
    let figure = figure.map(|(_, figure)| figure.split(' ').take(2).collect::<Vec<_>>().join(" "));
    let figure = figure.with_context(|| format!("systemd-analyze gives no figure: {rated}"))?;
    let page = workspace.root().join("drain-observer/docs/packaging.md");
    let page = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let documented = document::with_section(&page, "exposure", &format!("**{figure}**\n"))? == page;
    ensure!(documented, "systemd-analyze says {figure}: write that into docs/packaging.md");
    Ok(())
}

fn daemon_runs(tree: &Tree, _: &Workspace) -> Result<()> {
    let unit = Unit::parse(&tree.read(UNIT_FILE)?);
    for (setting, below) in [("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")] {
        // As systemd does.
        let directory = format!("{below}/{}", unit.value(setting)?);
        let mode = unit.value(&format!("{setting}Mode"))?;
        let (user, group) = (unit.value("User")?, unit.value("Group")?);
        tree.run(&["install", "-d", "-o", user, "-g", group, "-m", mode, &directory])?;
    }
    let daemon = Daemon::start(tree, &unit)?;
    daemon::get("/healthz")?;
    let metrics = daemon::get("/metrics")?;
    ensure!(metrics.contains("\ndrain_observer_up 1\n"), "it is not up: {metrics}");
    daemon::check_rights(tree, &unit, &tree.read(&format!("/proc/{}/status", daemon.pid()))?)?;
    daemon.stop()?;
    reads_journal(&tree.run(&REPORT)?)
}

fn removes(tree: &Tree, _: &Workspace) -> Result<()> {
    tree.run(&["dpkg", "--remove", NAME])?;
    let (lower, upper) = tree.layers();
    let left = changes(lower, upper)?;
    ensure!(left.iter().any(|path| path.starts_with(&format!("{JOURNAL}/"))), "the journal is gone");
    let unexpected: Vec<&String> =
        left.iter().filter(|path| !path.starts_with(JOURNAL) && !LEFT.contains(&path.as_str())).collect();
    ensure!(unexpected.is_empty(), "it leaves {unexpected:?}");
    Ok(())
}

fn purges(tree: &Tree, _: &Workspace) -> Result<()> {
    tree.run(&["dpkg", "--purge", NAME])?;
    let (lower, upper) = tree.layers();
    let left = changes(lower, upper)?;
    ensure!(left.is_empty(), "it leaves {left:?}");
    Ok(())
}

/// The whole again where systemd runs: it starts the daemon at the installation, restarts it at the next, and stops it
/// at the removal. What the unit shuts keeps it from nothing: it also sees who listens in another network namespace,
/// and answers people who are in its group.
fn under_systemd(tree: &Tree, _: &Workspace) -> Result<()> {
    let init = Init::start(tree)?;
    let _elsewhere = init.keep_running(&LISTENER_ELSEWHERE, "listening")?;
    let main_pid = || init.run(&["systemctl", "show", "--property=MainPID", "--value", UNIT]);
    init.run(&["dpkg", "--install", PACKAGE])?;
    init.run(&["systemctl", "is-active", UNIT]).with_context(|| log(&init))?;
    let first = main_pid()?;
    daemon::wait_until_ready().with_context(|| log(&init))?;
    let metrics = daemon::get("/metrics")?;
    let expected = format!("service=\"perl:{PORT_ELSEWHERE}\"");
    ensure!(metrics.contains(&expected), "it does not see into another network namespace: {metrics}");
    let status = init.run(&["cat", &format!("/proc/{}/status", first.trim())])?;
    daemon::check_rights(tree, &Unit::parse(&tree.read(UNIT_FILE)?), &status)?;

    init.run(&["dpkg", "--install", PACKAGE])?;
    init.run(&["systemctl", "is-active", UNIT]).with_context(|| log(&init))?;
    ensure!(main_pid()? != first, "the daemon of before the second installation still runs");
    daemon::wait_until_ready().with_context(|| log(&init))?;
    reads_journal(&init.run(&REPORT)?)?;
    init.run(&["useradd", "--system", "--groups", NAME, ON_CALL])?;
    let asked =
        init.run(&["setpriv", &format!("--reuid={ON_CALL}"), "--init-groups", NAME, "report", "-o", "json"]);
    reads_journal(&asked.context("who is in the group can't ask the daemon")?)?;

    init.run(&["dpkg", "--remove", NAME])?;
    ensure!(daemon::get("/healthz").is_err(), "it still runs after its removal");
    init.run(&["test", "-d", &format!("/{JOURNAL}")]).context("the journal is gone")?;
    init.run(&["dpkg", "--purge", NAME])?;
    drop(init);
    let (lower, upper) = tree.layers();
    let left = changes(lower, upper)?;
    let ours: Vec<&String> = left.iter().filter(|path| path.contains(NAME)).collect();
    ensure!(ours.is_empty(), "it leaves {ours:?}");
    for file in ["/etc/passwd", "/etc/group"] {
        ensure!(!tree.read(file)?.contains(NAME), "its user or group is left in {file}");
    }
    Ok(())
}

/// What systemd says of the daemon.
fn log(init: &Init) -> String {
    let status = init.run(&["systemctl", "status", "--no-pager", "--full", UNIT]);
    let log = init.run(&["journalctl", "--no-pager", "--unit", UNIT]);
    [status, log].map(|part| part.unwrap_or_else(|error| format!("{error:#}"))).join("\n")
}

fn reads_journal(report: &str) -> Result<()> {
    let report: Value = serde_json::from_str(report).context("the report is no JSON")?;
    ensure!(
        report["schema_version"].is_number() || report["schema_version"].is_string(),
        "no report: {report}"
    );
    Ok(())
}
