//! The daemon as a host runs it: `serve` or `exporter`, its metrics, and reports from its flight recorder.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lines::Lines;
use crate::{http, observer, processes, wait};

/// Longest wait for anything that the daemon does.
const LIMIT: Duration = Duration::from_secs(20);

/// A daemon that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    stderr: Lines,
    metrics: SocketAddr,
}

/// What `/metrics` says at one moment.
#[derive(Debug, Clone)]
pub struct Metrics(String);

impl Daemon {
    /// Starts a subcommand with these arguments on a free port, and waits until everything is in place. It reads no
    /// settings but those named.
    pub fn start(subcommand: &str, args: &[&str]) -> Result<Self> {
        Self::start_by(Command::new(observer::program()), subcommand, args)
    }

    /// The same with these variables in its environment.
    pub fn start_with(subcommand: &str, args: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(observer::program());
        command.envs(environment.iter().copied());
        Self::start_by(command, subcommand, args)
    }

    /// As [`Daemon::start`], by a command that runs the observer's program with the arguments that follow its own.
    pub fn start_by(mut command: Command, subcommand: &str, args: &[&str]) -> Result<Self> {
        command.args([subcommand, "--listen", "127.0.0.1:0"]).args(args);
        if subcommand == "serve" && !args.contains(&"--socket") {
            // Daemons of other tests run at the same time.
            command.args(["--socket", "none"]);
        }
        if !args.contains(&"--config") {
            command.args(["--config", "none"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting the daemon")?;
        let pipe = child.stderr.take().context("standard error was piped")?;
        let mut daemon =
            Self { child, stderr: Lines::of(pipe), metrics: SocketAddr::from(([127, 0, 0, 1], 0)) };
        daemon.metrics = wait::until("the daemon to serve metrics", LIMIT, || daemon.serving_at())
            .with_context(|| format!("it said:\n{}", daemon.said()))?;
        Ok(daemon)
    }

    /// The daemon's process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid fits an int")
    }

    /// Where it serves metrics.
    pub fn address(&self) -> SocketAddr {
        self.metrics
    }

    /// What it has said on its standard error.
    pub fn said(&self) -> String {
        self.stderr.so_far()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        processes::send(self.pid(), signal)
    }

    /// Waits until it has said this on its standard error, so many times.
    pub fn wait_until_said(&self, words: &str, times: usize) -> Result<()> {
        wait::until(&format!("the daemon to say `{words}`"), LIMIT, || {
            Ok((self.said().matches(words).count() >= times).then_some(()))
        })
        .with_context(|| format!("it said:\n{}", self.said()))
    }

    /// What its metrics are now.
    pub fn metrics(&self) -> Result<Metrics> {
        let (status, body) = http::get(self.metrics, "/metrics")?;
        ensure!(status == 200, "/metrics answers {status}: {body}");
        Ok(Metrics(body))
    }

    /// Waits until the metrics are as wanted, and gives them.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
        let mut last = None;
        wait::until(what, LIMIT, || {
            let metrics = last.insert(self.metrics()?);
            Ok(wanted(metrics).then(|| metrics.clone()))
        })
        .with_context(|| {
            format!("it said:\n{}\nmetrics:\n{}", self.said(), last.map_or_else(String::new, |it| it.0))
        })
    }

    /// Ends it with SIGTERM.
    pub fn stop(mut self) -> Result<ExitStatus> {
        processes::send(self.pid(), Signal::SIGTERM)?;
        processes::wait_for_exit(self.pid(), LIMIT).with_context(|| format!("it said:\n{}", self.said()))?;
        self.child.wait().context("collecting the daemon")
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("killing the daemon")?;
        self.child.wait().context("collecting the daemon")?;
        Ok(())
    }

    fn serving_at(&self) -> Result<Option<SocketAddr>> {
        ensure!(processes::alive(self.pid()), "the daemon ended early");
        let said = self.said();
        let address = said.split_once("serving http://").and_then(|(_, rest)| rest.split_once("/metrics"));
        address.map(|(address, _)| address.parse().context("an address")).transpose()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Metrics {
    /// The sum of a metric's series that have all these labels; 0 if there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let series = self.0.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = match series.strip_prefix(name)? {
                "" => "",
                rest => rest.strip_prefix('{')?.strip_suffix('}')?,
            };
            wanted.iter().all(|wanted| labels.split(',').any(|label| label == wanted)).then_some(value)
        });
        series.filter_map(|value| value.parse::<f64>().ok()).sum()
    }
}

/// `report -o json` on the directories of flight recorders, with further arguments.
pub fn report(dirs: &[&Path], args: &[&str]) -> Result<Value> {
    let mut line = vec!["report".to_owned(), "-o".to_owned(), "json".to_owned()];
    for dir in dirs {
        line.extend(["--journal-dir".to_owned(), dir.display().to_string()]);
    }
    line.extend(args.iter().map(|arg| (*arg).to_owned()));
    let output = observer::run(&observer::program(), line)?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "report ended with {}: {error}", output.status);
    serde_json::from_slice(&output.stdout).context("reading the JSON report")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_label() {
        let text = "# TYPE a_total counter\na_total{service=\"x:1\",outcome=\"served\"} 3\na_total{service=\"y\",outcome=\"served\"} 4\na 9\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!(metrics.sum("a_total", &[("outcome", "served")]), 7.0);
        assert_eq!(metrics.sum("a_total", &[("outcome", "served"), ("service", "y")]), 4.0);
        assert_eq!((metrics.sum("a", &[]), metrics.sum("b", &[])), (9.0, 0.0));
    }
}
