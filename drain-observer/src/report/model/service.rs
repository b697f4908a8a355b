//! A service.

use super::{CommandLine, HostRef, Place, Time};
use crate::correlate::{Outcome, ServiceState};
use crate::event;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A Kubernetes pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pod {
    /// Its uid.
    pub uid: String,
    /// Its quality of service class: `guaranteed`, `burstable` or `best_effort`.
    pub qos_class: String,
}

/// What a process belongs to; what is absent it does not belong to, or that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BelongsTo {
    /// systemd unit, a scope included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Container, as `runtime:id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Kubernetes pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
}

impl From<&event::Attribution> for BelongsTo {
    fn from(attribution: &event::Attribution) -> Self {
        let event::Attribution { unit, container, pod } = attribution.clone();
        Self { unit, container, pod: pod.as_ref().map(Into::into) }
    }
}

impl From<&event::Pod> for Pod {
    fn from(pod: &event::Pod) -> Self {
        Self { uid: pod.uid.clone(), qos_class: pod.qos.as_str().to_owned() }
    }
}

/// What a person restarts: listeners, and the processes that accept from them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Service {
    /// Where, if the report is made from several journals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostRef>,
    /// Its id: the boot and the name.
    pub id: String,
    /// Its name: of the systemd service (without `.service`), of the container, or executable and port, or executable and
    /// last part of its path.
    pub name: String,
    /// systemd unit, a scope included.
    pub unit: Option<String>,
    /// Container, as `runtime:id`.
    pub container: Option<String>,
    /// Kubernetes pod.
    pub pod: Option<Pod>,
    /// Executable of its masters, empty where unknown.
    pub executable: String,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// Its processes at the end of the observation.
    pub processes: Vec<ServiceProcess>,
    /// How it does at the end of the observation.
    pub state: ServiceState,
    /// What it had open when it was last looked at; null = nobody looked.
    pub load: Option<Load>,
    /// Connections by outcome over the whole observation: those reported one by one, and those the kernel counted.
    pub counts: BTreeMap<Outcome, u64>,
    /// Lost connections outside any restart, by outcome.
    pub losses_outside_restarts: BTreeMap<Outcome, u64>,
    /// Connections that it had itself opened to other services of this host and that these lost, over the whole
    /// observation: whoever waited behind them got an error from it, which counts as a response, unless it tried again.
    pub upstream_lost: u64,
}

/// What a service had open at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Load {
    /// When it was looked at.
    pub at: Time,
    /// Connections in its accept queues.
    pub queued: u32,
    /// Connections accepted and still open.
    pub in_flight: u32,
    /// What each process held.
    pub held: Vec<HeldConnections>,
    /// Everything was looked at; otherwise there may have been more.
    pub complete: bool,
}

/// The open connections of one process, by what would become of them if it were killed at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldConnections {
    /// The process.
    pub pid: u32,
    /// Connections.
    pub open: u32,
    /// With bytes that it had not read: `unread_reset`.
    pub unread: u32,
    /// With a request read and not answered: `unanswered`.
    pub awaiting: u32,
    /// With a response that the client had not taken: possibly `truncated`.
    pub unsent: u32,
    /// The oldest had been open since this time or longer.
    pub oldest: Time,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listener {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Network namespace, by inode.
    pub netns: u32,
    /// Listening sockets there at the end of the observation; several with SO_REUSEPORT.
    pub sockets: u32,
    /// Limit of its accept queue.
    pub queue_limit: u32,
    /// Depth of its accept queue when last seen.
    pub queue: u32,
    /// Connections made, as the kernel counted.
    pub established: u64,
}

/// A process of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServiceProcess {
    /// Process id on the host.
    pub pid: u32,
    /// Process id in its own namespace, where that differs.
    pub inner_pid: Option<u32>,
    /// Name.
    pub comm: String,
    /// Executable, empty where unknown.
    pub executable: String,
    /// How it was started, where `--cmdline` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<CommandLine>,
    /// What it belongs to.
    #[serde(flatten)]
    pub belongs_to: BelongsTo,
    /// Its parent.
    pub parent: u32,
    /// It has no parent in the service.
    pub master: bool,
    /// When its life began.
    pub started_at: Time,
}
