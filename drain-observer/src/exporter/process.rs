//! What this process uses, as the kernel says: the metrics that every exporter has.

use super::family::{Family, FamilyKind};
use crate::clock;
use rustix::process::{Resource, getrlimit};
use std::fs;

/// The `process_` metrics, as far as `/proc` tells.
pub(super) fn families() -> Vec<Family> {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let mut families: Vec<Family> = stat.as_deref().and_then(Stat::parse).map_or_else(Vec::new, of_stat);
    if let Ok(fds) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory's own.
        let open = fds.count().saturating_sub(1);
        families.push(gauge("process_open_fds", "File descriptors open.").of(open as f64));
    }
    let limit = getrlimit(Resource::Nofile).current.map_or(f64::INFINITY, |limit| limit as f64);
    families.push(gauge("process_max_fds", "File descriptors that may be open.").of(limit));
    families
}

fn of_stat(stat: Stat) -> Vec<Family> {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let wall_minus_boot = clock::wall_minus_boot_ns() as f64 / 1e9;
    let resident = stat.resident_pages as f64 * rustix::param::page_size() as f64;
    vec![
        Family::new("process_cpu_seconds", FamilyKind::Counter, "User and system time spent.")
            .of(stat.cpu_ticks as f64 / ticks),
        gauge("process_resident_memory_bytes", "Memory resident.").of(resident),
        gauge("process_virtual_memory_bytes", "Virtual memory.").of(stat.virtual_bytes as f64),
        gauge("process_start_time_seconds", "When the process began, in seconds since 1970.").of(stat
            .start_ticks
            as f64
            / ticks
            + wall_minus_boot),
    ]
}

/// What is read of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name, in parentheses, may have anything in it; the fields after it are numbered from 3.
        let (_, after) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: number(14)?.checked_add(number(15)?)?,
            start_ticks: number(22)?,
            virtual_bytes: number(23)?,
            resident_pages: number(24)?,
        })
    }
}

fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(name, FamilyKind::Gauge, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 0 1 0 0 0 30 12 0 0 20 0 4 0 9000 8192 55 18446744073709551615";
        let stat = Stat { cpu_ticks: 42, start_ticks: 9_000, virtual_bytes: 8_192, resident_pages: 55 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_uses_something() {
        let names: Vec<&str> = families().iter().map(|family| family.name).collect();
        assert!(names.contains(&"process_cpu_seconds") && names.contains(&"process_open_fds"), "{names:?}");
    }
}
