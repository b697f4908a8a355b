//! The report as it is published: every field here is part of the JSON interface and of its schema, so the types
//! are apart from the correlator's own. Times are RFC 3339 in UTC with nine digits; `*_boot_ns` is the same moment
//! in nanoseconds since boot, which no clock adjustment touches.

mod common;
mod completeness;
mod connection;
mod gate;
mod live;
mod place;
mod restart;
mod service;

pub use common::{CommandLine, ExitStatus, Host, HostRef, ProcessRef, Signal, Time, Tool};
pub use completeness::{Bound, Completeness, Hook, HookState, JournalHealth, LostEvents};
pub use connection::Connection;
pub use gate::Gate;
pub use live::LiveLine;
pub use place::{Address, Path, Peer, Place};
pub use restart::{
    Cause, CauseKind, Delivery, Durations, Finding, Generation, GenerationProcess, InFlight, NotAccepting,
    Restart, RestartTimes, RestartTimesBootNs, Severity, SignalAction, SignalSent, Silence, Step, StepKind,
    Wait,
};
pub use service::{BelongsTo, HeldConnections, Listener, Load, Pod, Service, ServiceProcess};

use crate::mask::Masking;
use schemars::JsonSchema;
use serde::Serialize;

/// Version of the report's format: raised when a field is removed or changes its meaning, not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// What drain-observer found: which restarts happened, and which client connections were lost, how and why.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Version of this format, 1.
    pub schema_version: u32,
    /// The program that made the report.
    pub tool: Tool,
    /// The machine that was observed; the first one, where the report is made from journals of several.
    pub host: Host,
    /// What time the report is about.
    pub window: Window,
    /// How the addresses of peers are masked, in any of the journals: then they are not the true ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_peers: Option<Masking>,
    /// Whether everything was seen, and what was not.
    pub completeness: Completeness,
    /// What the gate decided, in the output of `gate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Services, by name of the host and number.
    pub services: Vec<Service>,
    /// Restarts, in order of time.
    pub restarts: Vec<Restart>,
    /// Connections, in order of their ends: the lost ones, unless others were asked for.
    pub connections: Vec<Connection>,
    /// The journals that the report is made from, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub journals: Vec<JournalPart>,
}

/// What time the report is about: the time observed, or the part of it that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Window {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// Its beginning, nanoseconds since boot.
    pub from_boot_ns: u64,
    /// Its end, nanoseconds since boot.
    pub until_boot_ns: u64,
    /// Beginning of the time observed.
    pub observed_from: Time,
    /// End of the time observed.
    pub observed_until: Time,
    /// Restarts and connections outside `from` and `until` are left out, because a part of the time was asked for.
    pub clipped: bool,
}

/// One of several journals.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct JournalPart {
    /// The machine that was observed.
    pub host: Host,
    /// What time is reported from it.
    pub window: Window,
    /// How the addresses of peers are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_peers: Option<Masking>,
    /// Whether everything was seen, and what was not.
    pub completeness: Completeness,
}
