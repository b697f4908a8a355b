//! Incidents as they happened to others, each with what the observer has to say about it.

mod fixture;
mod gunicorn;
mod proxies;
mod puma;
mod runit;
mod unicorn;
