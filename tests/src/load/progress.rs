//! Counts over all clients of a plan that others can wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::wait;

/// How far a plan has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections begun.
    pub begun: usize,
    /// Handshakes done.
    pub connected: usize,
    /// Requests sent, half ones included.
    pub requests: usize,
    /// First bytes of responses seen.
    pub response_starts: usize,
    /// Whole responses received.
    pub responses: usize,
    /// Connections ended.
    pub ended: usize,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    counts: Mutex<Counts>,
    changed: Condvar,
    read_on: AtomicBool,
}

impl Progress {
    /// Whether clients that stall may read on.
    pub(super) fn reads_on(&self) -> bool {
        self.read_on.load(Ordering::Relaxed)
    }

    /// Lets clients that stall read on.
    pub(super) fn read_on(&self) {
        self.read_on.store(true, Ordering::Relaxed);
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn counts(&self) -> Counts {
        *self.lock()
    }

    pub(super) fn wait(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Counts) -> bool,
    ) -> Result<Counts> {
        let limit = wait::patient(limit);
        let deadline = Instant::now() + limit;
        let mut counts = self.lock();
        while !condition(&counts) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("waited {limit:?} for {what}, in vain; so far {:?}", *counts);
            }
            counts = self.changed.wait_timeout(counts, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(*counts)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counters stay meaningful even if a client panicked between two of them.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
