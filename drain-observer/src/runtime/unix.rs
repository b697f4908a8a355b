//! Unix sockets: the looks that tell which listeners there are, the probes that are there only while they are wanted, and
//! what the one knows for the other.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use drain_observer_ebpf::UnixCounts;

use crate::clock;
use crate::enrich::{Looked, UnixScope, UnixWatch};
use crate::event::{BootNs, CountedBy, Counts, Event, Kind, ListenerKey, ListenerSeen, Lost, UnixWatched};
use crate::kernel::{Kernel, UnixCounted, UnixCourse};
use crate::selection::Selection;

/// Connections that have been quiet for so long are looked after so often.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Refused clients that wait for the next look.
const MAX_REFUSED: usize = 16_384;

/// What is done about unix sockets.
pub(super) struct Unix {
    watch: UnixWatch,
    tally: Tally,
    /// Clients that were refused since the last look.
    refused: Vec<Event>,
    swept: Option<Instant>,
    /// Every connection is to be reported, whatever else is asked for.
    all_connections: bool,
}

impl Unix {
    pub(super) fn new(selection: &Selection, all_connections: bool) -> Unix {
        Unix {
            watch: UnixWatch::new(scope(selection)),
            tally: Tally::default(),
            refused: Vec::new(),
            swept: None,
            all_connections,
        }
    }

    /// The listeners as they were at the last look.
    pub(super) fn watch(&self) -> &UnixWatch {
        &self.watch
    }

    /// Looks for the first time: what there is, and what could not be seen.
    pub(super) fn look_around(&mut self) -> (Vec<ListenerSeen>, Vec<String>) {
        self.watch.look_around()
    }

    /// Looks again, if it is time to. `asked` = somebody waits for it.
    pub(super) fn look(&mut self, kernel: &mut Kernel, asked: bool) -> Vec<Event> {
        let looked = self.watch.look_again(asked);
        let mut events = self.tell(looked, kernel);
        if !asked {
            events.extend(self.sweep(kernel));
        }
        events
    }

    /// What the probes counted, where that changed since the last call.
    pub(super) fn counted(&mut self, kernel: &mut Kernel, at: BootNs) -> Vec<Event> {
        self.count(kernel, at, &[])
    }

    /// Adds to what the probes told what they cannot know. Refused clients come last, after a look at what listens: why
    /// they were rests on it.
    pub(super) fn complete(&mut self, kernel: &mut Kernel, events: &mut Vec<Event>) {
        events.retain(|event| match &event.event {
            Kind::UnixEnded(ended) => ended.path.is_none_or(|name| self.watch.is_of_interest(&name)),
            _ => true,
        });
        let of_unix = |event: &Event| matches!(event.event, Kind::UnixListener(_) | Kind::UnixRefused(_));
        if !events.iter().any(of_unix) && self.refused.is_empty() {
            return;
        }
        // The look sees what the rest of the records only tells the cause of.
        let mut closed = Vec::new();
        for event in std::mem::take(events) {
            match &event.event {
                Kind::UnixListener(listener) => {
                    let looked = self.watch.saw(event.at, listener);
                    let told = self.tell(looked, kernel);
                    let is_end = |event: &Event| matches!(event.event, Kind::UnixClosed(_));
                    let (ends, beginnings): (Vec<_>, Vec<_>) = told.into_iter().partition(is_end);
                    events.extend(beginnings);
                    closed.extend(ends);
                    events.push(event);
                }
                Kind::UnixRefused(refused) => {
                    // What the name means, the client tells while it is there.
                    let mut refused = refused.clone();
                    self.watch.resolve(&mut refused);
                    self.refused.push(Event { at: event.at, event: Kind::UnixRefused(refused) });
                }
                _ => events.push(event),
            }
        }
        events.extend(closed);
        if self.refused.is_empty() || (self.watch.is_early() && self.refused.len() < MAX_REFUSED) {
            return;
        }
        events.extend(self.look(kernel, true));
        self.tell_refused(events);
    }

    /// What is left to be told when nothing more will come.
    pub(super) fn finish(&mut self, kernel: &mut Kernel) -> Vec<Event> {
        if self.refused.is_empty() {
            return Vec::new();
        }
        let looked = self.watch.look_now();
        let mut events = self.tell(looked, kernel);
        self.tell_refused(&mut events);
        events
    }

    fn tell_refused(&mut self, events: &mut Vec<Event>) {
        for mut event in std::mem::take(&mut self.refused) {
            let Kind::UnixRefused(refused) = &mut event.event else { continue };
            match refused.place {
                Some(place) => refused.full |= self.watch.is_full(&place),
                None => self.watch.resolve(refused),
            }
            // What nobody listened at is nobody's loss.
            if refused.place.is_some() {
                events.push(event);
            }
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

    /// Tells of connections that are there no more and whose end nobody saw: neither side read or wrote since.
    fn sweep(&mut self, kernel: &mut Kernel) -> Vec<Event> {
        if !kernel.watches_unix() || self.swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
            return Vec::new();
        }
        let at = clock::boot_ns();
        let old = |course: &UnixCourse| {
            let last = course.request_ns.max(course.read_ns).max(course.response_ns);
            course.inode != 0 && at.saturating_sub(last) > SWEEP_EVERY.as_nanos() as u64
        };
        let mut quiet = kernel.unix_courses();
        quiet.retain(|(_, course)| old(course));
        // What was there before this listing and is not in it has ended.
        let open = if quiet.is_empty() { Some(HashSet::new()) } else { self.watch.open_connections() };
        self.swept = Some(Instant::now());
        let Some(open) = open else { return Vec::new() };
        let gone = quiet.iter().filter(|(_, course)| !open.contains(&course.inode));
        gone.filter_map(|(sk, course)| kernel.give_up_unix(at, *sk, course)).collect()
    }

    fn tell(&mut self, looked: Looked, kernel: &mut Kernel) -> Vec<Event> {
        if looked.unbound.is_empty() {
            return looked.events;
        }
        let Looked { mut events, unbound } = looked;
        events.extend(self.count(kernel, clock::boot_ns(), &unbound));
        for (binding, _) in unbound {
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
        // The probes begin to count anew.
        self.tally.by_binding.clear();
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
        if let Err(error) = kernel.emit_all_unix(on || self.all_connections) {
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

/// What was counted, by place: several sockets may be bound to one, one after the other.
#[derive(Default)]
struct Tally {
    by_binding: BTreeMap<u64, UnixCounts>,
    by_place: BTreeMap<CountedBy, UnixCounts>,
}

impl Tally {
    fn add(&mut self, counted: Vec<UnixCounted>, place: impl Fn(u64) -> Option<ListenerKey>) -> Vec<Counts> {
        let mut changed = BTreeMap::new();
        for UnixCounted { binding, total } in counted {
            let Some(of) = place(binding).map(|key| CountedBy::of(&key)) else { continue };
            let before = self.by_binding.insert(binding, total).unwrap_or_default();
            let sum = self.by_place.entry(of).or_default();
            sum.connected += total.connected.saturating_sub(before.connected);
            sum.served += total.served.saturating_sub(before.served);
            sum.idle += total.idle.saturating_sub(before.idle);
            changed.insert(of, *sum);
        }
        let counts = |(of, sum): (CountedBy, UnixCounts)| Counts {
            of,
            established: sum.connected,
            served: sum.served,
            idle_closed: sum.idle,
        };
        changed.into_iter().map(counts).collect()
    }

    fn forget(&mut self, binding: u64) {
        self.by_binding.remove(&binding);
    }
}

/// The listeners that a selection is about. One that names ports alone is not about paths.
fn scope(selection: &Selection) -> UnixScope {
    if selection.tcp_only || (selection.is_only_ports() && selection.paths.is_empty()) {
        UnixScope::Nothing
    } else if selection.paths.is_empty() {
        UnixScope::All
    } else {
        UnixScope::Paths(selection.paths.iter().copied().collect())
    }
}
