//! What one call of each BPF program takes, as the kernel measures it.

use super::latency::{Handler, make_process, restarting_signal};
use super::{Bench, Found};
use crate::results::{Row, Unit};
use crate::stats::Spread;
use crate::traffic::{Load, Server};
use anyhow::{Context as _, Result};
use drain_observer::clock;
use drain_observer_tests::daemon::{Daemon, Metrics};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;

/// Where the kernel is told to measure programs.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";
/// The hooks that are looked at.
const HOOKS: [&str; 9] = [
    "inet_sock_set_state",
    "tcp_send_reset",
    "kfree_skb",
    "sched_process_fork",
    "sched_process_exec",
    "sched_process_exit",
    "signal_generate",
    "signal_deliver",
    "mark_victim",
];

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let _measuring = Measuring::begin()?;
    let _handler = Handler::install()?;
    let server = Server::on_tcp(4)?;
    let mut found: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..bench.pick(3, 5) {
        let daemon = Daemon::start("exporter", &[])?;
        let before = runs(&fresh(&daemon)?);
        Load::churn(bench.span()).run(&server, &[])?;
        (0..200).try_for_each(|_| make_process())?;
        (0..2_000).try_for_each(|_| restarting_signal())?;
        (0..500).for_each(|_| _ = TcpStream::connect(("127.0.0.1", 1)));
        let after = runs(&fresh(&daemon)?);
        daemon.stop()?;
        for (hook, ns) in each(&before, &after) {
            found.entry(hook).or_default().push(ns);
        }
    }
    let rows =
        found.iter().map(|(hook, each)| Row::new("programs", *hook, Unit::Nanoseconds, Spread::of(each)));
    Ok(rows.collect::<Vec<_>>().into())
}

/// The daemon's metrics of this moment or a later one: it keeps what it said for a while.
pub(super) fn fresh(daemon: &Daemon) -> Result<Metrics> {
    let now = clock::boot_ns() as f64 / 1e9;
    daemon.wait_for("fresh metrics", |metrics| metrics.sum("drain_observer_updated_boot_seconds", &[]) >= now)
}

/// Runs and seconds of a program.
type Runs = BTreeMap<&'static str, [f64; 2]>;

/// What the programs have run so far.
pub(super) fn runs(metrics: &Metrics) -> Runs {
    let sum = |name, hook| metrics.sum(name, &[("hook", hook)]);
    let runs = |hook| {
        [
            sum("drain_observer_program_runs_total", hook),
            sum("drain_observer_program_run_seconds_total", hook),
        ]
    };
    HOOKS.into_iter().map(|hook| (hook, runs(hook))).collect()
}

/// What one call took between two moments, ns, of the programs that ran.
pub(super) fn each(before: &Runs, after: &Runs) -> Vec<(&'static str, f64)> {
    let per_call = |(hook, after): (&&'static str, &[f64; 2])| {
        let before = before.get(hook)?;
        let calls = after[0] - before[0];
        (calls >= 1.0).then(|| (*hook, (after[1] - before[1]) / calls * 1e9))
    };
    after.iter().filter_map(per_call).collect()
}

/// While it lives, the kernel measures programs, which costs some: then it is as it was.
pub(super) struct Measuring {
    before: String,
}

impl Measuring {
    pub(super) fn begin() -> Result<Self> {
        let before = fs::read_to_string(STATISTICS)
            .with_context(|| format!("reading {STATISTICS}; does this kernel measure BPF programs?"))?;
        fs::write(STATISTICS, "1").with_context(|| format!("writing 1 to {STATISTICS}"))?;
        Ok(Self { before })
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        if let Err(error) = fs::write(STATISTICS, self.before.trim()) {
            eprintln!("bench: cannot write {} back to {STATISTICS}: {error}", self.before.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_the_time_between_by_the_calls_between() {
        let before = Runs::from([("a", [10.0, 1.0]), ("b", [5.0, 2.0])]);
        let after = Runs::from([("a", [30.0, 1.000_002]), ("b", [5.0, 2.0])]);
        let found = each(&before, &after);
        assert_eq!(found.len(), 1, "what did not run has no cost");
        assert!(found[0].0 == "a" && (found[0].1 - 100.0).abs() < 1e-3, "{found:?}");
    }
}
