//! Unix sockets: the looks that tell which listeners there are, the probes that are there only while they are wanted, and
//! what the one knows for the other.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use crate::clock;
use crate::enrich::{Looked, UnixScope, UnixWatch};
use crate::event::{BootNs, CountedBy, Event, Kind, ListenerKey, ListenerSeen, Lost, UnixWatched};
use crate::kernel::{Kernel, UnixCourse};
use crate::selection::Selection;

use super::tally::Tally;

/// It is looked this often after connections that have been quiet, at most so much of the time.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
const SWEEP_SHARE: u32 = 50;
/// So long a connection has to be quiet, ns: longer than its response takes to be followed by its end.
const QUIET: BootNs = 50_000_000;
/// Events that wait for the next look.
const MAX_HELD: usize = 16_384;

/// What is done about unix sockets.
pub(super) struct Unix {
    watch: UnixWatch,
    tally: Tally,
    /// Refused clients, and ends of connections to listeners that no look has found yet: what they mean, the next look
    /// tells.
    held: Vec<Event>,
    /// What a look found, and what rests on it, to be told after all that the probes had to say when it was looked.
    later: Vec<Event>,
    swept_until: Option<Instant>,
    /// Connections that the last sweep did not find, by address and inode. One listing is no proof: the kernel skips a
    /// socket where others of its slot have gone meanwhile.
    missing: HashSet<(u64, u64)>,
    /// Clean connections are told of one by one.
    reports_all: bool,
    /// Every connection is to be reported, whatever else is asked for.
    all_connections: bool,
}

impl Unix {
    pub(super) fn new(selection: &Selection, all_connections: bool) -> Unix {
        Unix {
            watch: UnixWatch::new(scope(selection)),
            tally: Tally::default(),
            held: Vec::new(),
            later: Vec::new(),
            swept_until: None,
            missing: HashSet::new(),
            reports_all: all_connections,
            all_connections,
        }
    }

    /// The listeners as they were at the last look.
    pub(super) fn watch(&self) -> &UnixWatch {
        &self.watch
    }

    /// Looks for the first time: when that was, what there is, and what could not be seen.
    pub(super) fn look_around(&mut self) -> (BootNs, Vec<ListenerSeen>, Vec<String>) {
        self.watch.look_around()
    }

    /// Looks again, if it is time to. `asked` = somebody waits for it.
    pub(super) fn look(&mut self, kernel: &mut Kernel, asked: bool) -> Vec<Event> {
        let looked = self.watch.look_again(asked);
        let mut events = self.tell(looked, kernel);
        events.extend(self.shortcomings());
        events.extend(self.sweep(kernel));
        events
    }

    /// What the probes counted, where that changed since the last call.
    pub(super) fn counted(&mut self, kernel: &mut Kernel, at: BootNs) -> Vec<Event> {
        self.count(kernel, at, &[])
    }

    /// Adds to what the probes told what they cannot know. `empty`: nothing older is to come from them.
    pub(super) fn complete(&mut self, kernel: &mut Kernel, events: &mut Vec<Event>, empty: bool) {
        events.retain(|event| match &event.event {
            Kind::UnixEnded(ended) => ended.path.is_none_or(|name| self.watch.is_of_interest(&name)),
            _ => true,
        });
        let due = if empty { std::mem::take(&mut self.later) } else { Vec::new() };
        let of_unix = |event: &Event| {
            matches!(event.event, Kind::UnixListener(_) | Kind::UnixRefused(_) | Kind::UnixEnded(_))
        };
        if events.iter().any(of_unix) {
            for mut event in std::mem::take(events) {
                match &mut event.event {
                    Kind::UnixListener(listener) => {
                        let looked = self.watch.saw(event.at, listener);
                        events.extend(self.tell(looked, kernel));
                        events.push(event);
                    }
                    Kind::UnixRefused(refused) => {
                        // What the name means, the client tells while it is there.
                        self.watch.resolve(refused);
                        self.held.push(event);
                    }
                    Kind::UnixEnded(ended) if self.watch.awaits(ended.binding) => self.held.push(event),
                    _ => events.push(event),
                }
            }
        }
        events.extend(due);
        if !self.held.is_empty() && (!self.watch.is_early() || self.held.len() >= MAX_HELD) {
            events.extend(self.look(kernel, true));
            self.release();
        }
    }

    /// What is left to be told when nothing more will come.
    pub(super) fn finish(&mut self, kernel: &mut Kernel) -> Vec<Event> {
        let looked = self.watch.look_now();
        let mut events = self.tell(looked, kernel);
        events.extend(self.shortcomings());
        self.release();
        events.append(&mut self.later);
        events
    }

    /// What looks could not see since this was asked last.
    fn shortcomings(&mut self) -> Option<Event> {
        let notes = self.watch.take_notes();
        notes.iter().for_each(|note| log::warn!("unix sockets: {note}"));
        let count = notes.len() as u64;
        let lost = Lost { what: "unix_look".to_owned(), reason: "incomplete".to_owned(), count };
        (count > 0).then(|| Event { at: clock::boot_ns(), event: Kind::Lost(lost) })
    }

    /// Has all be told that waited for a look.
    fn release(&mut self) {
        for mut event in std::mem::take(&mut self.held) {
            if let Kind::UnixRefused(refused) = &mut event.event {
                match refused.place {
                    Some(place) => refused.full |= self.watch.is_full(&place),
                    None => self.watch.resolve(refused),
                }
                // What nobody listened at is nobody's loss.
                if refused.place.is_none() {
                    continue;
                }
            }
            self.later.push(event);
        }
    }

    /// `closed`: bindings and places of listeners that are known no more.
    fn count(&mut self, kernel: &mut Kernel, at: BootNs, closed: &[(u64, ListenerKey)]) -> Vec<Event> {
        let place = |binding| {
            let closed = closed.iter().find(|(other, _)| *other == binding).map(|(_, key)| *key);
            closed.or_else(|| self.watch.bound_by(binding))
        };
        let counts = self.tally.add(kernel.unix_counted(), place);
        counts.into_iter().map(|counts| Event { at, event: Kind::Counts(counts) }).collect()
    }

    /// Tells of connections that are there no more and whose end nobody saw, as when a client that has all that it wants
    /// closes without looking whether the server has.
    fn sweep(&mut self, kernel: &mut Kernel) -> Vec<Event> {
        if !kernel.watches_unix() || self.swept_until.is_some_and(|until| Instant::now() < until) {
            return Vec::new();
        }
        let (began, at) = (Instant::now(), clock::boot_ns());
        let quiet = |course: &UnixCourse| {
            let last = course.request_ns.max(course.read_ns).max(course.response_ns);
            course.inode != 0 && at.saturating_sub(last) > QUIET
        };
        let mut courses = kernel.unix_courses();
        courses.retain(|(_, course)| quiet(course));
        // What was there before this listing and is not in it has ended.
        let open = if courses.is_empty() { Some(HashSet::new()) } else { self.watch.open_connections() };
        let mut events = Vec::new();
        let mut served: BTreeMap<CountedBy, u64> = BTreeMap::new();
        let is_gone = |course: &UnixCourse| open.as_ref().is_some_and(|open| !open.contains(&course.inode));
        courses.retain(|(_, course)| is_gone(course));
        let id = |(sk, course): &(u64, UnixCourse)| (*sk, course.inode);
        let missing = std::mem::replace(&mut self.missing, courses.iter().map(id).collect());
        for (sk, course) in courses.iter().filter(|one| missing.contains(&id(one))) {
            let Some(event) = kernel.give_up_unix(at, *sk, course) else { continue };
            match self.watch.bound_by(course.binding).filter(|_| !self.reports_all && course.is_served()) {
                Some(key) => *served.entry(CountedBy::of(&key)).or_default() += 1,
                None => events.push(event),
            }
        }
        let counts = served.into_iter().map(|(of, served)| Kind::Counts(self.tally.add_served(of, served)));
        events.extend(counts.map(|event| Event { at, event }));
        self.swept_until = Some(Instant::now() + SWEEP_EVERY.max(began.elapsed() * SWEEP_SHARE));
        events
    }

    /// What a look found, as far as it can be told at once: what led to a listener's end may still wait to be read.
    fn tell(&mut self, looked: Looked, kernel: &mut Kernel) -> Vec<Event> {
        let is_end = |event: &Event| matches!(event.event, Kind::UnixClosed(_));
        let (ends, mut events): (Vec<_>, Vec<_>) = looked.events.into_iter().partition(is_end);
        self.later.extend(ends);
        if !looked.unbound.is_empty() {
            events.extend(self.count(kernel, clock::boot_ns(), &looked.unbound));
        }
        for (binding, _) in looked.unbound {
            kernel.forget_unix_listener(binding);
            self.tally.forget(binding);
        }
        events
    }

    /// Has unix sockets watched by the probes, or no longer.
    pub(super) fn watch_sockets(&mut self, kernel: &mut Kernel, on: bool) -> Vec<Event> {
        if on == kernel.watches_unix() {
            return Vec::new();
        }
        let at = clock::boot_ns();
        let outcome = kernel.watch_unix(on);
        self.tally.begin_anew();
        let watched = UnixWatched { on: kernel.watches_unix(), hooks: kernel.unix_hooks() };
        let mut events = vec![Event { at, event: Kind::UnixWatched(watched) }];
        if let Err(error) = outcome {
            log::warn!("unix sockets: {error}");
            let lost = Lost { what: "unix".to_owned(), reason: "not_attached".to_owned(), count: 1 };
            events.push(Event { at, event: Kind::Lost(lost) });
        }
        events
    }

    /// Has every connection reported, or only those that are not surely clean.
    pub(super) fn emit_all(&mut self, kernel: &mut Kernel, on: bool) {
        self.reports_all = on || self.all_connections;
        if let Err(error) = kernel.emit_all_unix(self.reports_all) {
            log::warn!("clean connections to unix sockets: {error}");
        }
    }
}

/// Connections with a request that was read and not answered yet, by inode.
pub(super) fn outstanding(kernel: &mut Kernel) -> HashSet<u64> {
    let waits =
        |course: &UnixCourse| course.reads >= course.requests && course.request_ns > course.response_ns;
    let courses = kernel.unix_courses().into_iter().map(|(_, course)| course);
    courses.filter(waits).map(|course| course.inode).filter(|inode| *inode != 0).collect()
}

/// The listeners that a selection is about. One that names ports alone is not about paths.
fn scope(selection: &Selection) -> UnixScope {
    if selection.tcp_only || selection.is_only_ports() {
        UnixScope::Nothing
    } else if selection.paths.is_empty() {
        UnixScope::All
    } else {
        UnixScope::Paths(selection.paths.iter().copied().collect())
    }
}
