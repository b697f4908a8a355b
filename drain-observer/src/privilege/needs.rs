//! The capabilities that observing takes: what is checked, what a daemon keeps, what `doctor` and the document list.

use rustix::thread::{CapabilitySet, capabilities};

/// A capability, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The capability alone.
    pub capability: CapabilitySet,
    /// Its name in capabilities(7).
    pub name: &'static str,
    /// Without it nothing can be observed; without the others less is known.
    pub required: bool,
    /// What it is for.
    pub purpose: &'static str,
    /// What is lost without it.
    pub without: &'static str,
}

/// All that observing takes, while it begins and while it goes on.
pub const NEEDS: [Need; 5] = [
    Need {
        capability: CapabilitySet::BPF,
        name: "CAP_BPF",
        required: true,
        purpose: "loading the probes, those of unix sockets whenever a listener of interest appears",
        without: "nothing can be observed",
    },
    Need {
        capability: CapabilitySet::PERFMON,
        name: "CAP_PERFMON",
        required: true,
        purpose: "loading probes that read kernel memory, and attaching them",
        without: "nothing can be observed",
    },
    Need {
        capability: CapabilitySet::SYS_PTRACE,
        name: "CAP_SYS_PTRACE",
        required: false,
        purpose: "seeing what other users' processes hold and run: /proc/PID/fd, exe, ns, cwd",
        without: "of listeners that were there before, the losses are told and the restarts not, as nobody knows who holds \
                  them; other network namespaces are not found",
    },
    Need {
        capability: CapabilitySet::DAC_READ_SEARCH,
        name: "CAP_DAC_READ_SEARCH",
        required: false,
        purpose: "opening other users' /proc/PID/fd, and the directories of their socket files",
        without: "who holds the listeners that were there before is not known until a process is seen at work there: \
                  restarts may be missed",
    },
    Need {
        capability: CapabilitySet::SYS_ADMIN,
        name: "CAP_SYS_ADMIN",
        required: false,
        purpose: "asking other network namespaces (containers) by sock_diag: setns(2)",
        without: "where there are such, their TCP listeners are read from /proc, without the limits of their queues; \
                  their unix listeners are not found, and reports say that they are incomplete",
    },
];

/// Observing is not allowed here.
#[derive(Debug, thiserror::Error)]
#[error(
    "loading BPF programs is not allowed: {} missing; observing needs root, or CAP_BPF, CAP_PERFMON, \
     CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH; run with sudo", .0.join(" and ")
)]
pub struct NotAllowed(Vec<&'static str>);

/// Fails where a required privilege is missing.
pub fn check() -> Result<(), NotAllowed> {
    let required: Vec<_> = missing().iter().filter(|need| need.required).map(|need| need.name).collect();
    if required.is_empty() { Ok(()) } else { Err(NotAllowed(required)) }
}

/// All that is missing.
pub fn missing() -> Vec<&'static Need> {
    // Where the kernel does not say, trying will tell.
    missing_of(capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective))
}

/// What of `permitted` is still needed when the probes are in place; CAP_SYS_ADMIN not where somebody does without it,
/// unless it stands for what nothing can be observed without.
pub(super) fn kept_of(permitted: CapabilitySet, drop_sys_admin: bool) -> CapabilitySet {
    let needed = NEEDS.iter().fold(CapabilitySet::empty(), |all, need| all | need.capability);
    let spare = drop_sys_admin && permitted.contains(IMPLIED);
    let unneeded = if spare { CapabilitySet::SYS_ADMIN } else { CapabilitySet::empty() };
    permitted & (needed - unneeded)
}

/// CAP_SYS_ADMIN stands for both of these: before Linux 5.8 it was all there was.
const IMPLIED: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::PERFMON);

fn missing_of(effective: CapabilitySet) -> Vec<&'static Need> {
    let has = |capability: CapabilitySet| {
        effective.contains(capability)
            || IMPLIED.contains(capability) && effective.contains(CapabilitySet::SYS_ADMIN)
    };
    NEEDS.iter().filter(|need| !has(need.capability)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_lacks_everything() {
        let missing = missing_of(CapabilitySet::empty());
        assert_eq!(missing.len(), NEEDS.len());
        assert_eq!(missing.iter().filter(|need| need.required).count(), 2);
    }

    #[test]
    fn sys_admin_may_load_and_attach() {
        let missing = missing_of(CapabilitySet::SYS_ADMIN);
        assert!(missing.iter().all(|need| !need.required));
        assert!(missing_of(CapabilitySet::all()).is_empty());
    }

    #[test]
    fn nothing_is_kept_that_is_not_needed() {
        let kept = kept_of(CapabilitySet::all(), false);
        assert_eq!(kept.bits().count_ones() as usize, NEEDS.len());
        assert_eq!(kept_of(CapabilitySet::all(), true), kept - CapabilitySet::SYS_ADMIN);
        let few = CapabilitySet::BPF | CapabilitySet::CHOWN;
        assert_eq!(kept_of(few, false), CapabilitySet::BPF, "nothing is kept that is not there");
        assert_eq!(kept_of(CapabilitySet::SYS_ADMIN, true), CapabilitySet::SYS_ADMIN, "it is all there is");
    }

    #[test]
    fn the_document_has_this_table() {
        let document = include_str!("../../docs/privileges.md");
        let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `CAP_")).collect();
        let row = |need: &Need| format!("| `{}` | {} | {} |", need.name, need.purpose, need.without);
        assert_eq!(rows, NEEDS.iter().map(row).collect::<Vec<_>>());
    }
}
