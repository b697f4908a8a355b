//! What a scenario expects.
//!
//! ```text
//! expect restarts 1
//! expect services 1
//! expect lost 5                                 connections, in and outside restarts
//! expect restart 1 replace lossy [old 100 101] [new 200] [masters 100 200] [open|ended] [counts queue_reset 2 served 1]
//!     [cause signal TERM 900 -> 100 | exit 100 KILL [oom] | exec 100 | opened *:80 by 100 | closed *:80 by 100]
//!     [curve 4/0/2 2/1/0]                        connections of the old and new generation and queued, look by look
//!     [at listening +2.5 | at listening never] [repeats 2] [outgoing 1] [says THE REST OF THE LINE]
//! expect conn 10.0.0.1:5001..5003 queue_reset [restart 1|outside] [process 101|nobody] [cause ..] [says ..]
//! expect conn 10.0.0.1:5001 absent             (or nginx:301..303, clients of unix listeners)
//! expect service 1 [named puma:9292] [members 100 101] [listeners *:9292] [counts ..] [outside unanswered 1] [draining]
//! ```
//!
//! expect finding silent_listener [5600 3 0 1] [restart 1]       with the numbers that its type names first
//! expect no-finding silent_listener [restart 1]
//! expect findings [listener_gap no_blackout ..] [restart 1]     these and no others; restart 1 where none is named
//!
//! Counts are whole: what is not named is not there. Numbers count from one, in the order of beginning.

use super::expect_findings::{finding_id, found, numbers, of_restart};
use super::words::{Words, Wrong, place, signal, time};
use crate::correlate::{Cause, ConnectionFact, Finding, Outcome, RestartFact, ServiceFact, Snapshot, Times};
use crate::event::{BootNs, ListenerKey, Peer, signal_name};
use std::collections::{BTreeMap, BTreeSet};

/// One expectation.
#[derive(Debug)]
pub(super) enum Expectation {
    Restarts(usize),
    Services(usize),
    Lost(usize),
    Restart(usize, Vec<Clause>),
    Connection(Vec<Peer>, Vec<Clause>),
    Absent(Vec<Peer>),
    Service(usize, Vec<Clause>),
    Finding { id: String, numbers: Vec<u64>, restart: Option<usize> },
    NoFinding { id: String, restart: Option<usize> },
    Findings { ids: BTreeSet<String>, restart: usize },
}

/// One thing that is expected of a restart, connection or service.
#[derive(Debug)]
pub(super) enum Clause {
    /// Kind, verdict or outcome, by its word in JSON.
    Is(String),
    Counts(BTreeMap<Outcome, u64>),
    Outside(BTreeMap<Outcome, u64>),
    Old(Vec<u32>),
    New(Vec<u32>),
    Masters(Vec<u32>),
    Members(Vec<u32>),
    Listeners(Vec<ListenerKey>),
    Named(String),
    Open(bool),
    Cause(String),
    At(String, Option<BootNs>),
    Repeats(u32),
    Outgoing(u64),
    Curve(Vec<String>),
    State(String),
    Says(String),
    Of(Option<u32>),
    Process(Option<u32>),
}

impl Expectation {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, Wrong> {
        Ok(match words.next("what")? {
            "restarts" => Self::Restarts(words.number("how many")?),
            "services" => Self::Services(words.number("how many")?),
            "lost" => Self::Lost(words.number("how many")?),
            "restart" => Self::Restart(words.number("which")?, Clause::all(words)?),
            "service" => Self::Service(words.number("which")?, Clause::all(words)?),
            "conn" => {
                let peers = super::words::others(words.next("the client's end")?)?;
                if words.takes("absent") {
                    Self::Absent(peers)
                } else {
                    Self::Connection(peers, Clause::all(words)?)
                }
            }
            "finding" => Self::Finding {
                id: finding_id(words.next("which")?)?,
                numbers: numbers(words)?,
                restart: of_restart(words)?,
            },
            "no-finding" => {
                Self::NoFinding { id: finding_id(words.next("which")?)?, restart: of_restart(words)? }
            }
            "findings" => {
                let mut ids = BTreeSet::new();
                while words.peek().is_some_and(|word| word != "restart") {
                    ids.insert(finding_id(words.next("which")?)?);
                }
                Self::Findings { ids, restart: of_restart(words)?.unwrap_or(1) }
            }
            other => return Err(format!("`{other}` is nothing to expect")),
        })
    }

    /// What is not as expected.
    pub(super) fn check(&self, snapshot: &Snapshot) -> Vec<String> {
        let counted = |what: &str, expected: usize, found: usize| {
            (expected != found)
                .then(|| format!("{expected} {what} expected, {found} found"))
                .into_iter()
                .collect()
        };
        match self {
            Self::Restarts(expected) => counted("restarts", *expected, snapshot.restarts.len()),
            Self::Services(expected) => counted("services", *expected, snapshot.services.len()),
            Self::Lost(expected) => {
                let lost = snapshot.connections.iter().filter(|fact| fact.outcome.is_lost()).count();
                counted("lost connections", *expected, lost)
            }
            Self::Restart(number, clauses) => {
                let Some(fact) = number.checked_sub(1).and_then(|index| snapshot.restarts.get(index)) else {
                    return vec![format!("there is no restart {number}")];
                };
                let wrong =
                    |clause: &Clause| clause.of_restart(fact).map(|it| format!("restart {number}: {it}"));
                clauses.iter().filter_map(wrong).collect()
            }
            Self::Service(number, clauses) => {
                let Some(fact) = number.checked_sub(1).and_then(|index| snapshot.services.get(index)) else {
                    return vec![format!("there is no service {number}")];
                };
                let wrong =
                    |clause: &Clause| clause.of_service(fact).map(|it| format!("service {number}: {it}"));
                clauses.iter().filter_map(wrong).collect()
            }
            Self::Connection(peers, clauses) => {
                peers.iter().filter_map(|peer| check_connection(*peer, clauses, snapshot)).collect()
            }
            Self::Finding { id, numbers, restart } => {
                let of_id = || found(snapshot, *restart).filter(|finding| finding.id() == id);
                let right = |finding: &Finding| {
                    let known = finding.numbers();
                    numbers.len() <= known.len() && known.iter().zip(numbers).all(|(a, b)| a == b)
                };
                if of_id().any(right) {
                    return Vec::new();
                }
                let others: Vec<String> = of_id()
                    .map(|finding| format!("{:?} {}", finding.numbers(), finding.sentence()))
                    .collect();
                vec![format!("finding {id} {numbers:?} expected, found {others:?}")]
            }
            Self::NoFinding { id, restart } => {
                let of_id = found(snapshot, *restart).filter(|finding| finding.id() == id);
                of_id.map(|finding| format!("not expected: {id}: {}", finding.sentence())).collect()
            }
            Self::Findings { ids, restart } => {
                let known: BTreeSet<String> =
                    found(snapshot, Some(*restart)).map(|finding| finding.id().to_owned()).collect();
                let differs = differs(&format!("findings of restart {restart}"), ids, &known);
                let sentences: Vec<String> =
                    found(snapshot, Some(*restart)).map(|finding| finding.sentence()).collect();
                differs.map(|it| format!("{it}\n    {}", sentences.join("\n    "))).into_iter().collect()
            }
            Self::Absent(peers) => {
                let unexpected = snapshot
                    .connections
                    .iter()
                    .filter(|fact| peers.iter().any(|peer| is_peer(fact.peer, *peer)));
                unexpected.map(|fact| format!("{}: {:?} not expected", fact.peer, fact.outcome)).collect()
            }
        }
    }
}

/// A cause in a scenario's words.
pub(super) fn cause_words(cause: &Cause) -> String {
    match cause {
        Cause::Signal(fact) => {
            let sender = fact.sender.map_or_else(|| "kernel".to_owned(), |task| task.pid.to_string());
            format!("signal {} {sender} -> {}", short(fact.signal), fact.target.pid)
        }
        Cause::Exit { task, status, signal, oom, .. } => {
            let how = if *signal != 0 { short(u32::from(*signal)) } else { status.to_string() };
            format!("exit {} {how}{}", task.pid, if *oom { " oom" } else { "" })
        }
        Cause::Exec { task, .. } => format!("exec {}", task.pid),
        Cause::ListenerClosed { task, listener, .. } => format!("closed {} by {}", listener.local, task.pid),
        Cause::ListenerOpened { task, listener, .. } => format!("opened {} by {}", listener.local, task.pid),
    }
}

/// The word that an enum goes by in JSON.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|json| json.as_str().map(str::to_owned)).unwrap_or_default()
}

fn short(signal: u32) -> String {
    signal_name(signal).trim_start_matches("SIG").to_owned()
}

/// Processes are told by their numbers: the names of those that are not of a service are not known.
fn is_peer(found: Peer, wanted: Peer) -> bool {
    match (found, wanted) {
        (Peer::Process(found), Peer::Process(wanted)) => found.pid == wanted.pid,
        _ => found == wanted,
    }
}

fn check_connection(peer: Peer, clauses: &[Clause], snapshot: &Snapshot) -> Option<String> {
    let mut wrong = format!("{peer}: no such connection is kept");
    for fact in snapshot.connections.iter().filter(|fact| is_peer(fact.peer, peer)) {
        match clauses.iter().find_map(|clause| clause.of_connection(fact, snapshot)) {
            None => return None,
            Some(it) => wrong = format!("{peer}: {it} ({})", fact.evidence.join("; ")),
        }
    }
    Some(wrong)
}

impl Clause {
    fn all(words: &mut Words<'_>) -> Result<Vec<Self>, Wrong> {
        let mut clauses = Vec::new();
        while let Some(word) = words.optional() {
            clauses.push(Self::parse(word, words)?);
        }
        Ok(clauses)
    }

    fn parse(word: &str, words: &mut Words<'_>) -> Result<Self, Wrong> {
        Ok(match word {
            "counts" => Self::Counts(counts(words)?),
            "outside" if words.peek().is_some_and(|word| word == "none" || outcome(word).is_some()) => {
                Self::Outside(counts(words)?)
            }
            "outside" => Self::Of(None),
            "restart" => Self::Of(Some(words.number("which")?)),
            "process" => Self::Process(Some(words.number("pid")?)),
            "nobody" => Self::Process(None),
            "old" => Self::Old(words.pids()?),
            "new" => Self::New(words.pids()?),
            "masters" => Self::Masters(words.pids()?),
            "members" => Self::Members(words.pids()?),
            "listeners" => {
                let mut places = Vec::new();
                while let Some(place) = words.peek().and_then(|word| place(word).ok()) {
                    words.optional();
                    places.push(place);
                }
                Self::Listeners(places)
            }
            "named" => Self::Named(words.next("a name")?.to_owned()),
            "open" => Self::Open(true),
            "ended" => Self::Open(false),
            "cause" => Self::Cause(cause(words)?),
            "at" => {
                let step = words.next("a step")?.to_owned();
                let at = if words.takes("never") { None } else { Some(time(words.next("a time")?)?) };
                Self::At(step, at)
            }
            "repeats" => Self::Repeats(words.number("how often")?),
            "curve" => {
                let mut points = Vec::new();
                while let Some(point) = words.peek().filter(|word| word.contains('/')) {
                    words.optional();
                    points.push(point.to_owned());
                }
                Self::Curve(points)
            }
            "serving" | "draining" | "silent" => Self::State(word.to_owned()),
            "outgoing" => Self::Outgoing(words.number("how many")?),
            "says" => {
                let mut text = Vec::new();
                while let Some(word) = words.optional() {
                    text.push(word);
                }
                Self::Says(text.join(" "))
            }
            word if KNOWN.contains(&word) || outcome(word).is_some() => Self::Is(word.to_owned()),
            other => return Err(format!("`{other}` is nothing to expect")),
        })
    }

    fn of_restart(&self, fact: &RestartFact) -> Option<String> {
        let pids = |members: &[crate::correlate::MemberFact]| {
            let mut pids: Vec<u32> = members.iter().map(|member| member.pid).collect();
            pids.sort_unstable();
            pids
        };
        match self {
            Self::Is(expected) => {
                let (kind, verdict) = (word(&fact.kind), word(&fact.verdict));
                let right = *expected == kind || *expected == verdict;
                (!right).then(|| format!("{expected} expected, it is {kind} and {verdict}: {}", fact.reason))
            }
            Self::Counts(expected) => differs("counts", expected, &fact.counts),
            Self::Old(expected) => differs("old generation", expected, &pids(&fact.old)),
            Self::New(expected) => differs("new generation", expected, &pids(&fact.new)),
            Self::Masters(expected) => {
                let mut masters: Vec<u32> = fact
                    .old
                    .iter()
                    .chain(&fact.new)
                    .filter(|member| member.master)
                    .map(|member| member.pid)
                    .collect();
                masters.sort_unstable();
                differs("masters", expected, &masters)
            }
            Self::Open(open) => differs("open", open, &fact.ended.is_none()),
            Self::Cause(expected) => differs("cause", expected, &cause_words(&fact.cause)),
            Self::At(step, at) => match time_of(&fact.times, step) {
                Some(known) => differs(step, at, &known),
                None if step == "end" => differs(step, at, &fact.ended),
                None => Some(format!("`{step}` is no time of a restart")),
            },
            Self::Repeats(expected) => {
                let external = fact.signals.iter().filter(|signal| !signal.internal && signal.to_master);
                differs("repeats", expected, &external.map(|signal| signal.repeats).sum())
            }
            Self::Outgoing(expected) => differs("outgoing connections lost", expected, &fact.outgoing_lost),
            Self::Curve(expected) => {
                let points = fact.curve.iter();
                let points = points.map(|point| format!("{}/{}/{}", point.old, point.new, point.queued));
                differs("curve", expected, &points.collect())
            }
            Self::Says(text) => says(text, &fact.reason),
            _ => Some(format!("{self:?} is nothing that a restart has")),
        }
    }

    fn of_connection(&self, fact: &ConnectionFact, snapshot: &Snapshot) -> Option<String> {
        match self {
            Self::Is(expected) => differs("outcome", expected, &word(&fact.outcome)),
            Self::Of(expected) => {
                let number = fact.restart.and_then(|id| snapshot.restarts.iter().position(|it| it.id == id));
                differs("restart", expected, &number.map(|index| index as u32 + 1))
            }
            Self::Process(expected) => differs("process", expected, &fact.process.map(|task| task.pid)),
            Self::Cause(expected) => {
                let found = fact.cause.as_deref().map_or_else(|| "none".to_owned(), cause_words);
                differs("cause", expected, &found)
            }
            Self::Says(text) => says(text, &fact.evidence.join("; ")),
            _ => Some(format!("{self:?} is nothing that a connection has")),
        }
    }

    fn of_service(&self, fact: &ServiceFact) -> Option<String> {
        match self {
            Self::Named(expected) => differs("name", expected, &fact.name),
            Self::Members(expected) => {
                differs("members", expected, &fact.processes.iter().map(|process| process.pid).collect())
            }
            Self::Listeners(expected) => {
                differs("listeners", expected, &fact.listeners.iter().map(|listener| listener.key).collect())
            }
            Self::Counts(expected) => differs("counts", expected, &fact.counts),
            Self::Outside(expected) => differs("lost outside", expected, &fact.lost_outside_restarts),
            Self::State(expected) | Self::Is(expected) => differs("state", expected, &word(&fact.state)),
            _ => Some(format!("{self:?} is nothing that a service has")),
        }
    }
}

/// Kinds and verdicts.
const KNOWN: [&str; 14] = [
    "reload",
    "reexec",
    "upgrade",
    "replace",
    "takeover",
    "stop",
    "crash",
    "unknown",
    "clean",
    "lossy",
    "not_restarted",
    "stuck",
    "down",
    "inconclusive",
];

fn outcome(word: &str) -> Option<Outcome> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

fn counts(words: &mut Words<'_>) -> Result<BTreeMap<Outcome, u64>, Wrong> {
    let mut counts = BTreeMap::new();
    if words.takes("none") {
        return Ok(counts);
    }
    while let Some(outcome) = words.peek().and_then(outcome) {
        words.optional();
        counts.insert(outcome, words.number("how many")?);
    }
    Ok(counts)
}

fn cause(words: &mut Words<'_>) -> Result<String, Wrong> {
    Ok(match words.next("a cause")? {
        "signal" => {
            let name = words.next("a signal")?;
            signal(name)?;
            let sender = words.next("the sender")?;
            words.expects("->")?;
            format!("signal {name} {sender} -> {}", words.number::<u32>("pid")?)
        }
        "exit" => {
            let (pid, how) = (words.number::<u32>("pid")?, words.next("a status or signal")?);
            format!("exit {pid} {how}{}", if words.takes("oom") { " oom" } else { "" })
        }
        "exec" => format!("exec {}", words.number::<u32>("pid")?),
        verb @ ("opened" | "closed") => {
            let place = place(words.next("a place")?)?;
            words.expects("by")?;
            format!("{verb} {} by {}", place.local, words.number::<u32>("pid")?)
        }
        "none" => "none".to_owned(),
        other => return Err(format!("`{other}` is no cause")),
    })
}

fn time_of(times: &Times, step: &str) -> Option<Option<BootNs>> {
    Some(match step {
        "signal" => times.signal,
        "listener_closed" => times.listener_closed,
        "last_accept" => times.last_accept,
        "last_response" => times.last_response,
        "old_gone" => times.old_gone,
        "new_started" => times.new_started,
        "listening" => times.listening,
        "first_served" => times.first_served,
        _ => return None,
    })
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Option<String> {
    (expected != found).then(|| format!("{what}: {expected:?} expected, {found:?} found"))
}

fn says(text: &str, found: &str) -> Option<String> {
    (!found.contains(text)).then(|| format!("`{text}` expected, it says `{found}`"))
}
