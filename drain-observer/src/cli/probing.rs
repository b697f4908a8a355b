//! How is observed: the same for every subcommand that does.

use super::record;
use crate::enrich::Extent;
use crate::kernel::{RingSize, Settings};
use crate::runtime::Observing;
use crate::selection::Selection;
use clap::Args;

/// Not `next_help_heading`, which would also take what comes after these.
const HEADING: &str = "Probes";

/// What the probes are told, and what is told of processes.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Probing {
    /// Have the kernel tell when each TCP connection is accepted: how long clients waited in a queue, and how long nobody
    /// accepted, is then exact. Costs a little at each accept; where the kernel has no kprobes, at each system call
    #[arg(help_heading = HEADING, long)]
    accept_times: bool,
    /// Size of the ring buffer between kernel and observer, in bytes: a power of two
    #[arg(help_heading = HEADING, long, value_name = "BYTES", default_value_t)]
    ring_size: RingSize,
    /// Note the command lines of services' processes, in journals and reports: they may hold passwords. Without this they
    /// are not kept, and what is in the environment never is
    #[arg(help_heading = HEADING, long)]
    cmdline: bool,
}

impl Probing {
    /// The first of these flags that was given another value than its default.
    pub(super) fn given(self) -> Option<&'static str> {
        let flags = [
            ("--accept-times", self.accept_times),
            ("--ring-size", self.ring_size != RingSize::default()),
            ("--cmdline", self.cmdline),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// How to observe where this is selected.
    pub(super) fn observing(self, selection: &Selection, all_connections: bool) -> Observing {
        let probes = Settings {
            ports: record::kernel_ports(selection),
            all_connections,
            accept_times: self.accept_times,
            ring_size: self.ring_size,
        };
        Observing { probes, extent: Extent { command_lines: self.cmdline } }
    }
}
