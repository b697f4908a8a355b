//! The correlator: events in, facts out. It does no IO, reads no clock, draws no random numbers and
//! iterates over nothing unordered, so the same events always lead to the same facts. Everything it
//! keeps is bounded, and each bound counts how often it bit.

mod by_place;
mod connections;
mod facts;
pub(crate) mod findings;
mod forget;
mod judge;
mod judge_unix;
mod kinship;
mod limits;
mod listener;
mod lives;
mod load;
mod losses;
mod naming;
mod process;
mod recap;
mod reporting;
mod restart;
mod restarts;
mod revisions;
mod service;
mod signals;
mod silence;
mod snapshot;
mod sockets;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod unix;
mod upstream;
mod verdict;

pub use facts::{
    Cause, ConnectionFact, Finding, Found, HeldFact, ListenerFact, LoadFact, LoadPoint, MemberFact, Outcome,
    ProxyFact, RestartFact, RestartId, RestartKind, ServiceFact, ServiceId, ServiceState, Severity,
    SignalFact, SilenceFact, Snapshot, Step, StepKind, Times, Unaccepted, Verdict, Wait, finding,
};
pub use judge::{Closer, Judgement, judge};
pub use limits::Config;
pub(crate) use verdict::RELOAD_SHOWS_WITHIN;

use crate::event::{BootNs, CountedBy, Event, Hook, Kind, Lost};
use connections::{Connections, Ends};
use limits::Bounds;
use listener::{Counted, Listeners};
use process::Processes;
use restart::Restart;
use service::Services;
use silence::Between;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use upstream::Upstreams;

/// What the correlator would like to know, or have done. Whoever runs it live does it and answers with
/// events; in a replay nobody does, because the answers are in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Say what `/proc` says of a process: answered by [`Kind::ProcessSeen`].
    Describe {
        /// The process.
        pid: u32,
    },
    /// Say which listening sockets a process holds: answered by [`Kind::Scanned`].
    Scan {
        /// The process.
        pid: u32,
    },
    /// Report each connection of a port, clean or not; or go back to counting the clean ones.
    EmitAll {
        /// Inode of the network namespace.
        netns: u32,
        /// Local port.
        port: u16,
        /// Report each, or count.
        on: bool,
    },
    /// Say what is open at these ports and paths, and which of these processes hold it: answered by [`Kind::Surveyed`],
    /// unless it was looked a moment ago or costs too much.
    Survey {
        /// Ports and paths with listeners of interest.
        places: Vec<CountedBy>,
        /// The processes that may hold connections.
        pids: Vec<u32>,
    },
    /// Say which unix listeners have opened and closed since the last look: answered by [`Kind::UnixOpened`] and
    /// [`Kind::UnixClosed`], or nothing.
    LookAtPaths,
    /// Watch unix sockets, or cease to: answered by [`Kind::UnixWatched`].
    WatchUnix {
        /// Watch, or cease to.
        on: bool,
    },
    /// Report each connection to a unix listener, clean or not; or go back to counting the clean ones.
    EmitAllUnix {
        /// Report each, or count.
        on: bool,
    },
    /// Forget what was counted at a port where nobody has listened for long.
    ForgetPort {
        /// Inode of the network namespace.
        netns: u32,
        /// Local port.
        port: u16,
    },
    /// Watch the outgoing connections of a process, or cease to.
    Member {
        /// The process.
        pid: u32,
        /// Watch, or cease to.
        on: bool,
    },
}

impl Request {
    /// Whether it takes a look at the host, which takes time.
    pub fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Describe { .. }
                | Self::Scan { .. }
                | Self::Survey { .. }
                | Self::LookAtPaths
                | Self::WatchUnix { .. }
        )
    }
}

/// What the loss of an event may have hidden.
enum Weight {
    /// Nothing: connections are judged without it.
    None,
    /// What became of connections.
    Connections,
    /// Who lives and listens.
    Lives,
}

fn weight(what: &str) -> Weight {
    match what {
        "established_at" | "count" | "unix_count" | "unix_listener" => Weight::None,
        "connection" | "flushed" | "lingered" | "reset" | "upstream" | "outgoing" => Weight::Connections,
        _ if what.starts_with("unix") => Weight::Connections,
        _ => Weight::Lives,
    }
}

/// Something worth telling at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A restart began, or goes on after all.
    RestartBegan(RestartId),
    /// A step was added to a restart's timeline.
    Step(RestartId, Step),
    /// A restart ended.
    RestartEnded(RestartId),
    /// A connection was lost.
    Lost(Box<ConnectionFact>),
}

/// Events that were lost not long ago.
#[derive(Clone, Copy, Debug, Default)]
struct Lately {
    at: BootNs,
    events: u64,
    /// Of these, about processes, signals and listeners, or of unknown kind.
    lives: u64,
}

/// Why an event's time says nothing ([`Config::late`]).
pub(crate) const OUT_OF_ORDER: &str = "out_of_order";

/// Why events are missing that were lost before a journal's part that is read by itself.
pub(crate) const LOST_BEFORE: &str = "before";

const MAX_NOTES: usize = 16_384;
const MAX_REQUESTS: usize = 16_384;
const TICK: BootNs = 1_000_000_000;
/// In a restart's first moments most of it happens: ticks come faster.
const FIRST_TICKS: BootNs = 250_000_000;
const YOUNG: BootNs = 5_000_000_000;

/// Correlates what happened to processes with what happened to connections.
#[derive(Debug, Default)]
pub struct Correlator {
    config: Config,
    first: Option<BootNs>,
    now: BootNs,
    attached_at: Option<BootNs>,
    /// When it was last looked what can be forgotten.
    tidied: BootNs,
    /// When it was last asked what is open.
    survey_asked: BootNs,
    /// Time of the last tick.
    ticked: BootNs,
    ended: bool,
    hooks: Vec<Hook>,
    /// Unix sockets are watched.
    unix_watched: bool,
    unix_hooks: Vec<Hook>,
    start_notes: Vec<String>,
    lost: BTreeMap<(String, String), u64>,
    /// When events were last lost, and how many since that was rare.
    lost_lately: Option<Lately>,
    /// When events about processes, signals or listeners were last lost: since then somebody may be thought to live who
    /// does not.
    lives_lost_at: Option<BootNs>,
    bounds: Bounds,
    processes: Processes,
    listeners: Listeners,
    services: Services,
    restarts: BTreeMap<RestartId, Restart>,
    /// Restarts to which something can still happen, by number.
    active: Vec<RestartId>,
    next_restart: u32,
    /// Ports and paths of which each connection is to be reported.
    reported: BTreeSet<CountedBy>,
    connections: Connections,
    outgoing: BTreeMap<Ends, (BootNs, RestartId)>,
    upstreams: Upstreams,
    /// Processes that ended, and when: their outgoing connections are watched a little longer.
    unwatched: VecDeque<(BootNs, u32)>,
    requests: VecDeque<Request>,
    requests_dropped: u64,
    notes: VecDeque<Note>,
}

impl Correlator {
    /// A correlator that knows nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// Takes in one event. Events come in the order of the ring, which is nearly that of their times.
    pub fn handle(&mut self, event: &Event) {
        let at = event.at;
        self.first.get_or_insert(at);
        if self.now.saturating_sub(at) > self.config.late {
            let lost = Lost { what: "order".to_owned(), reason: OUT_OF_ORDER.to_owned(), count: 1 };
            self.events_lost(&lost);
        }
        self.now = self.now.max(at);
        self.forget_the_gone(self.now);
        self.unwatch();
        match &event.event {
            Kind::Connection(connection) => self.connection_ended(at, connection),
            Kind::Flushed(flushed) => self.connection_flushed(flushed),
            Kind::Lingered(lingered) => self.connection_lingered(at, lingered),
            Kind::Reset(reset) => self.segment_reset(at, reset),
            Kind::UpstreamFailed(failed) => self.upstream_failed(at, failed),
            Kind::UnixEnded(ended) => self.unix_ended(at, ended),
            Kind::UnixRefused(refused) => self.unix_refused(at, refused),
            Kind::ListenerOpened(listener) => self.listener_opened(Between::exactly(at), listener),
            Kind::ListenerClosed(listener) => self.listener_closed(at, listener),
            Kind::ListenerSeen(seen) => self.listener_seen(at, seen),
            Kind::ProcessSeen(seen) => self.process_seen(at, seen),
            Kind::Scanned(scanned) => self.process_scanned(at, scanned),
            Kind::Surveyed(surveyed) => self.surveyed(at, surveyed),
            Kind::Forked(forked) => self.process_forked(at, forked),
            Kind::Executed(executed) => self.process_executed(at, executed),
            Kind::Exited(exited) => self.process_exited(at, exited),
            Kind::OomVictim(victim) => self.oom_victim(victim.pid),
            Kind::Signal(signal) => self.signal_sent(at, signal),
            Kind::SignalDelivered(delivered) => self.signal_delivered(at, delivered),
            Kind::Lost(lost) => self.events_lost(lost),
            Kind::Counts(counts) => self.listeners.count(
                counts.of,
                Counted {
                    established: counts.established,
                    served: counts.served,
                    idle_closed: counts.idle_closed,
                },
                self.attached_at.is_none(),
            ),
            Kind::Attached(attached) => {
                self.attached_at = Some(at);
                self.hooks.clone_from(&attached.hooks);
                self.start_notes.clone_from(&attached.notes);
                self.find_relatives(at);
            }
            Kind::Tick => {
                self.ticked = self.now;
                self.deadlines(at);
                self.look_at_paths();
                self.ask_for_survey();
            }
            Kind::Ended => self.ended = true,
            Kind::UnixListener(listener) => self.unix_listener(at, listener),
            Kind::UnixOpened(opened) => self.unix_opened(at, opened),
            Kind::UnixClosed(closed) => self.unix_closed(at, closed),
            Kind::UnixWatched(watched) => self.unix_watched(watched),
            // Each of its connections is told of by itself.
            Kind::UnixHolderDied(_) => {}
            // For who shows times.
            Kind::ClockSet(_) => {}
        }
    }

    /// When a [`Kind::Tick`] is due, whatever else happens before: what is open is asked for on ticks, and a restart
    /// under load is never quiet for long.
    pub fn poll_timeout(&self) -> Option<BootNs> {
        let open = || self.active().filter(|restart| restart.ended.is_none());
        let young = |restart: &Restart| self.now.saturating_sub(restart.started) < YOUNG;
        let tick = if open().any(young) { FIRST_TICKS } else { TICK };
        let busy = open().next().is_some() || !self.reported.is_empty();
        let soon = busy.then(|| self.ticked.saturating_add(tick).max(self.now));
        let survey = self.config.survey_every.map(|every| self.survey_asked.saturating_add(every));
        soon.into_iter().chain(survey).min()
    }

    /// The next thing that the correlator would like to know or have done.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// The next thing worth telling.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    fn events_lost(&mut self, lost: &Lost) {
        let total = self.lost.entry((lost.what.clone(), lost.reason.clone())).or_default();
        *total = total.saturating_add(lost.count);
        let lives = match weight(&lost.what) {
            Weight::None => return,
            Weight::Connections => 0,
            Weight::Lives => lost.count,
        };
        let (now, deadline) = (self.now, self.config.deadline);
        let before = self.lost_lately.filter(|lately| now.saturating_sub(lately.at) <= deadline);
        let before = before.unwrap_or_default();
        if lives > 0 {
            self.lives_lost_at = Some(now);
        }
        self.lost_lately = Some(Lately {
            at: now,
            events: before.events.saturating_add(lost.count),
            lives: before.lives.saturating_add(lives),
        });
        // That something was lost is known a moment after it was; and a connection's report may have waited for
        // the fate of its last bytes.
        let late = if lost.what == "connection" { deadline } else { self.config.settle };
        for restart in self.restarts.values_mut() {
            if restart.ended.is_none_or(|ended| now <= ended.saturating_add(late)) {
                restart.events_lost = restart.events_lost.saturating_add(lost.count);
                restart.lives_lost = restart.lives_lost.saturating_add(lives);
            }
        }
    }

    /// How many events were lost that may have been the first of a restart. Where its signal was seen, only those
    /// of a moment before count, and an earlier signal of the same attempt.
    fn lost_before(&self, restart: &Restart) -> Lately {
        let lives = self.lost_lately.is_some_and(|lately| lately.lives > 0);
        let since = match restart.cause {
            Cause::Signal(_) if restart.times.signal != Some(restart.started) => self.config.deadline,
            Cause::Signal(_) if lives => self.config.same_attempt,
            Cause::Signal(_) => self.config.settle,
            _ => self.config.deadline,
        };
        let recent = self.lost_lately.filter(|lately| restart.started.saturating_sub(lately.at) <= since);
        recent.unwrap_or_default()
    }

    /// How many requests were dropped since this was asked last, because nobody took them in time.
    pub fn take_dropped_requests(&mut self) -> u64 {
        std::mem::take(&mut self.requests_dropped)
    }

    /// Whether something is to be asked or done.
    pub fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    fn request(&mut self, request: Request) {
        // In a replay nobody takes them.
        if self.requests.len() >= MAX_REQUESTS {
            self.requests.pop_front();
            self.requests_dropped += 1;
        }
        self.requests.push_back(request);
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() >= MAX_NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
    }
}
