//! Who a process is and what it may do, thread by thread, as `/proc/PID/task/*/status` has it.

use std::fs;

use anyhow::{Context as _, Result};

/// What one thread is and may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its users: real, effective, saved, and of the file system.
    pub users: Vec<u32>,
    /// Its groups, likewise.
    pub groups: Vec<u32>,
    /// Its further groups.
    pub further_groups: Vec<u32>,
    /// Its sets of capabilities, a bit for each number.
    pub capabilities: Capabilities,
    /// Whether no program can give it more.
    pub no_new_privs: bool,
}

/// Sets of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sets are the kernel's")]
pub struct Capabilities {
    pub effective: u64,
    pub permitted: u64,
    pub bounding: u64,
    pub inheritable: u64,
    pub ambient: u64,
}

/// Of every thread of a process.
pub fn of_threads(pid: i32) -> Result<Vec<Status>> {
    let tasks = format!("/proc/{pid}/task");
    let mut threads = Vec::new();
    for task in fs::read_dir(&tasks).with_context(|| format!("listing {tasks}"))? {
        let path = task?.path().join("status");
        // A thread may be gone by now.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        threads.push(parse(&text).with_context(|| format!("{} is not understood", path.display()))?);
    }
    Ok(threads)
}

fn parse(text: &str) -> Option<Status> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let numbers = |name: &str| -> Option<Vec<u32>> {
        field(name)?.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
    };
    let set = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
    Some(Status {
        name: field("Name:")?.to_owned(),
        users: numbers("Uid:")?,
        groups: numbers("Gid:")?,
        further_groups: numbers("Groups:")?,
        capabilities: Capabilities {
            effective: set("CapEff:")?,
            permitted: set("CapPrm:")?,
            bounding: set("CapBnd:")?,
            inheritable: set("CapInh:")?,
            ambient: set("CapAmb:")?,
        },
        no_new_privs: field("NoNewPrivs:")? == "1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_somebody() {
        let pid = i32::try_from(std::process::id()).expect("a pid fits an int");
        let threads = of_threads(pid).expect("this process is there");
        let own = nix::unistd::geteuid().as_raw();
        assert!(threads.iter().all(|thread| thread.users[1] == own), "{threads:?}");
        assert_eq!(parse("Name:\tx\n"), None);
    }
}
