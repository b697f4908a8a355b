//! What the daemon uses of a processor, at rest and under load.

use super::programs::fresh;
use super::{Bench, Found};
use crate::results::{Budget, Row, Unit};
use crate::stats::Spread;
use crate::traffic::{Load, Server};
use crate::usage::Process;
use anyhow::{Context as _, Result};
use drain_observer_tests::daemon::{Daemon, Metrics};
use std::thread;
use std::time::{Duration, Instant};

/// Connections a second that a busy host has.
const BUSY: u32 = 10_000;

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let journals = bench.place.dir().join("steady");
    let args = ["--journal-dir", journals.to_str().context("the directory's name is no UTF-8; set TMPDIR")?];
    let daemon = Daemon::start("serve", &args)?;
    let span = Duration::from_secs(bench.pick(6, 30));
    let remembered = in_time_wait()?;
    let rest = used(&daemon, || {
        thread::sleep(span);
        Ok(())
    })?;
    let server = Server::on_tcp(4)?;
    let span = Duration::from_secs(bench.pick(4, 10));
    let mut rate = 0.0;
    let busy = used(&daemon, || {
        rate = Load::churn(span).rate(BUSY).run(&server, &[])?.rate();
        Ok(())
    })?;
    daemon.stop()?;
    let came = format!(
        "{:.0} events/s came, what else runs on this machine among them; the kernel remembered {remembered} closed \
         connections (TIME_WAIT)",
        rest.events
    );
    let made = format!("{rate:.0} connections/s were made, {:.0} events/s came", busy.events);
    Ok(vec![
        Row::new("steady", "serve at rest: CPU", Unit::PercentOfCore, rest.percent)
            .must(Budget::AtMost(0.2))
            .note(came),
        Row::new("steady", "serve at rest: wakeups", Unit::PerSecond, rest.wakeups),
        Row::new("steady", format!("serve at {BUSY} connections/s: CPU"), Unit::PercentOfCore, busy.percent)
            .note(made),
        Row::new("steady", format!("serve at {BUSY} connections/s: wakeups"), Unit::PerSecond, busy.wakeups),
    ]
    .into())
}

/// Connections in TIME_WAIT, in this network namespace.
fn in_time_wait() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat").context("reading /proc/net/sockstat")?;
    let tcp = text.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let count = tcp.split_whitespace().skip_while(|word| *word != "tw").nth(1);
    count.and_then(|count| count.parse().ok()).context("/proc/net/sockstat says nothing of TIME_WAIT")
}

struct Used {
    percent: Spread,
    wakeups: Spread,
    /// That the daemon took in, a second.
    events: f64,
}

fn used(daemon: &Daemon, act: impl FnOnce() -> Result<()>) -> Result<Used> {
    // When the numbers were taken, and how many events it had been: pages come once a second, not when they are asked for.
    let page = || {
        let of = |metrics: Metrics| {
            ["drain_observer_updated_boot_seconds", "drain_observer_events_total"]
                .map(|name| metrics.sum(name, &[]))
        };
        fresh(daemon).map(of)
    };
    let [page_before, events_before] = page()?;
    let (began, before) = (Instant::now(), Process::now(daemon.pid())?);
    act()?;
    let (seconds, after) = (began.elapsed().as_secs_f64(), Process::now(daemon.pid())?);
    let [page_after, events_after] = page()?;
    Ok(Used {
        percent: Spread::from((after.cpu - before.cpu) / seconds * 100.0),
        wakeups: Spread::from((after.sleeps - before.sleeps) as f64 / seconds),
        events: (events_after - events_before) / (page_after - page_before),
    })
}
