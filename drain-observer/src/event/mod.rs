//! Everything the tool knows arrives as an [`Event`]: what the probes saw, what `/proc` and sock_diag
//! said, and what the observer has to say about itself. The journal stores events, the correlator
//! consumes them, nothing else reaches either.

mod attribution;
mod command;
mod kernel;
mod local;
mod observer;
mod path;
mod seen;
mod text;
mod unix;

pub use attribution::{Attribution, Pod, QosClass, short_container};
pub use command::CommandLine;
pub use kernel::{
    Connection, Executed, Exited, Flushed, Forked, Lingered, Listener, OomVictim, Reset, ResetKind,
    SignalAction, SignalDelivered, SignalGenerated, SignalResult, Standing, Task, TcpState, UpstreamFailed,
    flag,
};
pub use local::{ListenerKey, Local, Peer};
pub use observer::{Attached, ClockSet, CountedBy, Counts, Hook, HookState, Lost};
pub use path::UnixPath;
pub use seen::{Held, HeldListener, ListenerSeen, ProcessSeen, QueueSeen, Scanned, Surveyed, Unheld};
pub use text::{Comm, signal_name};
pub use unix::{
    UnixBind, UnixClosed, UnixEnd, UnixEnded, UnixHolderDied, UnixListener, UnixOpened, UnixRefused,
    UnixWatched,
};

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};

/// Nanoseconds of `CLOCK_BOOTTIME`: since boot, suspended time included.
pub type BootNs = u64;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it was recorded.
    pub at: BootNs,
    /// What it was.
    pub event: Kind,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A connection left the states in which it can be served.
    Connection(Connection),
    /// The last bytes of a closed connection arrived, or never will.
    Flushed(Flushed),
    /// Data came for a connection whose sending side alone had been shut down.
    Lingered(Lingered),
    /// A connection of a service to another one failed.
    UpstreamFailed(UpstreamFailed),
    /// A socket began to listen.
    ListenerOpened(Listener),
    /// A socket ceased to listen.
    ListenerClosed(Listener),
    /// The kernel answered a segment with a reset.
    Reset(Reset),
    /// A signal was sent.
    Signal(SignalGenerated),
    /// A signal reached its receiver.
    SignalDelivered(SignalDelivered),
    /// A process was born.
    Forked(Forked),
    /// A process replaced its program.
    Executed(Executed),
    /// A process ended.
    Exited(Exited),
    /// The kernel chose a process to kill for its memory.
    OomVictim(OomVictim),
    /// A unix listener was seen at work.
    UnixListener(UnixListener),
    /// A connection to a unix listener ended.
    UnixEnded(UnixEnded),
    /// A process died with unix connections.
    UnixHolderDied(UnixHolderDied),
    /// A client could not connect to a unix socket.
    UnixRefused(UnixRefused),
    /// Unix sockets are watched, or no longer.
    UnixWatched(UnixWatched),
    /// A unix listener was not there at the look before.
    UnixOpened(UnixOpened),
    /// A unix listener is no longer there.
    UnixClosed(UnixClosed),
    /// A listening socket that was found, not seen to open.
    ListenerSeen(ListenerSeen),
    /// A process as `/proc` describes it.
    ProcessSeen(ProcessSeen),
    /// Which listening sockets a process holds, all of them.
    Scanned(Scanned),
    /// What services had open.
    Surveyed(Surveyed),
    /// Something was dropped.
    Lost(Lost),
    /// What the kernel counted instead of reporting.
    Counts(Counts),
    /// The probes are in place and what was there before is known.
    Attached(Attached),
    /// The wall clock differs from what the journal's header says.
    ClockSet(ClockSet),
    /// Time has passed: deadlines up to `at` are due. Part of the journal so that a replay sees them the same.
    Tick,
    /// Observation ended in good order.
    Ended,
}

/// An address and port. v4-mapped IPv6 addresses are IPv4 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address.
    pub address: IpAddr,
    /// Port, 1..=65535; 0 where none was chosen yet.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint from the kernel's 16 bytes, in which IPv4 is v4-mapped.
    pub fn from_kernel(address: [u8; 16], port: u16) -> Self {
        Self { address: Ipv6Addr::from(address).to_canonical(), port }
    }

    /// Whether a listener at `self` takes connections for `local`. A `[::]` listener takes IPv4 ones too.
    pub fn accepts(&self, local: &Endpoint) -> bool {
        self.port == local.port
            && (self.address == local.address
                || match self.address {
                    IpAddr::V4(any) => any.is_unspecified() && local.address.is_ipv4(),
                    IpAddr::V6(any) => any.is_unspecified(),
                })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}
