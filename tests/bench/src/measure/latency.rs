//! How long a process takes to be made and end, and a signal to be sent and handled, with the observer and without.

use super::{Bench, Found};
use crate::companions::Companion;
use crate::results::{Row, Unit};
use crate::stats::{Side, Spread, pairs};
use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use std::process::{Command, Stdio};
use std::time::Instant;

const PROCESSES: u32 = 300;
/// Less than fit into the ring, so that none is lost.
const SIGNALS: u32 = 5_000;

pub(super) fn run(bench: &Bench) -> Result<Found> {
    let mut rows = compare(bench, "fork, exec and end of /bin/true", PROCESSES, make_process)?;
    let _handler = Handler::install()?;
    rows.extend(compare(bench, "a signal of those that restart servers (USR1)", SIGNALS, restarting_signal)?);
    rows.extend(compare(bench, "a signal of those that runtimes send all day (URG)", SIGNALS, other_signal)?);
    Ok(rows.into())
}

fn compare(bench: &Bench, what: &str, times: u32, act: fn() -> Result<()>) -> Result<Vec<Row>> {
    let measured = pairs(bench.pick(4, 10), |side| {
        let companion = if side == Side::With { Companion::Record(&[]) } else { Companion::Nothing };
        let beside = bench.place.start(companion)?;
        let began = Instant::now();
        (0..times).try_for_each(|_| act())?;
        let each = began.elapsed().as_secs_f64() / f64::from(times) * 1e9;
        beside.finish()?;
        Ok(each)
    })?;
    let [without, with] = [0, 1].map(|side| measured.iter().map(|pair| pair[side]).collect::<Vec<_>>());
    let ratios: Vec<f64> = measured.iter().map(|[without, with]| with / without).collect();
    Ok(vec![
        Row::new("latency", format!("{what}: ratio"), Unit::Ratio, Spread::of(&ratios)),
        Row::new("latency", format!("{what}: without"), Unit::Nanoseconds, Spread::of(&without)),
        Row::new("latency", format!("{what}: with"), Unit::Nanoseconds, Spread::of(&with)),
    ])
}

/// Makes a process that ends at once, and collects it.
pub(super) fn make_process() -> Result<()> {
    let status = Command::new("/bin/true").stdin(Stdio::null()).status().context("running /bin/true")?;
    ensure!(status.success(), "/bin/true ended with {status}");
    Ok(())
}

/// Sends this process a signal of a kind that the observer tells of; it is handled before this returns.
pub(super) fn restarting_signal() -> Result<()> {
    raise(Signal::SIGUSR1).context("sending a signal to this process")
}

/// Sends this process a signal of a kind that the observer leaves out; it is handled before this returns.
fn other_signal() -> Result<()> {
    raise(Signal::SIGURG).context("sending a signal to this process")
}

extern "C" fn handled(_: i32) {}

/// While it lives, the signals that are sent here are handled.
pub(super) struct Handler([(Signal, SigAction); 2]);

impl Handler {
    pub(super) fn install() -> Result<Self> {
        let action = SigAction::new(SigHandler::Handler(handled), SaFlags::SA_RESTART, SigSet::empty());
        let install = |signal| {
            // SAFETY: the handler does nothing, which is async-signal-safe.
            let before = unsafe { sigaction(signal, &action) };
            before.map(|before| (signal, before)).with_context(|| format!("handling {signal}"))
        };
        Ok(Self([install(Signal::SIGUSR1)?, install(Signal::SIGURG)?]))
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        for (signal, before) in &self.0 {
            // SAFETY: it is what was there before.
            let _ = unsafe { sigaction(*signal, before) };
        }
    }
}
