//! From the event thread to the server's: the event thread leaves its numbers where they were asked for, once a second
//! at most, and never waits.

use super::family::Family;
use super::gist::Gist;
use super::metrics::{ClientStatus, JournalStatus, Metrics, Readiness};
use crate::clock;
use crate::correlate::Correlator;
use crate::event::{BootNs, Event};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

const SECOND: BootNs = 1_000_000_000;
/// A scraper gets older numbers if the event thread takes longer than this to leave newer ones.
const PATIENCE: Duration = Duration::from_secs(2);
/// An event loop that has not turned for longer than this hangs.
const HANGS_AFTER: BootNs = 10 * SECOND;

/// The event thread's end.
#[derive(Debug)]
pub struct Publisher {
    metrics: Metrics,
    published: Arc<Published>,
    updated: Option<BootNs>,
    shown: Option<BootNs>,
}

/// The server's end.
#[derive(Debug)]
pub struct Published {
    page: watch::Sender<Arc<Page>>,
    wanted: AtomicBool,
    /// When the event loop turned last.
    turned: AtomicU64,
    readiness: Mutex<Readiness>,
}

/// The numbers of one moment.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) families: Vec<Family>,
    /// `None` = none yet.
    made: Option<BootNs>,
}

impl Publisher {
    /// With these metrics, and nothing seen yet.
    pub fn new(metrics: Metrics) -> Self {
        let readiness = metrics.readiness();
        let published = Published {
            page: watch::Sender::new(Arc::default()),
            wanted: AtomicBool::new(false),
            turned: AtomicU64::new(clock::boot_ns()),
            readiness: Mutex::new(readiness),
        };
        Self { metrics, published: Arc::new(published), updated: None, shown: None }
    }

    /// What the server is given.
    pub fn published(&self) -> Arc<Published> {
        self.published.clone()
    }

    /// Takes an event in: each one that the correlator gets.
    pub fn event(&mut self, event: &Event) {
        self.metrics.event(event);
    }

    /// Takes in what the recorder says of itself.
    pub fn journal(&mut self, status: JournalStatus) {
        self.metrics.journal(status);
    }

    /// Takes in what became of the socket's clients.
    pub fn clients(&mut self, status: ClientStatus) {
        self.metrics.clients(status);
    }

    /// Names at most so many services from now on.
    pub fn set_max_services(&mut self, max: usize) {
        self.metrics.set_max_services(max);
    }

    /// How everything was at the last update, which is at most a second ago while the event loop turns.
    pub fn gist(&self) -> Gist {
        self.metrics.gist()
    }

    /// To be called each time that the event loop turns: several times a second, whatever happens.
    pub fn turned(&mut self, correlator: &Correlator) {
        let now = clock::boot_ns();
        self.turned_at(correlator, now, now);
    }

    /// It is `now`, and the facts are told as of `at`.
    pub(super) fn turned_at(&mut self, correlator: &Correlator, now: BootNs, at: BootNs) {
        self.published.turned.store(now, Ordering::Relaxed);
        let due = |last: Option<BootNs>| last.is_none_or(|last| now.saturating_sub(last) >= SECOND);
        if due(self.updated) {
            self.updated = Some(now);
            self.metrics.update(correlator, at);
            *self.published.readiness.lock().unwrap_or_else(PoisonError::into_inner) =
                self.metrics.readiness();
        }
        if due(self.shown) && self.published.wanted.swap(false, Ordering::Relaxed) {
            self.shown = Some(now);
            let page = Page { families: self.metrics.families(), made: Some(now) };
            self.published.page.send_replace(Arc::new(page));
        }
    }
}

impl Published {
    /// Numbers that are at most a second old, or the latest there are when the event thread does not get to it.
    pub(super) async fn page(&self) -> Arc<Page> {
        let mut page = self.page.subscribe();
        let known = page.borrow_and_update().clone();
        if known.made.is_some_and(|made| clock::boot_ns().saturating_sub(made) < SECOND) {
            return known;
        }
        self.wanted.store(true, Ordering::Relaxed);
        // Late or not, what is there by then is what there is.
        let _ = tokio::time::timeout(PATIENCE, page.changed()).await;
        page.borrow().clone()
    }

    /// Whether the event loop turns; if not, for how long it has not, in words.
    pub(super) fn health(&self) -> Result<(), String> {
        let still = clock::boot_ns().saturating_sub(self.turned.load(Ordering::Relaxed));
        if still <= HANGS_AFTER {
            return Ok(());
        }
        Err(format!("the event loop has not turned for {} s", still / SECOND))
    }

    /// Whether it is attached and keeps up; if not, why, in words.
    pub(super) fn readiness(&self) -> Readiness {
        if let Err(why) = self.health() {
            return Readiness::NotReady(vec![why]);
        }
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
