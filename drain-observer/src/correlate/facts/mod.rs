//! What the correlator concludes: plain data, times in boot-time nanoseconds, in the project's words.
//! Reports, screens and metrics are made from these and add nothing.

pub mod finding;
mod load;
mod outcome;
mod silence;
mod state;

pub use finding::{Finding, Found, Severity};
pub use load::{HeldFact, LoadFact, LoadPoint};
pub use outcome::Outcome;
pub use silence::{SilenceFact, Unaccepted, Wait};
pub use state::ServiceState;

use crate::event::{
    Attribution, BootNs, Comm, CommandLine, Hook, ListenerKey, Local, Peer, SignalAction, Task,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of a service, stable within one run or journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceId(pub u32);

/// Number of a restart, stable within one run or journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RestartId(pub u32);

/// How a restart went about it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RestartKind {
    /// Same master, new workers or listeners.
    Reload,
    /// Same pid, new image.
    Reexec,
    /// New master beside the old.
    Upgrade,
    /// Stop, then start.
    Replace,
    /// Another process took over while the old one still listened: descriptor passing, REUSEPORT.
    Takeover,
    /// No successor.
    Stop,
    /// It died by itself: a fault, the OOM killer, an exit that nobody asked for.
    Crash,
    /// Nothing came of it (yet).
    Unknown,
}

/// What is to be thought of a restart.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing lost, and nothing missed.
    Clean,
    /// Connections were lost.
    Lossy,
    /// It was asked for and did not happen.
    NotRestarted,
    /// The old generation is past its deadline.
    Stuck,
    /// The old generation is gone and nobody took its place.
    Down,
    /// Events were lost, or the observer came too late or left too early.
    Inconclusive,
}

/// Who sent which signal to whom, and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalFact {
    /// When it was sent.
    pub at: BootNs,
    /// Number.
    pub signal: u32,
    /// Sender; `None` = the kernel.
    pub sender: Option<Task>,
    /// Receiver.
    pub target: Task,
    /// The sender belongs to the service itself: a master to its worker, a new master to the old.
    pub internal: bool,
    /// The receiver is a master (or sole process) of the service.
    pub to_master: bool,
    /// The kernel dropped it at once, because the receiver ignores it.
    pub ignored: bool,
    /// When it was delivered and what it did then, if it was.
    pub delivered: Option<(BootNs, SignalAction)>,
    /// How many more of the same (signal, sender's process, receiver) followed, and when the last of them came.
    pub repeats: u32,
    /// Time of the last repeat; `at` where there was none.
    pub last_at: BootNs,
}

impl SignalFact {
    /// Whether its receiver ignores it: the kernel dropped it when it was sent, or when it was to be delivered.
    pub fn is_ignored(&self) -> bool {
        self.ignored || matches!(self.delivered, Some((_, SignalAction::Ignored)))
    }
}

/// What began a loss or a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cause {
    /// A signal.
    Signal(SignalFact),
    /// A process ended by itself.
    Exit {
        /// When.
        at: BootNs,
        /// Which process.
        task: Task,
        /// Exit status.
        status: u8,
        /// Signal that killed it, 0 for none.
        signal: u8,
        /// The OOM killer chose it.
        oom: bool,
    },
    /// A process replaced its program without being signalled.
    Exec {
        /// When.
        at: BootNs,
        /// Which process.
        task: Task,
    },
    /// A listener was closed without a signal.
    ListenerClosed {
        /// When.
        at: BootNs,
        /// By whom.
        task: Task,
        /// Which.
        listener: ListenerKey,
    },
    /// A new listening socket took a place that was in use.
    ListenerOpened {
        /// When.
        at: BootNs,
        /// By whom.
        task: Task,
        /// Which.
        listener: ListenerKey,
    },
}

/// A process in a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberFact {
    /// Process id.
    pub pid: u32,
    /// Process id in its own namespace, where that differs.
    pub inner_pid: Option<u32>,
    /// Name.
    pub comm: Comm,
    /// Executable, empty where unknown.
    pub executable: String,
    /// How it was started, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Box<CommandLine>>,
    /// What it belongs to; `None` = not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Box<Attribution>>,
    /// Its parent.
    pub parent: u32,
    /// When its life began.
    pub start: BootNs,
    /// When its image began: its last exec, or its life.
    pub image_since: BootNs,
    /// It has no parent in the service: a master, or a sole process.
    pub master: bool,
    /// When it ended (or, in an old generation, replaced its program).
    pub ended: Option<BootNs>,
    /// Exit status and killing signal, where it exited.
    pub exit: Option<(u8, u8)>,
    /// Connections that it closed while the restart was open: those it had accepted, and those in a listener's queue.
    pub connections: u32,
    /// Of these, accepted.
    pub accepted: u32,
    /// Of these, lost.
    pub lost: u32,
}

/// Times of a restart. All optional: what did not happen, or was not seen, is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The signal that began it.
    pub signal: Option<BootNs>,
    /// A listener of the service had no listening socket left.
    pub listener_closed: Option<BootNs>,
    /// The old generation accepted nothing established after this (a lower bound: of the connections seen to end).
    pub last_accept: Option<BootNs>,
    /// The old generation sent no response after this (of the connections seen to end).
    pub last_response: Option<BootNs>,
    /// The last process of the old generation ended.
    pub old_gone: Option<BootNs>,
    /// The new generation's first process (or image) began.
    pub new_started: Option<BootNs>,
    /// All listeners of the service had a socket and somebody of the new generation to hold it.
    pub listening: Option<BootNs>,
    /// The new generation sent its first response (of the connections seen to end).
    pub first_served: Option<BootNs>,
}

/// One step of a restart, for its timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: BootNs,
    /// What.
    pub what: StepKind,
    /// How many there were: losses of one kind in one go are one step.
    pub count: u32,
}

/// What a [`Step`] was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StepKind {
    /// A signal was sent.
    Signal(SignalFact),
    /// A process of the service was born.
    Started {
        /// The process.
        task: Task,
        /// Its parent.
        parent: u32,
    },
    /// A process of the service replaced its program.
    Executed {
        /// The process.
        task: Task,
        /// The file.
        file: String,
    },
    /// A process of the service ended.
    Exited {
        /// The process.
        task: Task,
        /// Exit status.
        status: u8,
        /// Signal that killed it, 0 for none.
        signal: u8,
        /// It was of the old generation.
        old: bool,
    },
    /// A listening socket opened.
    ListenerOpened {
        /// By whom.
        task: Task,
        /// Where.
        listener: ListenerKey,
        /// Queue limit.
        limit: u32,
    },
    /// A listening socket closed.
    ListenerClosed {
        /// By whom (the last to let go).
        task: Task,
        /// Where.
        listener: ListenerKey,
        /// Connections that waited in its queue.
        queue: u32,
        /// Listening sockets left there.
        left: u32,
    },
    /// Connections were lost.
    Lost {
        /// How.
        outcome: Outcome,
        /// The process that closed them, where known.
        task: Option<Task>,
    },
    /// The new generation sent its first response.
    FirstServed {
        /// The process.
        task: Task,
    },
    /// The old generation is gone.
    OldGone,
}

/// A connection, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionFact {
    /// What became of it.
    pub outcome: Outcome,
    /// Why that is thought, in words, most important first.
    pub evidence: Vec<String>,
    /// Server's end.
    pub local: Local,
    /// Client's end.
    pub peer: Peer,
    /// Inode of the network namespace.
    pub netns: u32,
    /// When the handshake was done, where known.
    pub established_at: Option<BootNs>,
    /// When it ended.
    pub ended_at: BootNs,
    /// The service, where its listener belongs to one.
    pub service: Option<ServiceId>,
    /// The restart that it fell to.
    pub restart: Option<RestartId>,
    /// The process that closed it, where it was closed by one.
    pub process: Option<Task>,
    /// What began its loss; for those of a restart, the restart's cause. Boxed: most connections have none.
    pub cause: Option<Box<Cause>>,
    /// Payload bytes received, where they are counted.
    pub bytes_received: Option<u64>,
    /// Payload bytes written, where they are counted.
    pub bytes_written: Option<u64>,
    /// Whether an earlier request on it had been answered, where that can be told.
    pub reused: Option<bool>,
    /// The process at the client's end, where that is on this host and known.
    pub client: Option<Task>,
    /// It was opened by the service, not by a client.
    pub outgoing: bool,
}

/// A service that lost connections to another one's restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProxyFact {
    /// The service.
    pub service: ServiceId,
    /// Its name.
    pub name: String,
    /// Its processes that lost any, the first of them.
    pub processes: Vec<Task>,
    /// How many connections.
    pub lost: u64,
}

/// A restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestartFact {
    /// Number.
    pub id: RestartId,
    /// Of which service.
    pub service: ServiceId,
    /// How.
    pub kind: RestartKind,
    /// What is to be thought of it, as of the snapshot.
    pub verdict: Verdict,
    /// Why that verdict, in one sentence.
    pub reason: String,
    /// When it began.
    pub started: BootNs,
    /// When it ended; `None` = still under way at the snapshot.
    pub ended: Option<BootNs>,
    /// What began it.
    pub cause: Cause,
    /// When what happened.
    pub times: Times,
    /// Connections by outcome, of those that were reported one by one.
    pub counts: BTreeMap<Outcome, u64>,
    /// Processes of the old generation.
    pub old: Vec<MemberFact>,
    /// Processes of the new generation.
    pub new: Vec<MemberFact>,
    /// Signals to and among the service's processes.
    pub signals: Vec<SignalFact>,
    /// What happened, in order of time.
    pub timeline: Vec<Step>,
    /// Steps beyond the bound that were not kept.
    pub steps_dropped: u64,
    /// Outgoing connections of the old generation that died with undelivered data.
    pub outgoing_lost: u64,
    /// Lost connections whose client sent another request just as the server closed an idle connection.
    pub raced: u64,
    /// Services of this host that lost connections to it, as proxies do.
    pub proxies: Vec<ProxyFact>,
    /// Events that were lost while it was open.
    pub events_lost: u64,
    /// What its listeners went through, by place.
    pub silence: Vec<SilenceFact>,
    /// Diagnosed causes, and what to change.
    pub findings: Vec<Found>,
    /// How its connections became fewer and more, as far as it was looked at.
    pub curve: Vec<LoadPoint>,
}

impl RestartFact {
    /// Number of connections lost.
    pub fn lost(&self) -> u64 {
        self.counts.iter().filter(|(outcome, _)| outcome.is_lost()).map(|(_, count)| count).sum()
    }

    /// Processes of the old generation that are still there and should not be: all but a master that survives a
    /// reload.
    pub fn old_left(&self) -> impl Iterator<Item = &MemberFact> {
        let reload = self.kind == RestartKind::Reload;
        self.old.iter().filter(move |member| member.ended.is_none() && !(reload && member.master))
    }
}

/// A listener of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerFact {
    /// Where.
    pub key: ListenerKey,
    /// Listening sockets there now.
    pub sockets: u32,
    /// Limit of its queue (the largest, of several sockets).
    pub limit: u32,
    /// Depth of its queue when last seen.
    pub queue: u32,
    /// Connections made, as the kernel counted.
    pub established: u64,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceFact {
    /// Number.
    pub id: ServiceId,
    /// By systemd service, container, or executable and port (or the last part of a path).
    pub name: String,
    /// What its masters belong to.
    #[serde(flatten)]
    pub attribution: Attribution,
    /// Executable of its masters, empty where unknown.
    pub executable: String,
    /// Its listeners.
    pub listeners: Vec<ListenerFact>,
    /// Its living processes.
    pub processes: Vec<MemberFact>,
    /// How it does.
    pub state: ServiceState,
    /// What it had open when it was last looked at, if it was.
    pub load: Option<LoadFact>,
    /// Connections by outcome since the observer came: reported one by one, plus those the kernel counted.
    pub counts: BTreeMap<Outcome, u64>,
    /// Lost connections outside any restart, by outcome.
    pub lost_outside_restarts: BTreeMap<Outcome, u64>,
    /// Connections of its own to other services of this host that those lost.
    pub upstream_lost: u64,
}

/// Everything, as of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The moment.
    pub at: BootNs,
    /// Time of the first event.
    pub from: BootNs,
    /// When the probes were in place; `None` = never seen.
    pub attached_at: Option<BootNs>,
    /// Observation ended in good order.
    pub ended: bool,
    /// The hooks and their state.
    pub hooks: Vec<Hook>,
    /// Remarks from start-up.
    pub notes: Vec<String>,
    /// Events lost, by what and why.
    pub lost_events: BTreeMap<(String, String), u64>,
    /// Bounds of the correlator that bit, and how often.
    pub bounds: BTreeMap<String, u64>,
    /// Services, by number.
    pub services: Vec<ServiceFact>,
    /// Restarts, by number.
    pub restarts: Vec<RestartFact>,
    /// Connections that are kept: the lost ones, and (where asked for) the others.
    pub connections: Vec<ConnectionFact>,
}
