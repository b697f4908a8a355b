//! The machine that is measured on.

use anyhow::{Result, ensure};
use serde::Serialize;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// A machine that is busy for longer has other work.
const IDLE_WITHIN: Duration = Duration::from_secs(300);
/// The kernel takes its average every five seconds.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What results depend on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// Processors.
    pub(crate) cores: usize,
    /// Their model.
    pub(crate) cpu: String,
    /// Kernel release.
    pub(crate) kernel: String,
    /// Memory, bytes.
    pub(crate) memory: f64,
}

impl Machine {
    /// This one.
    pub(crate) fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            cores: crate::usage::cores(),
            cpu: value(&read("/proc/cpuinfo"), "model name").unwrap_or("an unknown processor").to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory: kib(&read("/proc/meminfo")).unwrap_or_default() * 1024.0,
        }
    }
}

/// Processes that wanted to run, on average over the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// Waits until the machine is left to what is measured: the build that came before counts for a minute or two. Gives
/// the load average then; `busy` is called with it once, if it has to be waited for.
pub(crate) fn wait_until_idle(busy: impl FnOnce(f64)) -> Result<f64> {
    let cores = crate::usage::cores();
    let load = load_average();
    if !is_idle(load, cores) {
        busy(load);
    }
    let began = Instant::now();
    loop {
        let load = load_average();
        if is_idle(load, cores) {
            return Ok(load);
        }
        ensure!(
            began.elapsed() < IDLE_WITHIN,
            "its load average is still {load:.1}, more than half of its {cores} cores: end what else runs and try again"
        );
        thread::sleep(LOOK_AGAIN);
    }
}

fn is_idle(load: f64, cores: usize) -> bool {
    load <= cores as f64 / 2.0
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim()))
}

fn kib(meminfo: &str) -> Option<f64> {
    value(meminfo, "MemTotal")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_cores_may_be_busy() {
        assert!(is_idle(1.0, 2) && !is_idle(1.1, 2));
    }

    #[test]
    fn values_are_read_by_name() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(value(cpuinfo, "model name"), Some("AMD EPYC"));
        assert_eq!(value(cpuinfo, "model"), None);
        assert_eq!(kib("MemTotal:       24685000 kB\nMemFree: 1 kB\n"), Some(24_685_000.0));
    }
}
