//! Whether this process may do what observing takes.

use rustix::thread::{CapabilitySet, capabilities};

/// A privilege that is missing, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Its name in capabilities(7).
    pub capability: &'static str,
    /// Without it nothing can be observed; without the others less is known of what ran before.
    pub required: bool,
    /// What it is for.
    pub purpose: &'static str,
}

/// Observing is not allowed here.
#[derive(Debug, thiserror::Error)]
#[error(
    "loading BPF programs is not allowed: {} missing; observing needs root, or CAP_BPF, CAP_PERFMON, \
     CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH; run with sudo", .0.join(" and ")
)]
pub struct NotAllowed(Vec<&'static str>);

/// Fails where a required privilege is missing.
pub fn check() -> Result<(), NotAllowed> {
    let required: Vec<_> =
        missing().iter().filter(|missing| missing.required).map(|m| m.capability).collect();
    if required.is_empty() { Ok(()) } else { Err(NotAllowed(required)) }
}

/// All that is missing.
pub fn missing() -> Vec<Missing> {
    // Where the kernel does not say, trying will tell.
    let effective = capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    missing_of(effective)
}

/// The names in capabilities(7) of everything that observing can use.
pub fn names() -> impl Iterator<Item = &'static str> {
    NEEDS.iter().map(|(_, missing)| missing.capability)
}

const NEEDS: [(CapabilitySet, Missing); 5] = [
    (CapabilitySet::BPF, Missing { capability: "CAP_BPF", required: true, purpose: "loading the probes" }),
    (
        CapabilitySet::PERFMON,
        Missing { capability: "CAP_PERFMON", required: true, purpose: "attaching the probes" },
    ),
    (
        CapabilitySet::SYS_PTRACE,
        Missing {
            capability: "CAP_SYS_PTRACE",
            required: false,
            purpose: "seeing which processes hold a listening socket",
        },
    ),
    (
        CapabilitySet::DAC_READ_SEARCH,
        Missing {
            capability: "CAP_DAC_READ_SEARCH",
            required: false,
            purpose: "reading other users' descriptors in /proc",
        },
    ),
    (
        CapabilitySet::SYS_ADMIN,
        Missing {
            capability: "CAP_SYS_ADMIN",
            required: false,
            purpose: "asking other network namespaces by sock_diag (without it /proc is read, which tells less)",
        },
    ),
];

fn missing_of(effective: CapabilitySet) -> Vec<Missing> {
    // CAP_SYS_ADMIN stands for both of these, and before Linux 5.8 it was all there was.
    let implied = CapabilitySet::BPF | CapabilitySet::PERFMON;
    let has = |capability: CapabilitySet| {
        effective.contains(capability)
            || implied.contains(capability) && effective.contains(CapabilitySet::SYS_ADMIN)
    };
    NEEDS.iter().filter(|(capability, _)| !has(*capability)).map(|(_, missing)| *missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_lacks_everything() {
        let missing = missing_of(CapabilitySet::empty());
        assert_eq!(missing.len(), NEEDS.len());
        assert_eq!(missing.iter().filter(|missing| missing.required).count(), 2);
    }

    #[test]
    fn sys_admin_may_load_and_attach() {
        let missing = missing_of(CapabilitySet::SYS_ADMIN);
        assert!(missing.iter().all(|missing| !missing.required));
        assert!(missing_of(CapabilitySet::all()).is_empty());
    }
}
