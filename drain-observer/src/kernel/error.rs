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
         use a distribution's kernel of 5.8 or later, or build one with that option"
    )]
    NoBtf,
    /// Its description cannot be read.
    #[error("cannot read {KERNEL_BTF}: {0}; may this process read /sys?")]
    ReadBtf(#[source] io::Error),
    /// Its description makes no sense.
    #[error("{KERNEL_BTF} is not understood")]
    Btf(#[from] BtfError),
    /// A required hook cannot work on this kernel.
    #[error("this kernel cannot be observed: {hook}: {reason}; Linux 5.17 and later on x86-64 and arm64 can")]
    Unfit {
        /// The hook.
        hook: &'static str,
        /// What is missing.
        reason: String,
    },
    /// The kernel refuses what the capabilities allow.
    #[error(
        "the kernel refuses {what} although the capabilities are there ({source}): a security policy forbids BPF \
         (lockdown, seccomp, an LSM, or a container's profile); allow bpf(2) there, or run on the host itself"
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
    #[error("cannot load the probes' maps: {0}; is there enough memory, or is --ring-size too large?")]
    Load(String),
    /// The object lacks what this version expects.
    #[error("the embedded probes lack {0}: this build is broken, build it again")]
    Object(&'static str),
    /// A descriptor could not be had.
    #[error("cannot watch the ring buffer: {0}; is the limit of open files reached?")]
    Readiness(#[source] io::Error),
}
