//! The machine that is measured on.

use anyhow::{Result, ensure};
use serde::Serialize;
use std::fs;

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

/// Whether a load average leaves the machine to what is measured, and what to do if it does not.
pub(crate) fn check_idle(load: f64, cores: usize) -> Result<()> {
    let most = cores as f64 / 2.0;
    ensure!(
        load <= most,
        "its load average is {load:.1}, more than half of its {cores} cores: end what else runs, wait until `uptime` \
         says less than {most:.1} (a build that has just ended counts for a minute or two), and try again"
    );
    Ok(())
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
        assert!(check_idle(1.0, 2).is_ok());
        let error = check_idle(1.1, 2).expect_err("too much").to_string();
        assert!(
            error.contains("1.1, more than half of its 2 cores") && error.contains("`uptime`"),
            "{error}"
        );
    }

    #[test]
    fn values_are_read_by_name() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: other\n";
        assert_eq!(value(cpuinfo, "model name"), Some("AMD EPYC"));
        assert_eq!(value(cpuinfo, "model"), None);
        assert_eq!(kib("MemTotal:       24685000 kB\nMemFree: 1 kB\n"), Some(24_685_000.0));
    }
}
