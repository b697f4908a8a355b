//! The kernel side, seen from user space: the only module that touches aya.
//!
//! [`Kernel::attach`] resolves what the probes must know of this kernel, loads them, attaches each hook on its
//! own and says what became of it. What they saw comes out of [`Kernel::drain`] as events; what they dropped
//! or counted instead, out of [`Kernel::tallies`].

mod accept;
pub mod btf;
mod counts;
mod error;
mod facts;
mod hooks;
mod load;
mod log;
mod loss;
mod meters;
mod ring;
mod settings;
mod unix;
mod watch;

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::event::{BootNs, Event, Hook, Kind, Lost};
use counts::Counters;
pub use drain_observer_ebpf::record::UnixCourse;
pub use error::KernelError;
pub use hooks::{HookPlan, plan};
pub use load::kernel_btf;
use loss::Losses;
pub use meters::{MapFill, Meters, ProgramRuns};
pub use ring::Drained;
use ring::Ring;
pub use settings::{RingSize, RingSizeError, Settings};
use unix::UnixProbes;
pub use unix::{UnixCounted, plan_unix};
use watch::Watched;

/// The attached probes. They are detached when it is dropped.
pub struct Kernel {
    hooks: Vec<Hook>,
    ring: Ring,
    losses: Losses,
    counters: Counters,
    watched: Watched,
    log: Option<log::ProbeLog>,
    meters: Arc<Meters>,
    unix: UnixProbes,
    /// Holds the programs and their links.
    programs: aya::Ebpf,
}

impl Kernel {
    /// Loads and attaches the probes.
    pub fn attach(settings: &Settings) -> Result<Kernel, KernelError> {
        load::attach(settings)
    }

    /// What became of each hook.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// What became of the hook that tells when connections are accepted, if that was asked for; it is among the others.
    pub fn accept_hook(&self) -> Option<&Hook> {
        self.hooks.iter().find(|hook| accept::is_name(&hook.name))
    }

    /// What reads the cost of the probes, on any thread.
    pub fn meters(&self) -> Arc<Meters> {
        self.meters.clone()
    }

    /// A descriptor that becomes readable when records wait and the probes think them urgent or many.
    pub fn readiness(&self) -> Result<OwnedFd, KernelError> {
        self.ring.readiness()
    }

    /// Decodes at most `limit` waiting records onto `events`.
    pub fn drain(&mut self, limit: usize, events: &mut Vec<Event>) -> Drained {
        let before = events.len();
        let drained = self.ring.drain(limit, events);
        self.unix.tell_of_the_dead(&mut self.programs, before, events);
        drained
    }

    /// Marks a port as one that has a listener: connections refused there are reported.
    pub fn mark_listener(&mut self, netns: u32, port: u16) {
        self.watched.mark_listener(netns, port);
    }

    /// Has every connection of a port reported, clean or not, or only those that are not surely clean.
    pub fn emit_all(&mut self, netns: u32, port: u16, on: bool) {
        self.watched.emit_all(netns, port, on);
    }

    /// Forgets what was counted at a port where nobody has listened for long.
    pub fn forget_port(&mut self, netns: u32, port: u16) {
        self.watched.forget_listener(netns, port);
        self.counters.forget(netns, port);
    }

    /// Has the connections that a process opens itself watched, or no longer.
    pub fn member(&mut self, pid: u32, on: bool) {
        self.watched.member(pid, on);
    }

    /// Has unix stream sockets watched, or no longer. It costs other programs something, so it is for the time only in
    /// which a watched process owns a unix listener. What a hook fails with is in [`Kernel::unix_hooks`].
    pub fn watch_unix(&mut self, on: bool) -> Result<(), KernelError> {
        if !on {
            return self.unix.detach(&mut self.programs);
        }
        self.unix.attach(&mut self.programs)?;
        self.meters.add_programs(&self.programs).map_err(KernelError::Meters)
    }

    /// Whether unix stream sockets are watched.
    pub fn watches_unix(&self) -> bool {
        self.unix.is_on()
    }

    /// Has every unix connection reported, clean or not, or only those that are not surely clean.
    pub fn emit_all_unix(&mut self, on: bool) -> Result<(), KernelError> {
        self.unix.emit_all(on)
    }

    /// What the probes keep of the unix connections that go on, by the address of the server's end.
    pub fn unix_courses(&mut self) -> Vec<(u64, UnixCourse)> {
        if self.unix.is_on() { self.unix.courses(&mut self.programs) } else { Vec::new() }
    }

    /// Gives up a unix connection that is known to have ended though nobody saw it, and tells of it; `None` where its end
    /// has been told meanwhile.
    pub fn give_up_unix(&mut self, at: BootNs, sk: u64, course: &UnixCourse) -> Option<Event> {
        self.unix.give_up(&mut self.programs, at, sk, course)
    }

    /// What the probes counted of unix listeners' connections, where that changed since the last call.
    pub fn unix_counted(&mut self) -> Vec<UnixCounted> {
        self.unix.counted()
    }

    /// Forgets what was counted of a unix listener that is no more, by its [`crate::event::UnixListener::binding`].
    pub fn forget_unix_listener(&mut self, binding: u64) {
        self.unix.forget_listener(binding);
    }

    /// What becomes of each hook that sees unix sockets when they are watched.
    pub fn unix_hooks(&self) -> Vec<Hook> {
        self.unix.hooks()
    }

    /// Writes out what the probes had to say in words.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// What was dropped since the last call, by kind and reason, and what the probes counted instead of reporting it,
    /// for each port where that changed since the last call.
    pub fn tallies(&mut self, at: BootNs) -> Vec<Event> {
        let losses = self.losses().into_iter().map(Kind::Lost);
        let counts = self.counters.changed().into_iter().map(Kind::Counts);
        losses.chain(counts).map(|event| Event { at, event }).collect()
    }

    fn losses(&mut self) -> Vec<Lost> {
        let mut losses = self.losses.since_last();
        losses.extend(self.ring.undecodable());
        losses.extend(self.watched.losses());
        losses
    }
}
