//! Why the kernel side cannot be had.

use std::io;

use super::btf::{BtfError, KERNEL_BTF};
use crate::privilege::NotAllowed;

/// Why the probes could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No privilege.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The kernel does not describe itself.
    #[error(
        "{KERNEL_BTF} is not there: this kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted; \
         use a kernel that has it, as those of Debian, Ubuntu, Fedora and RHEL have"
    )]
    NoBtf,
    /// Its description cannot be read.
    #[error("cannot read {KERNEL_BTF}; may this process read /sys?")]
    ReadBtf(#[source] io::Error),
    /// Its description makes no sense.
    #[error("{KERNEL_BTF} is not understood")]
    Btf(#[from] BtfError),
    /// A required hook cannot work on this kernel.
    #[error("this kernel cannot be observed: {hook}: {reason}; Linux 6.1, 6.12 and 6.18 are known to work")]
    Unfit {
        /// The hook.
        hook: &'static str,
        /// What is missing.
        reason: String,
    },
    /// The kernel refuses what the capabilities allow.
    #[error(
        "the kernel refuses {what} although the capabilities are there: they are those of a user namespace, or a \
         security policy forbids BPF (lockdown, seccomp, an LSM, a container's profile); run as the host's root, \
         and allow bpf(2)"
    )]
    Refused {
        /// What was tried.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A required hook could not be loaded or attached.
    #[error(
        "cannot attach to {hook}: {reason}; `drain-observer doctor` shows every hook; please report this kernel"
    )]
    Attach {
        /// The hook.
        hook: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The embedded object or its maps could not be loaded.
    #[error(
        "cannot load the probes' maps: {0}; is there enough memory for --ring-size, are there enough descriptors \
         (ulimit -n)?"
    )]
    Load(String),
    /// The object lacks what this version expects.
    #[error("the embedded probes lack {0}: this build is broken, build it again")]
    Object(&'static str),
    /// A descriptor could not be had.
    #[error("cannot watch the ring buffer; is the limit of open files reached (ulimit -n)?")]
    Readiness(#[source] io::Error),
    /// Descriptors of programs and maps could not be had.
    #[error("cannot keep descriptors of the probes; is the limit of open files reached (ulimit -n)?")]
    Meters(#[source] io::Error),
}
