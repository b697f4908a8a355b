//! What a restart is found to suffer from: each cause with its numbers and the steps of the timeline that it rests on.

use super::{ProxyFact, Unaccepted};
use crate::event::{BootNs, ListenerKey, Task};
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// It will lose connections on another day.
    Warning,
    /// It lost connections.
    Error,
}

/// A finding, with what to change on the server at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What was found.
    pub finding: Finding,
    /// What to change.
    pub hint: String,
}

/// One diagnosed cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is documented with its own type")]
pub enum Finding {
    RestartDidNotHappen(RestartDidNotHappen),
    SignalIgnored(SignalIgnored),
    RepeatedSignal(RepeatedSignal),
    GroupSignal(GroupSignal),
    SilentListener(SilentListener),
    ListenerOutlivedWorkers(ListenerOutlivedWorkers),
    ListenerGap(ListenerGap),
    NoBlackout(NoBlackout),
    AcceptQueueOverflow(AcceptQueueOverflow),
    ReuseportQueueLost(ReuseportQueueLost),
    ReplacedQueueLost(ReplacedQueueLost),
    KilledWhileDraining(KilledWhileDraining),
    CrashedWhileDraining(CrashedWhileDraining),
    ResidualGeneration(ResidualGeneration),
    ResponseCutOff(ResponseCutOff),
    KeepaliveRace(KeepaliveRace),
    OutgoingWorkLost(OutgoingWorkLost),
    UpstreamLost(UpstreamLost),
}

impl Finding {
    /// Its stable id.
    pub fn id(&self) -> &'static str {
        match self {
            Self::RestartDidNotHappen(_) => "restart_did_not_happen",
            Self::SignalIgnored(_) => "signal_ignored",
            Self::RepeatedSignal(_) => "repeated_signal",
            Self::GroupSignal(_) => "group_signal",
            Self::SilentListener(_) => "silent_listener",
            Self::ListenerOutlivedWorkers(_) => "listener_outlived_workers",
            Self::ListenerGap(_) => "listener_gap",
            Self::NoBlackout(_) => "no_blackout",
            Self::AcceptQueueOverflow(_) => "accept_queue_overflow",
            Self::ReuseportQueueLost(_) => "reuseport_queue_lost",
            Self::ReplacedQueueLost(_) => "replaced_queue_lost",
            Self::KilledWhileDraining(_) => "killed_while_draining",
            Self::CrashedWhileDraining(_) => "crashed_while_draining",
            Self::ResidualGeneration(_) => "residual_generation",
            Self::ResponseCutOff(_) => "response_cut_off",
            Self::KeepaliveRace(_) => "keepalive_race",
            Self::OutgoingWorkLost(_) => "outgoing_work_lost",
            Self::UpstreamLost(_) => "upstream_lost",
        }
    }
}

/// `restart_did_not_happen`: "SIGHUP from sv (pid 900) to puma (pid 100) restarted nothing: 9.0 s later it is the same
/// process with the same program, workers and listeners"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestartDidNotHappen {
    /// The signal that asked for it.
    pub signal: u32,
    /// Who sent it; `None` = the kernel.
    pub sender: Option<Task>,
    /// Who got it, before and after the same.
    pub target: Task,
    /// For how long nothing came of it.
    pub watched: BootNs,
    /// It may have been meant for the log files alone.
    pub may_reopen_logs: bool,
    /// The master passed it on to its workers, as it does to have them reopen their logs.
    pub passed_on: bool,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `signal_ignored`: "nginx (pid 100) ignores SIGUSR2, which bash (pid 900) sent it: the kernel dropped it"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalIgnored {
    /// Which.
    pub signal: u32,
    /// Who sent it; `None` = the kernel.
    pub sender: Option<Task>,
    /// Who ignores it.
    pub target: Task,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `repeated_signal`: "SIGHUP was sent to puma (pid 100) 3 times within 3.8 s, by h (pid 300) first"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepeatedSignal {
    /// Which.
    pub signal: u32,
    /// Who sent the first; `None` = the kernel.
    pub sender: Option<Task>,
    /// Who got them.
    pub target: Task,
    /// How many there were.
    pub times: u64,
    /// From the first to the last.
    pub within: BootNs,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `group_signal`: "dyno (pid 10) sent SIGTERM to puma (pid 100) and at once to 2 processes below it, so that the master
/// could not drain them; 1 of them was gone before it; they lost 3 connections"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupSignal {
    /// Which.
    pub signal: u32,
    /// Who sent it; `None` = the kernel, for a terminal.
    pub sender: Option<Task>,
    /// The master that got it.
    pub master: Task,
    /// Its workers that got it from the same sender.
    pub workers: Vec<u32>,
    /// Of these workers, gone before the master.
    pub gone_before: u64,
    /// Connections that these workers lost.
    pub lost: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `silent_listener`: "for 5.6 s somebody listened at 0.0.0.0:9292 and nobody accepted: 3 connections waited, 0 were
/// reset and 1 was given up by its client; the queue was 3 deep (limit 1024)"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilentListener {
    /// Where.
    pub listener: ListenerKey,
    /// When, and how many waited.
    pub unaccepted: Unaccepted,
    /// The deepest that the queue was seen.
    pub peak_queue: u32,
    /// Its limit.
    pub queue_limit: u32,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `listener_outlived_workers`: "puma (pid 100) kept 0.0.0.0:9292 open for 2.0 s after the last of 1 worker had ended:
/// the kernel went on accepting for nobody, with 4 connections in the queue at the close"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerOutlivedWorkers {
    /// Where.
    pub listener: ListenerKey,
    /// Who kept it.
    pub holder: Task,
    /// How long.
    pub kept: BootNs,
    /// How many workers there had been.
    pub workers: u64,
    /// Connections in its queue when it closed.
    pub queue: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `listener_gap`: "nobody listened at 0.0.0.0:8080 for 39.0 s: 1 connection was refused"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListenerGap {
    /// Where.
    pub listener: ListenerKey,
    /// How long, so far, at most.
    pub gap: BootNs,
    /// And at least.
    pub at_least: BootNs,
    /// Nobody listens there yet.
    pub open: bool,
    /// SYNs refused.
    pub refused: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `no_blackout`: "connections kept coming to 0.0.0.0:7000 until 0.150 s before it closed, 1.0 s after SIGTERM, and 9
/// were refused then: nothing had warned the load balancer"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoBlackout {
    /// Where.
    pub listener: ListenerKey,
    /// From the last connection's arrival to the close.
    pub before: BootNs,
    /// From the signal to the close.
    pub after_signal: BootNs,
    /// SYNs refused.
    pub refused: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `accept_queue_overflow`: "the accept queue of 0.0.0.0:7000 was full (5 waiting, limit 4): 12 packets were dropped and
/// 1 client that believed itself connected was reset"; where the listener did not close, which is when it tells, "how
/// many packets were dropped is not known"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptQueueOverflow {
    /// Where.
    pub listener: ListenerKey,
    /// The deepest that the queue was seen.
    pub peak_queue: u32,
    /// Its limit; a queue holds one more.
    pub queue_limit: u32,
    /// Packets dropped at its sockets since they opened, or clients that a full queue at a path turned away; `None` = no
    /// socket of it closed and told.
    pub drops: Option<u64>,
    /// Clients that believed themselves connected while the server had dropped their handshake.
    pub reset: u64,
    /// How long the longest waited at most, if that is known.
    pub longest_wait: Option<BootNs>,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `reuseport_queue_lost`: "a listening socket of 0.0.0.0:7000 closed with 2 connections in its queue while 1 other
/// socket listened on there: they were reset, not handed over"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReuseportQueueLost {
    /// Where; the first such place.
    pub listener: ListenerKey,
    /// Sockets that closed so.
    pub sockets: u64,
    /// Connections in their queues.
    pub queue: u64,
    /// Sockets that listened on after the last of them.
    pub left: u32,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `replaced_queue_lost`: "1 listening socket of /run/app.sock closed with 2 connections queued after another had been
/// bound to its path: they were reset, not handed over"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplacedQueueLost {
    /// Where; the first such path.
    pub listener: ListenerKey,
    /// Sockets that closed so.
    pub sockets: u64,
    /// Connections in their queues.
    pub queue: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `killed_while_draining`: "1 process (pid 101) was killed with SIGKILL by gunicorn (pid 100), 30.0 s after SIGTERM had
/// asked it to go; 3 connections were lost with it"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KilledWhileDraining {
    /// Who was killed.
    pub pids: Vec<u32>,
    /// Who killed the first.
    pub sender: Option<Task>,
    /// How long after the restart began.
    pub after: BootNs,
    /// Connections that those processes lost.
    pub lost: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `crashed_while_draining`: "1 process of the old generation did not end in good order while it drained: pid 100 exited
/// with status 1; 0 connections were lost by that"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrashedWhileDraining {
    /// Who, and how.
    pub processes: Vec<Ended>,
    /// Connections that those processes lost.
    pub lost: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// How a process crashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub pid: u32,
    /// Exit status.
    pub status: u8,
    /// Signal, 0 for none.
    pub signal: u8,
}

/// `residual_generation`: "1 process (pid 101) of the old generation stayed 68.0 s after the new one had first served and
/// is still there; 0 connections lost by that"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResidualGeneration {
    /// Who stayed.
    pub pids: Vec<u32>,
    /// Of these, still there at the snapshot.
    pub still_there: u64,
    /// The longest that one stayed after the new generation first served, or (without one) after the restart began.
    pub stayed: BootNs,
    /// A new generation served meanwhile.
    pub beside_new: bool,
    /// Past the deadline after which an old generation is stuck.
    pub past_deadline: bool,
    /// Connections that those processes lost, as to a hard stop.
    pub lost: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `response_cut_off`: "1 response was cut off: begun, and its rest dropped"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseCutOff {
    /// How many.
    pub truncated: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `keepalive_race`: "2 requests came on keep-alive connections that the server was closing, or had closed, as idle"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeepaliveRace {
    /// How many.
    pub raced: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

/// `outgoing_work_lost`: "1 connection that the old generation had opened itself died with data undelivered"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutgoingWorkLost {
    /// How many connections.
    pub connections: u64,
    /// Steps: the ends of the processes that can have had them.
    pub evidence: Vec<usize>,
}

/// `upstream_lost`: "nginx:80 (pids 7, 8) had 4 connections to it and lost them: whoever waited for these got an error
/// of its own (502, 504), which counts as a response there"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamLost {
    /// The services that lost connections to this one, the one with most first.
    pub proxies: Vec<ProxyFact>,
    /// How many connections in all.
    pub lost: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}
