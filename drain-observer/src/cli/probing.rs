//! How the probes are set up: the same for every subcommand that observes.

use super::record;
use crate::kernel::{RingSize, Settings};
use crate::selection::Selection;
use clap::Args;

/// Not `next_help_heading`, which would also take what comes after these.
const HEADING: &str = "Probes";

/// What the probes are told.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Probing {
    /// Have the kernel tell when each TCP connection is accepted: how long clients waited in a queue, and how long nobody
    /// accepted, is then exact. Costs a little at each accept; where the kernel has no kprobes, at each system call
    #[arg(help_heading = HEADING, long)]
    accept_times: bool,
    /// Size of the ring buffer between kernel and observer, in bytes: a power of two
    #[arg(help_heading = HEADING, long, value_name = "BYTES", default_value_t)]
    ring_size: RingSize,
}

impl Probing {
    /// The first of these flags that was given another value than its default.
    pub(super) fn given(self) -> Option<&'static str> {
        let flags =
            [("--accept-times", self.accept_times), ("--ring-size", self.ring_size != RingSize::default())];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// What they are told where this is selected.
    pub(super) fn settings(self, selection: &Selection, all_connections: bool) -> Settings {
        Settings {
            ports: record::kernel_ports(selection),
            all_connections,
            accept_times: self.accept_times,
            ring_size: self.ring_size,
        }
    }
}
