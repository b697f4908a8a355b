//! Silence: when nobody listened at a place during a restart, and when there was a listener that nobody accepted
//! from. Without a hook on accept(2), as for TCP unless it is asked for, the latter is concluded from when connections were
//! established, taken by which process, and answered: bounds, and said to be.

use super::facts::{MemberFact, Outcome, SilenceFact, Unaccepted, Wait};
use crate::event::{BootNs, ListenerKey};
use std::collections::BTreeMap;

/// Connections remembered per listener that may have waited; more do not change a bound by much.
const MAX_WAITING: usize = 1_024;
/// Listeners of one restart of which silence is measured.
const MAX_LISTENERS: usize = 256;

/// When something happened: between two looks, or exactly then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    /// Not before.
    pub(crate) from: BootNs,
    /// Not after.
    pub(crate) to: BootNs,
}

impl Between {
    /// When an event tells it.
    pub(crate) fn exactly(at: BootNs) -> Self {
        Self { from: at, to: at }
    }

    /// When a look found what the one before, at `from`, had not.
    pub(crate) fn looks(from: BootNs, to: BootNs) -> Self {
        Self { from: from.min(to), to }
    }

    fn is_exact(self) -> bool {
        self.from == self.to
    }
}

/// What the listeners of a service go through in a restart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silence {
    places: BTreeMap<ListenerKey, Place>,
}

/// A connection as the accept queue saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) established: BootNs,
    /// When it was accepted, where the kernel tells.
    pub(crate) accepted: Option<BootNs>,
    /// Depth of the queue when it arrived.
    pub(crate) depth: u32,
    pub(crate) fate: Taken,
}

/// Who took a connection from the accept queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    /// A process of the old generation.
    Old {
        /// When it had answered, if it did.
        responded: Option<BootNs>,
    },
    /// A process of the new generation.
    New {
        /// When that process (or its program) began: the connection waited at least until then.
        began: BootNs,
        /// When it had answered, if it did.
        responded: Option<BootNs>,
        /// Its client had left before.
        gave_up: bool,
    },
    /// Nobody: it ended in the queue.
    Nobody {
        /// When.
        ended: BootNs,
        /// How.
        outcome: Outcome,
    },
}

#[derive(Clone, Debug, Default)]
struct Place {
    /// Since when nobody listens, where nobody does.
    closed: Option<Between>,
    /// When somebody listened again.
    opened: Option<Between>,
    last_closed: Option<BootNs>,
    /// How long nobody listened, at most and at least.
    not_listening: BootNs,
    not_listening_at_least: BootNs,
    /// The first connection that came in after nobody listened any more, as far as was known.
    found_open: Option<BootNs>,
    limit: u32,
    peak: u32,
    drops: u64,
    refused: u64,
    last_arrival: Option<BootNs>,
    /// When the last connection that the old generation accepted had come in.
    last_old_accept: Option<BootNs>,
    /// When that was accepted, where the kernel tells.
    old_accepted_at: Option<BootNs>,
    first_new_response: Option<BootNs>,
    waiting: Vec<Arrival>,
    longest: Option<Wait>,
}

impl Silence {
    /// A socket began to listen at a place.
    pub(crate) fn opened(&mut self, key: ListenerKey, when: Between, limit: u32) {
        let Some(place) = self.place(key) else { return };
        if place.limit == 0 {
            // Servers may set another one at once, which no event tells.
            place.limit = limit;
        }
        if let Some(closed) = place.closed.take() {
            let found = place.found_open.take().filter(|_| !when.is_exact());
            let when = Between::looks(when.from, found.map_or(when.to, |found| found.min(when.to)));
            place.not_listening += when.to.saturating_sub(closed.from);
            place.not_listening_at_least += when.from.saturating_sub(closed.to);
            place.opened = Some(when);
        }
    }

    /// A socket ceased to listen; `left` others listen on.
    pub(crate) fn closed(
        &mut self,
        key: ListenerKey,
        when: Between,
        left: usize,
        queue: u32,
        limit: u32,
        drops: u32,
    ) {
        let Some(place) = self.place(key) else { return };
        place.had(queue, limit);
        place.drops += u64::from(drops);
        if left == 0 {
            place.closed.get_or_insert(when);
            place.last_closed = Some(when.to);
        }
    }

    /// A queue was looked at.
    pub(crate) fn queue_seen(&mut self, key: ListenerKey, queue: u32, limit: u32) {
        let Some(place) = self.place(key) else { return };
        place.had(queue, limit);
    }

    /// Whether nobody listened at some place, and then somebody did.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.places.values().any(|place| place.opened.is_some())
    }

    /// When somebody listened everywhere again, at the latest.
    pub(crate) fn listened_again(&self) -> Option<BootNs> {
        self.places.values().filter_map(|place| place.opened).map(|opened| opened.to).max()
    }

    /// A SYN came while nobody listened.
    pub(crate) fn refused(&mut self, key: ListenerKey) {
        if let Some(place) = self.place(key) {
            place.refused += 1;
        }
    }

    /// A client was turned away from a full queue, as those of paths are, which do not drop packets.
    pub(crate) fn overflowed(&mut self, key: ListenerKey, limit: u32) {
        let Some(place) = self.place(key) else { return };
        place.drops += 1;
        place.had(limit.saturating_add(1), limit);
    }

    /// A connection ended that had come in at a place. `started` = when the restart began.
    pub(crate) fn arrived(&mut self, key: ListenerKey, arrival: Arrival, limit: u32, started: BootNs) {
        let Some(place) = self.place(key) else { return };
        if arrival.established >= started || matches!(arrival.fate, Taken::Nobody { .. }) {
            place.had(arrival.depth.saturating_add(1), limit);
        }
        if place.last_closed.is_none_or(|closed| arrival.established <= closed) {
            place.last_arrival = place.last_arrival.max(Some(arrival.established));
        }
        place.was_open(arrival.established);
        place.waited(&arrival);
        match arrival.fate {
            Taken::Old { .. } => {
                place.last_old_accept = place.last_old_accept.max(Some(arrival.established));
                place.old_accepted_at = place.old_accepted_at.max(arrival.accepted);
                return;
            }
            Taken::New { responded, .. } => {
                if let Some(responded) = responded {
                    let first = place.first_new_response.get_or_insert(responded);
                    *first = responded.min(*first);
                }
            }
            Taken::Nobody { .. } => {}
        }
        let before_new = place.first_new_response.is_none_or(|first| arrival.established < first);
        if before_new && place.waiting.len() < MAX_WAITING {
            place.waiting.push(arrival);
        }
    }

    /// What there was of it, as of `now`, in a restart that began at `started` with this old generation.
    pub(crate) fn facts(&self, started: BootNs, old: &[MemberFact], now: BootNs) -> Vec<SilenceFact> {
        let acceptors_gone = acceptors_gone(old);
        let fact = |(key, place): (&ListenerKey, &Place)| {
            let open = place.closed.map_or(0, |closed| now.saturating_sub(closed.from));
            let surely_open = place.closed.map_or(0, |closed| now.saturating_sub(closed.to));
            SilenceFact {
                listener: *key,
                closed_at: place.last_closed,
                not_listening: place.not_listening + open,
                not_listening_at_least: place.not_listening_at_least + surely_open,
                listens: place.closed.is_none(),
                not_accepting: place.unaccepted(started, acceptors_gone),
                longest_wait: place.longest,
                peak_queue: place.peak,
                queue_limit: place.limit,
                drops: place.drops,
                refused: place.refused,
                last_arrival: place.last_arrival,
            }
        };
        self.places.iter().map(fact).collect()
    }

    fn place(&mut self, key: ListenerKey) -> Option<&mut Place> {
        if self.places.len() >= MAX_LISTENERS && !self.places.contains_key(&key) {
            return None;
        }
        Some(self.places.entry(key).or_default())
    }
}

impl Place {
    /// So many connections were in a queue of this limit.
    fn had(&mut self, depth: u32, limit: u32) {
        if depth >= self.peak {
            self.peak = depth;
            self.limit = if limit > 0 { limit } else { self.limit };
        }
    }

    /// A connection came in then: where only looks tell when somebody listened again, it was no later.
    fn was_open(&mut self, at: BootNs) {
        if self.closed.is_some_and(|closed| at > closed.to) {
            let found = self.found_open.get_or_insert(at);
            *found = at.min(*found);
        } else if let Some(opened) = self.opened.filter(|opened| opened.from < at && at < opened.to) {
            self.not_listening -= (opened.to - at).min(self.not_listening);
            self.opened = Some(Between { to: at, ..opened });
        }
    }

    fn waited(&mut self, arrival: &Arrival) {
        let (until, exact) = match (arrival.fate, arrival.accepted) {
            (Taken::Nobody { ended, .. }, _) => (ended, true),
            (_, Some(accepted)) => (accepted, true),
            (
                Taken::Old { responded: Some(responded) } | Taken::New { responded: Some(responded), .. },
                None,
            ) => (responded, false),
            (Taken::Old { responded: None } | Taken::New { responded: None, .. }, None) => return,
        };
        let wait = Wait { ns: until.saturating_sub(arrival.established), exact };
        // What is known beats what is only bounded.
        let better = |known: &Wait| (wait.exact, wait.ns) > (known.exact, known.ns);
        if self.longest.as_ref().is_none_or(better) {
            self.longest = Some(wait);
        }
    }

    /// From the old generation's last accept to the new one's first, if connections came in between. A listener that
    /// closed and one that opened after it have a queue each; the silence that cost more is told.
    fn unaccepted(&self, started: BootNs, acceptors_gone: Option<BootNs>) -> Option<Unaccepted> {
        let accepted = self.last_old_accept.unwrap_or(0);
        let started = started.max(self.old_accepted_at.unwrap_or(0));
        let first = self.first_new_response.unwrap_or(BootNs::MAX);
        let span = |after: BootNs, until: BootNs, queue: &dyn Fn(&&Arrival) -> bool| {
            let waiting: Vec<&Arrival> = self.waiting.iter().filter(queue).collect();
            unaccepted(&waiting, started.max(accepted).max(after), accepted, until, acceptors_gone)
        };
        let Some(closed) = self.last_closed else { return span(0, first, &|_| true) };
        let before = span(0, closed, &|arrival| arrival.established < closed && !arrival.is_new());
        let opened = self.opened.map(|opened| opened.to);
        let Some(opened) = opened.filter(|opened| *opened > closed) else { return before };
        let since = span(opened, first, &|arrival| arrival.established >= opened);
        let cost = |it: &Unaccepted| (it.reset + it.gave_up, it.until.saturating_sub(it.from));
        before.into_iter().chain(since).max_by_key(cost)
    }
}

impl Arrival {
    fn is_new(&self) -> bool {
        matches!(self.fate, Taken::New { .. })
    }

    /// Until when it waited at least, and at most, if nobody new accepted before `taken`.
    fn waited_until(&self, taken: BootNs) -> (BootNs, BootNs) {
        match self.fate {
            // The close of its listener and its own end are one, but for their clocks.
            Taken::Nobody { ended, .. } => (ended.min(taken), ended.min(taken)),
            Taken::New { .. } if self.accepted.is_some() => {
                let accepted = self.accepted.unwrap_or(taken).min(taken);
                (accepted, accepted)
            }
            Taken::New { began, responded, .. } => {
                let most = responded.unwrap_or(taken).min(taken);
                (began.max(self.established).min(most), most)
            }
            Taken::Old { .. } => (0, 0),
        }
    }
}

/// What of `waiting` was not accepted between `after`, when the old generation had `accepted` last, and `taken`.
fn unaccepted(
    waiting: &[&Arrival],
    after: BootNs,
    accepted: BootNs,
    taken: BootNs,
    acceptors_gone: Option<BootNs>,
) -> Option<Unaccepted> {
    let waited = |arrival: &&&Arrival| {
        arrival.established < taken
            && arrival.established >= accepted
            && arrival.waited_until(taken).1 > after
    };
    let waiting: Vec<&Arrival> = waiting.iter().filter(waited).copied().collect();
    let first = waiting.iter().map(|arrival| arrival.established).min()?.max(after);
    let gone = acceptors_gone.filter(|gone| *gone <= first).map(|gone| gone.max(after));
    let from = gone.unwrap_or(first);
    let until = waiting.iter().map(|arrival| arrival.waited_until(taken).1).max()?;
    if until <= from {
        return None;
    }
    let least = waiting.iter().map(|arrival| (arrival.waited_until(taken).0, arrival.established.max(from)));
    let surely_until = least.filter(|(end, began)| end > began).map(|(end, _)| end).max().unwrap_or(from);
    let ended = |wanted: Outcome| {
        let so = |arrival: &&&Arrival| match arrival.fate {
            Taken::Nobody { outcome, .. } => outcome == wanted,
            Taken::New { gave_up, .. } => gave_up && wanted == Outcome::GaveUp,
            Taken::Old { .. } => false,
        };
        waiting.iter().filter(so).count() as u64
    };
    Some(Unaccepted {
        from,
        until,
        at_least: (surely_until - from).max(untouched(&waiting, first)).min(until - from),
        exact: surely_until == until && acceptors_gone == Some(from),
        waiting: waiting.len() as u64,
        reset: ended(Outcome::QueueReset),
        gave_up: ended(Outcome::GaveUp),
    })
}

/// How long after `first`, when the first of `waiting` was in the queue, the last of them came that found all those
/// before it still there: the queue is first in, first out, so nobody had accepted any until then.
fn untouched(waiting: &[&Arrival], first: BootNs) -> BootNs {
    let mut came: Vec<&Arrival> = waiting.to_vec();
    came.sort_by_key(|arrival| arrival.established);
    let found_all = |(before, arrival): &(usize, &&Arrival)| arrival.depth as usize >= *before;
    let last = came.iter().enumerate().filter(found_all).map(|(_, arrival)| arrival.established).max();
    last.unwrap_or(first).saturating_sub(first)
}

/// When the last of the old generation was gone that can have accepted: its workers, or else its masters.
pub(crate) fn acceptors_gone(old: &[MemberFact]) -> Option<BootNs> {
    let workers = || old.iter().filter(|member| !member.master);
    let ended = |members: &mut dyn Iterator<Item = &MemberFact>| {
        members.map(|member| member.ended).try_fold(0, |last, ended| Some(ended?.max(last)))
    };
    let masters_accept = old.iter().any(|member| member.master && member.accepted > 0);
    let gone = if workers().next().is_none() || masters_accept {
        ended(&mut old.iter())
    } else {
        ended(&mut workers())
    };
    gone.filter(|gone| *gone > 0)
}
