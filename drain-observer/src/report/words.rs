//! Facts in words, for people: one clause each.

use crate::correlate::{Cause, Outcome, RestartKind, SignalFact, Step, StepKind, Verdict};
use crate::event::{Task, short_container, signal_name};

/// What became of a connection, and what its client saw.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Served => "a response followed the last request",
        Outcome::IdleClosed => "closed between requests, or before any",
        Outcome::ClientGone => "the client left with nothing outstanding",
        Outcome::TimedOut => "retransmission timeout (client: timeout)",
        Outcome::KilledByAdmin => "killed by `ss -K` or the like (client: reset)",
        Outcome::QueueReset => {
            "connected, never accepted, reset when the listener closed (client: ECONNRESET)"
        }
        Outcome::UnreadReset => "accepted, request never read, reset at close or kill (client: ECONNRESET)",
        Outcome::Unanswered => "request read, closed with no response to it (client: EOF or reset)",
        Outcome::Truncated => "response begun, its rest dropped (client: short body)",
        Outcome::LateRequest => "request came after the server had closed (client: EOF or reset)",
        Outcome::Refused => "connect while nobody listened (client: ECONNREFUSED or ENOENT)",
        Outcome::GaveUp => "the client left while its request waited (client: its own timeout)",
        Outcome::Overflowed => "turned away from a full accept queue (client: EAGAIN)",
        Outcome::Unknown => "cannot be told; the evidence says why",
    }
}

/// How a restart went about.
pub(crate) fn kind(kind: RestartKind) -> &'static str {
    match kind {
        RestartKind::Reload => "reload (same master, new workers)",
        RestartKind::Reexec => "reexec (same pid, new program)",
        RestartKind::Upgrade => "upgrade (new master beside the old)",
        RestartKind::Replace => "replace (stop, then start)",
        RestartKind::Takeover => "takeover (another process took over the listener)",
        RestartKind::Stop => "stop (no successor)",
        RestartKind::Crash => "crash (nobody asked for it)",
        RestartKind::Unknown => "restart of unknown kind",
    }
}

/// What a full queue cost: packets come again, clients of a path do not.
pub(crate) fn drops(at_a_path: bool, drops: u64) -> String {
    match at_a_path {
        true => format!("{drops} {} turned away", plural(drops, "client", "clients")),
        false => format!("{drops} {} dropped", plural(drops, "packet", "packets")),
    }
}

/// What a service of this name runs in that the name does not say: its unit, its container, its pod and that one's class.
pub(crate) fn runs_in(
    name: &str,
    unit: Option<&str>,
    container: Option<&str>,
    pod: Option<(&str, &str)>,
) -> Option<String> {
    let unit = unit.filter(|unit| unit.strip_suffix(".service").unwrap_or(unit) != name);
    let unit = unit.map(str::to_owned);
    let container = container.map(short_container).filter(|container| container != name);
    let container = container.map(|container| format!("container {container}"));
    let pod = pod.map(|(uid, class)| format!("pod {uid} ({class})"));
    let parts: Vec<String> = [unit, container, pod].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// So many characters of a command line are shown.
const MAX_COMMAND: usize = 240;

/// How a process was started, as much of it as a person reads; `truncated` = there is more.
pub(crate) fn command(arguments: &[String], truncated: bool) -> String {
    let text = arguments.join(" ");
    match text.char_indices().nth(MAX_COMMAND) {
        Some((end, _)) => format!("started as {} ...", &text[..end]),
        None if truncated => format!("started as {text} ..."),
        None => format!("started as {text}"),
    }
}

/// A verdict as a headline.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "CLEAN",
        Verdict::Lossy => "LOSSY",
        Verdict::NotRestarted => "NOT RESTARTED",
        Verdict::Stuck => "STUCK",
        Verdict::Down => "DOWN",
        Verdict::Inconclusive => "INCONCLUSIVE",
    }
}

/// What began a restart or a loss.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Signal(signal) => signal_sent(signal),
        Cause::Exit { task, oom: true, .. } => format!("the kernel killed {} for its memory", process(task)),
        Cause::Exit { task, status, signal, .. } => {
            format!("{} {}, unasked", process(task), exited(*status, *signal))
        }
        Cause::Exec { task, .. } => format!("{} replaced its program, unasked", process(task)),
        Cause::ListenerClosed { task, listener, .. } => {
            format!("{} closed the listener {}, unasked", process(task), listener.local)
        }
        Cause::ListenerOpened { task, listener, .. } => {
            format!("{} opened a listener at {}, which was in use", process(task), listener.local)
        }
    }
}

/// One step of a restart.
pub(crate) fn step(step: &Step) -> String {
    let count = u64::from(step.count.max(1));
    match &step.what {
        StepKind::Signal(signal) => {
            let ignored = if signal.ignored { ", ignored" } else { "" };
            let repeated = match signal.repeats {
                0 => String::new(),
                more => format!(", and {more} more of it until {:+.3}s", after(signal.last_at, step.at)),
            };
            format!("{}{ignored}{repeated}", signal_sent(signal))
        }
        StepKind::Started { task, parent } => format!("{} started by pid {parent}", process(task)),
        StepKind::Executed { task, file } => format!("{} replaced its program with {file}", process(task)),
        StepKind::Exited { task, status, signal, old } => {
            let whose = if *old { "old" } else { "new" };
            format!("{} of the {whose} generation {}", process(task), exited(*status, *signal))
        }
        StepKind::ListenerOpened { task, listener, limit } => {
            format!("{} listens at {} (queue limit {limit})", process(task), listener.local)
        }
        StepKind::ListenerClosed { task, listener, queue, left } => {
            let left = match left {
                0 => "nobody listens there now".to_owned(),
                1 => "1 listening socket is left there".to_owned(),
                left => format!("{left} listening sockets are left there"),
            };
            format!(
                "{} closed the listener {} with {queue} in its queue; {left}",
                process(task),
                listener.local
            )
        }
        StepKind::Lost { outcome, task } => {
            let by = task.as_ref().map(|task| format!(", by {}", process(task))).unwrap_or_default();
            format!("{count} {} lost: {}{by}", plural(count, "connection", "connections"), outcome.as_str())
        }
        StepKind::FirstServed { task } => {
            format!("first response of the new generation, by {}", process(task))
        }
        StepKind::OldGone => "the old generation is gone".to_owned(),
    }
}

/// How a process ended.
pub(crate) fn exited(status: u8, signal: u8) -> String {
    if signal == 0 {
        format!("exited with status {status}")
    } else {
        format!("died of {}", signal_name(signal.into()))
    }
}

/// One or several.
pub(crate) fn plural<'a>(count: u64, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

fn signal_sent(signal: &SignalFact) -> String {
    let sender = signal.sender.as_ref().map_or_else(|| "the kernel".to_owned(), process);
    format!("{} from {sender} to {}", signal_name(signal.signal), process(&signal.target))
}

pub(crate) fn process(task: &Task) -> String {
    if *task == Task::default() {
        return "an unknown process".to_owned();
    }
    if task.comm.as_str().is_empty() {
        return format!("pid {}", task.pid);
    }
    format!("{} (pid {})", task.comm, task.pid)
}

fn after(later: u64, earlier: u64) -> f64 {
    later.saturating_sub(earlier) as f64 / 1e9
}
