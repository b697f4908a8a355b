//! Prometheus metrics: what the correlator concludes, and how the observer itself does, counted and served.
//!
//! [`Metrics`] accumulates on the event thread. [`Publisher`] hands it to [`Server`], which has a thread and a runtime
//! of its own: no scraper, however slow or many, holds up events.

mod encode;
mod family;
mod flows;
mod gist;
mod histogram;
mod http;
mod instruments;
mod metrics;
pub mod negotiate;
mod of_itself;
mod of_services;
mod process;
mod publish;
mod restarts;
mod routes;
mod services;
#[cfg(test)]
mod tests;
mod words;

pub use encode::{Format, encode};
pub use family::{Bucket, Exemplar, Family, FamilyKind, Label, Series, Text, Value};
pub use gist::Gist;
pub use http::Server;
pub use instruments::Instruments;
pub use metrics::{ClientStatus, JournalStatus, MAX_SERVICES, Metrics, Readiness};
pub use publish::{Published, Publisher};
