//! Unix sockets: the looks that tell which listeners there are, the probes that are there only while they are wanted, and
//! what the one knows for the other.

use crate::clock;
use crate::enrich::{Looked, UnixScope, UnixWatch};
use crate::event::{Event, Kind, ListenerSeen, Lost, UnixWatched};
use crate::kernel::Kernel;
use crate::selection::Selection;

/// What is done about unix sockets.
pub(super) struct Unix {
    watch: UnixWatch,
    /// Every connection is to be reported, whatever else is asked for.
    all_connections: bool,
}

impl Unix {
    pub(super) fn new(selection: &Selection, all_connections: bool) -> Unix {
        Unix { watch: UnixWatch::new(scope(selection)), all_connections }
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
        tell(looked, kernel)
    }

    /// Adds to what the probes told what they cannot know, before the events that rest on it.
    pub(super) fn complete(&mut self, kernel: &mut Kernel, events: &mut Vec<Event>) {
        let of_unix = |event: &Event| matches!(event.event, Kind::UnixListener(_) | Kind::UnixRefused(_));
        if !events.iter().any(of_unix) {
            return;
        }
        for mut event in std::mem::take(events) {
            match &mut event.event {
                Kind::UnixListener(listener) => {
                    let looked = self.watch.saw(event.at, listener);
                    events.extend(tell(looked, kernel));
                }
                Kind::UnixRefused(refused) => {
                    let looked = self.watch.look_again(true);
                    events.extend(tell(looked, kernel));
                    self.watch.resolve(refused);
                    // What nobody listened at is nobody's loss.
                    if refused.place.is_none() {
                        continue;
                    }
                }
                _ => {}
            }
            events.push(event);
        }
    }

    /// Has unix sockets watched by the probes, or no longer.
    pub(super) fn watch_sockets(&mut self, kernel: &mut Kernel, on: bool) -> Vec<Event> {
        if on == kernel.watches_unix() {
            return Vec::new();
        }
        let at = clock::boot_ns();
        let outcome = kernel.watch_unix(on);
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

fn tell(looked: Looked, kernel: &mut Kernel) -> Vec<Event> {
    looked.unbound.into_iter().for_each(|binding| kernel.forget_unix_listener(binding));
    looked.events
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
