//! Everything that can be known of this host, as events.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock;
use crate::correlate::Request;
use crate::enrich::{self, Extent, Inspection, Surveyor};
use crate::event::{Attached, BootNs, ClockSet, Event, Hook, Kind, Task};
use crate::journal::Header;
use crate::kernel::{Drained, Kernel, Meters, Settings};
use crate::mask::{KEY_BYTES, Mask, Masking};

use super::unix::{self, Unix};

/// The wall clock is reported when it moved by more than this against the time since boot.
const CLOCK_STEP: u64 = 1_000_000;

/// How to observe.
#[derive(Debug, Clone, Default)]
pub struct Observing {
    /// What the probes are told.
    pub probes: Settings,
    /// What is told of processes.
    pub extent: Extent,
}

/// The attached probes and what is asked besides.
pub struct Observer {
    kernel: Kernel,
    extent: Extent,
    ready: AsyncFd<OwnedFd>,
    surveyor: Surveyor,
    unix: Unix,
    wall_minus_boot_ns: i64,
    mask: Option<Mask>,
}

/// What was there when observing began.
#[derive(Debug)]
pub struct Start {
    /// What was found, what happened while it was looked for, and [`Kind::Attached`]; peers are not masked yet.
    pub events: Vec<Event>,
    /// Listening sockets found.
    pub listeners: usize,
    /// Processes found.
    pub processes: usize,
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// What could not be seen, in words.
    pub notes: Vec<String>,
}

impl Observer {
    /// Attaches the probes, then looks at what is there already. `header` is the journal's.
    pub fn start(how: &Observing, header: &Header) -> Result<(Observer, Start)> {
        let mask = header.masked_peers.map(mask).transpose()?;
        let kernel = Kernel::attach(&how.probes)?;
        // SAFETY: the descriptor is open, and owned by the `AsyncFd`, which nobody takes it out of.
        let ready = unsafe { AsyncFd::register_with_interest(kernel.readiness()?, Interest::READABLE) }
            .context("cannot wait for the ring buffer")?;
        let mut observer = Observer {
            kernel,
            extent: how.extent,
            ready,
            surveyor: Surveyor::default(),
            unix: Unix::new(&header.selection, how.probes.all_connections),
            wall_minus_boot_ns: header.clock.wall_minus_boot_ns,
            mask,
        };
        let start = observer.look_around(&how.probes.ports);
        Ok((observer, start))
    }

    /// What reads the cost of the probes, on any thread and while observing goes on.
    pub fn meters(&self) -> Arc<Meters> {
        self.kernel.meters()
    }

    /// Masks the peers of an event, where that is asked for. What is asked of this host is asked with true addresses, so
    /// it comes last.
    pub(super) fn mask(&mut self, event: &mut Event) {
        if let Some(mask) = &mut self.mask {
            mask.apply(event);
        }
    }

    /// Waits until records are waiting that are urgent or many.
    pub(super) async fn ready(&self) -> Result<()> {
        self.ready.readable().await.context("cannot wait for the ring buffer")?.clear_ready();
        Ok(())
    }

    pub(super) fn drain(&mut self, limit: usize, events: &mut Vec<Event>) -> Drained {
        let drained = self.kernel.drain(limit, events);
        self.unix.complete(&mut self.kernel, events, drained == Drained::Empty);
        drained
    }

    /// Does what the correlator asks for, and answers what it asks.
    pub(super) fn answer(&mut self, requests: Vec<Request>) -> Vec<Event> {
        let mut inspection = Inspection::new(self.extent);
        let mut events = Vec::new();
        for request in requests {
            match request {
                Request::Describe { pid } => events.extend(inspection.describe(pid)),
                Request::Scan { pid } => events.push(inspection.scan(pid, self.unix.watch())),
                Request::Survey { places, pids } => {
                    let outstanding = || unix::outstanding(&mut self.kernel);
                    events.extend(self.surveyor.survey(&places, &pids, self.unix.watch(), outstanding));
                }
                Request::EmitAll { netns, port, on } => self.kernel.emit_all(netns, port, on),
                Request::ForgetPort { netns, port } => self.kernel.forget_port(netns, port),
                Request::Member { pid, on } => self.kernel.member(pid, on),
                Request::LookAtPaths => events.extend(self.unix.look(&mut self.kernel, true)),
                Request::WatchUnix { on } => events.extend(self.unix.watch_sockets(&mut self.kernel, on)),
                Request::EmitAllUnix { on } => self.unix.emit_all(&mut self.kernel, on),
            }
        }
        events
    }

    /// What waits to be told, when nothing more will come.
    pub(super) fn finish(&mut self) -> Vec<Event> {
        self.unix.finish(&mut self.kernel)
    }

    /// What was lost and counted since the last time, and whether the wall clock was set.
    pub(super) fn tallies(&mut self, at: BootNs) -> Vec<Event> {
        self.kernel.flush_log();
        let mut events = self.unix.look(&mut self.kernel, false);
        events.extend(self.unix.counted(&mut self.kernel, at));
        events.extend(self.kernel.tallies(at));
        let wall_minus_boot_ns = clock::wall_minus_boot_ns();
        if wall_minus_boot_ns.abs_diff(self.wall_minus_boot_ns) > CLOCK_STEP {
            self.wall_minus_boot_ns = wall_minus_boot_ns;
            events.push(Event { at, event: Kind::ClockSet(ClockSet { wall_minus_boot_ns }) });
        }
        events
    }

    fn look_around(&mut self, ports: &[u16]) -> Start {
        let (seen_at, unix, unseen) = self.unix.look_around();
        // Before anybody is told that all is in place.
        let served = unix.iter().any(|seen| seen.holders.iter().any(|pid| *pid != Task::INIT));
        let watched = if served { self.unix.watch_sockets(&mut self.kernel, true) } else { Vec::new() };
        let mut found = enrich::look_around(ports, self.extent, seen_at, unix);
        found.notes.extend(unseen);
        let mut events = found.events;
        let mut hooks = self.kernel.hooks().to_vec();
        hooks.extend(if served { self.kernel.unix_hooks() } else { Vec::new() });
        events.extend(watched);
        for event in &events {
            if let Kind::ListenerSeen(seen) = &event.event
                && let Some(port) = seen.key.local.port()
            {
                self.kernel.mark_listener(seen.key.netns, port);
            }
        }
        // What the probes saw meanwhile belongs between what was found before and after it.
        let now = clock::boot_ns();
        let mut drained = Drained::More;
        while drained == Drained::More && events.len() < MAX_START {
            let mut batch = Vec::new();
            drained = self.drain(super::BATCH, &mut batch);
            events.append(&mut batch);
        }
        events.sort_by_key(|event| event.at);
        let notes = found.notes;
        let attached = Attached { hooks: self.kernel.hooks().to_vec(), notes: notes.clone() };
        events.push(Event { at: now, event: Kind::Attached(attached) });
        Start { events, listeners: found.listeners, processes: found.processes, hooks, notes }
    }
}

/// A mask with a key that nobody else has, and that is nowhere but in it.
fn mask(masking: Masking) -> Result<Mask> {
    let mut key = [0; KEY_BYTES];
    let filled =
        getrandom(&mut key, GetRandomFlags::empty()).context("cannot get a random key for --mask-peers")?;
    ensure!(filled == KEY_BYTES, "the kernel gave {filled} random bytes of {KEY_BYTES} for --mask-peers");
    Ok(Mask::new(masking, &key))
}

/// Events that may be sorted before observing begins.
const MAX_START: usize = 1 << 18;
