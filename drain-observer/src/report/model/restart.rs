//! A restart.

use super::{BelongsTo, CommandLine, ExitStatus, HostRef, Place, ProcessRef, Signal, Time};
use crate::correlate::{Outcome, RestartKind, Verdict};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A restart: from what began it until the old generation is gone and the new one has served.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Restart {
    /// Where, if the report is made from several journals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostRef>,
    /// Its id, unique across hosts and the same whenever the journal is read.
    pub id: String,
    /// Id of the service.
    pub service: String,
    /// Name of the service.
    pub service_name: String,
    /// How it went about.
    pub kind: RestartKind,
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// When it began.
    pub started_at: Time,
    /// When it ended; null = it was still under way when the observation ended.
    pub ended_at: Option<Time>,
    /// When it began, nanoseconds since boot.
    pub started_boot_ns: u64,
    /// When it ended, nanoseconds since boot.
    pub ended_boot_ns: Option<u64>,
    /// What happened when; null = it did not happen, or was not seen.
    pub times: RestartTimes,
    /// The same, nanoseconds since boot.
    pub times_boot_ns: RestartTimesBootNs,
    /// How long what took. Absent = one of its ends did not happen, or was not seen.
    pub durations: Durations,
    /// Connections by outcome, of those that were reported one by one.
    pub counts: BTreeMap<Outcome, u64>,
    /// Client connections that were lost.
    pub lost: u64,
    /// Connections opened by the old generation that died with data undelivered.
    pub outgoing_lost: u64,
    /// What began it.
    pub cause: Option<Cause>,
    /// The old generation, then the new one.
    pub generations: Vec<Generation>,
    /// Signals to and among the service's processes, in order of time.
    pub signals: Vec<SignalSent>,
    /// Diagnosed causes, the worst first.
    pub findings: Vec<Finding>,
    /// What each listener went through.
    pub silence: Vec<Silence>,
    /// Open connections of the generations, looked at once a second or more often; empty where nobody looked in time.
    pub in_flight: Vec<InFlight>,
    /// What happened, in order of time.
    pub timeline: Vec<Step>,
    /// Steps beyond the bound, which are not in `timeline`.
    pub steps_dropped: u64,
    /// Events that were lost while it was under way.
    pub events_lost: u64,
}

/// The open connections of a restart's generations at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct InFlight {
    /// Seconds since the restart began.
    pub relative_seconds: f64,
    /// Connections that the old generation held.
    pub old: u32,
    /// Connections that the new generation held, or of which the holder is not known.
    pub new: u32,
    /// Connections in the accept queues.
    pub queued: u32,
}

/// Moments of a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RestartTimes {
    /// The signal that began it was sent.
    pub signal: Option<Time>,
    /// A listener of the service had no listening socket left.
    pub listener_closed: Option<Time>,
    /// The old generation accepted nothing after this, of the connections seen to end.
    pub last_accept: Option<Time>,
    /// The old generation sent no response after this, of the connections seen to end.
    pub last_response: Option<Time>,
    /// The last process of the old generation ended.
    pub old_gone: Option<Time>,
    /// The new generation's first process, or image, began.
    pub new_started: Option<Time>,
    /// All listeners of the service had a socket, held by the new generation.
    pub listening: Option<Time>,
    /// The new generation sent its first response, of the connections seen to end.
    pub first_served: Option<Time>,
}

/// Moments of a restart, in nanoseconds since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[allow(missing_docs, reason = "the fields are those of RestartTimes")]
pub struct RestartTimesBootNs {
    pub signal: Option<u64>,
    pub listener_closed: Option<u64>,
    pub last_accept: Option<u64>,
    pub last_response: Option<u64>,
    pub old_gone: Option<u64>,
    pub new_started: Option<u64>,
    pub listening: Option<u64>,
    pub first_served: Option<u64>,
}

/// Durations of a restart, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Durations {
    /// From its beginning to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// From the signal, or the beginning, until the old generation was gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<f64>,
    /// Without a listener: from `listener_closed` to `listening`, if the latter came later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<f64>,
    /// From the new generation's beginning to its first response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<f64>,
}

/// What began a restart or a loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// What kind of thing.
    pub kind: CauseKind,
    /// The same in words.
    pub text: String,
    /// When, nanoseconds since boot.
    pub boot_ns: u64,
    /// The signal; null = it was none.
    pub signal: Option<Signal>,
    /// Who sent the signal; null = the kernel, or no signal.
    pub sender: Option<ProcessRef>,
    /// Who was to get the signal; null = no signal.
    pub target: Option<ProcessRef>,
    /// The process that exited, replaced its program, or opened or closed the listener.
    pub process: Option<ProcessRef>,
    /// How that process exited.
    pub exit: Option<ExitStatus>,
    /// The listener that was opened or closed.
    pub listener: Option<Place>,
}

/// Kinds of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A signal.
    Signal,
    /// A process ended by itself.
    Exit,
    /// The kernel killed a process for its memory.
    OutOfMemory,
    /// A process replaced its program without a signal.
    Exec,
    /// A listener was closed without a signal.
    ListenerClosed,
    /// A new listening socket took a place that was in use.
    ListenerOpened,
}

/// Processes of a service that were started together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Generation {
    /// Its id.
    pub id: String,
    /// It is the one that was to go.
    pub old: bool,
    /// Its processes.
    pub processes: Vec<GenerationProcess>,
}

/// A process of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GenerationProcess {
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
    /// When its program began: at its last exec, or with its life.
    pub image_since: Time,
    /// When it exited (or, in an old generation, replaced its program); null = it was alive at the end.
    pub exited_at: Option<Time>,
    /// How it exited; null = it did not.
    pub exit: Option<ExitStatus>,
    /// Connections that it closed while the restart was under way.
    pub connections: u32,
    /// Of these, lost.
    pub lost: u32,
}

/// A signal that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignalSent {
    /// When.
    pub at: Time,
    /// When, nanoseconds since boot.
    pub at_boot_ns: u64,
    /// Which.
    pub signal: Signal,
    /// By whom; null = the kernel.
    pub sender: Option<ProcessRef>,
    /// To whom.
    pub target: ProcessRef,
    /// The sender belongs to the service itself, as a master that ends its workers.
    pub internal: bool,
    /// The receiver is a master, or sole process, of the service.
    pub to_master: bool,
    /// The receiver ignores it, so the kernel dropped it.
    pub ignored: bool,
    /// What it did; null = it was not seen to be delivered.
    pub delivered: Option<Delivery>,
    /// How many more of the same followed from the same sender to the same receiver.
    pub repeats: u32,
    /// When the last of them was sent.
    pub last_at: Time,
}

/// A signal reached its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Delivery {
    /// When.
    pub at: Time,
    /// What it did.
    pub action: SignalAction,
}

/// What a signal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalAction {
    /// The default action: for most, death.
    Default,
    /// Nothing.
    Ignored,
    /// The process's handler ran.
    Handler,
}

/// One diagnosed cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Stable id.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, with its numbers.
    pub sentence: String,
    /// From what it follows: steps of the timeline, in words.
    pub evidence: Vec<String>,
    /// The same steps, by their index in `timeline`.
    pub steps: Vec<usize>,
    /// What to change.
    pub hint: String,
}

/// How long a listener was left alone. Durations in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Silence {
    /// Where.
    pub listener: Place,
    /// Inode of its network namespace.
    pub netns: u32,
    /// Somebody listens there at the end.
    pub listens: bool,
    /// How long nobody listened, at most.
    pub not_listening: f64,
    /// And at least: when a path's listener opens or closes, no event tells, but a look before and one after.
    pub not_listening_at_least: f64,
    /// When somebody listened and nobody accepted; null = no connection waited then.
    pub not_accepting: Option<NotAccepting>,
    /// The longest that a connection waited in the accept queue; null = none was seen.
    pub longest_wait: Option<Wait>,
    /// The deepest that the accept queue was seen.
    pub peak_queue: u32,
    /// Its limit (a queue holds one more).
    pub queue_limit: u32,
    /// Packets dropped at the listening sockets that closed, since each of them opened; at a path, clients turned away
    /// from its full queue.
    pub drops: u64,
    /// Clients refused because nobody listened.
    pub refused: u64,
}

/// When a listener was there and nobody accepted from it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NotAccepting {
    /// Since the old generation's last accept, or the end of its last acceptor.
    pub from: Time,
    /// Until the new generation's first accept where that is known, else its first response, or the listener's close; no
    /// later.
    pub until: Time,
    /// From `from` until `until`: so long at most.
    pub seconds: f64,
    /// So long at least.
    pub at_least_seconds: f64,
    /// `seconds` is no bound but so.
    pub exact: bool,
    /// Connections that waited meanwhile.
    pub waiting: u64,
    /// Of these, reset when the listener closed.
    pub reset: u64,
    /// Of these, given up by their clients.
    pub gave_up: u64,
}

/// How long a connection waited in an accept queue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Wait {
    /// How long.
    pub seconds: f64,
    /// It was so; otherwise it was this at most.
    pub exact: bool,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// It will lose connections on another day.
    Warning,
    /// It lost connections.
    Error,
}

/// One step of a restart.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Step {
    /// When.
    pub at: Time,
    /// When, nanoseconds since boot.
    pub at_boot_ns: u64,
    /// When, seconds after the restart's beginning.
    pub relative_seconds: f64,
    /// What kind of thing.
    pub kind: StepKind,
    /// What, in words.
    pub text: String,
    /// How many like it came together, itself included.
    pub count: u64,
    /// The process that it happened to, or that did it.
    pub process: Option<ProcessRef>,
    /// The signal, where it was one.
    pub signal: Option<Signal>,
    /// The outcome of the connections, where it is about some.
    pub outcome: Option<Outcome>,
    /// The listener, where it is about one.
    pub listener: Option<Place>,
}

/// Kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A signal was sent.
    Signal,
    /// A process of the service was born.
    Started,
    /// A process of the service replaced its program.
    Executed,
    /// A process of the service ended.
    Exited,
    /// A listening socket opened.
    ListenerOpened,
    /// A listening socket closed.
    ListenerClosed,
    /// Connections were lost.
    Lost,
    /// The new generation sent its first response.
    FirstServed,
    /// The old generation was gone.
    OldGone,
}
